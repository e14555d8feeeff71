"""What a run needs to know to start trainers, and the command line and environment of one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossad.data.places import Images, as_images
from crossad.launch.slots import CPU, Slot
from crossad.results.home import Home
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan, PlanEntry
from crossad.supplies.place import Shelf, as_shelf

# glibc: keep big tensors on the heap; fresh pages for each cost more than the arithmetic on small models
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)}


@dataclass(frozen=True)
class Job:
    """A pinned plan and the surroundings in which this machine works on it."""

    plan: Plan
    home: Home
    data: Images | Path
    slots: tuple[Slot, ...]
    weights: Shelf | Path | None = None
    data_locks: Mapping[str, str | None] = field(default_factory=dict)  # condition id -> hash of the data it reads
    grace_seconds: float = 30.0  # from SIGTERM to SIGKILL; a trainer ends by itself in 25

    @property
    def results(self) -> Path:
        """The folder of this machine in which trainers work."""
        return self.home.results

    @property
    def paths(self) -> RunPaths:
        """The files of this run."""
        return RunPaths(self.results, self.plan.run)

    def committed(self, entry: PlanEntry) -> dict[str, Any] | None:
        """The commit of a condition, made with the data as they are now."""
        lock = self.data_locks.get(entry.condition_id)
        return self.home.ledger.committed("condition", entry.condition_id, lock)


CommandBuilder = Callable[[Job, PlanEntry, Slot], list[str]]


def trainer_command(job: Job, entry: PlanEntry, slot: Slot) -> list[str]:
    """`crossad train` for one condition of the plan, by this very interpreter."""
    command = [sys.executable, "-m", "crossad", "train", "--config", str(job.paths.plan)]
    command += ["--experiment-id", str(entry.experiment_id), "--run", job.plan.run]
    command += [*job.home.arguments, *as_images(job.data).arguments, "--gpu-id", slot.device]
    return command if job.weights is None else [*command, *as_shelf(job.weights).arguments]


def trainer_environment(base: Mapping[str, str], slots: tuple[Slot, ...]) -> dict[str, str]:
    """The environment of every trainer: what the user set wins.

    Trainers on the CPU share its threads. Hubs are not asked: weights are checked before the training starts.
    """
    chosen = {**MALLOC, "HF_HUB_OFFLINE": "1"}
    sharers = sum(slot.device == CPU for slot in slots)
    if sharers:
        chosen["OMP_NUM_THREADS"] = str(max(1, _cpus() // sharers))
    return {**chosen, **base}


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
