"""The real command line for blocks of the documents: simulated trainers, few images, and the CPU where a GPU is named.

Only arguments change: `--gpus` and `--gpu-id` become cpu, and `synth` draws few images. Everything else is what the
document says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import crossad.launch.command as commands
from crossad.launch.command import Job
from crossad.launch.slots import Slot
from crossad.results.plan import PlanEntry

TRAINER = str(Path(__file__).with_name("trainer.py"))
real = commands.trainer_command


def simulated_command(job: Job, entry: PlanEntry, slot: Slot) -> list[str]:
    """The real trainer's arguments, given to the simulation."""
    built = real(job, entry, slot)
    return [built[0], TRAINER, *built[built.index("train") + 1 :]]


def small(words: list[str]) -> list[str]:
    """The same command line for a machine without GPUs and for little time."""
    words = [
        "cpu" if before in ("--gpus", "--gpu-id") else word for before, word in zip(["", *words], words, strict=False)
    ]
    return [*words, "--train", "4", "--test", "4"] if words[:1] == ["synth"] else words


def patch() -> None:
    """Put the simulation behind the queue."""
    commands.trainer_command = simulated_command  # before the verbs import it


if __name__ == "__main__":
    from crossad.cli import main

    patch()
    sys.argv[1:] = small(sys.argv[1:])
    main()
