"""The real command line with the fake trainer behind it: python drive.py run suite.json --gpus cpu"""

from __future__ import annotations

from pathlib import Path

import crossad.launch.command as commands
from crossad.cli import main
from crossad.launch.command import Job
from crossad.launch.slots import Slot
from crossad.results.plan import PlanEntry

FAKE = str(Path(__file__).with_name("fake_trainer.py"))
real = commands.trainer_command


def fake_command(job: Job, entry: PlanEntry, slot: Slot) -> list[str]:
    """The real trainer's arguments, given to the fake."""
    built = real(job, entry, slot)
    return [built[0], FAKE, *built[built.index("train") + 1 :]]


commands.trainer_command = fake_command  # before the verbs import it
main()
