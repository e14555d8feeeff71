"""One condition and where it runs, and one attempt at it: what every step of the sequence is told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.conditions.identity import evaluation_key
from crossad.conditions.model import Config
from crossad.conditions.plan import Part
from crossad.data.places import Images
from crossad.errors import UsageError
from crossad.interrupt import Interrupt
from crossad.results.bounds import Bounds
from crossad.results.home import FolderHome, Home
from crossad.results.layout import ConditionPaths, RunPaths, attempt_key, slug
from crossad.results.ledger import Ledger
from crossad.results.outbox import Outbox
from crossad.results.plan import repeated_key
from crossad.store.base import Store

if TYPE_CHECKING:  # a task is read and checked before torch is loaded: a typing error is told at once
    from lightning.fabric import Fabric

    from crossad.trainer.locks import Locks
    from crossad.trainer.reporter import Reporter

FULL = "32-true"  # the precision that results are in unless they say otherwise


@dataclass(frozen=True)
class Task:
    """One condition and where it runs; but for `config` and `precision` nothing changes a number (on equal devices)."""

    name: str
    config: Config  # resolved: no "auto" targets
    data: Path
    results: Path
    run: str
    description: str = ""
    gpu_id: str = "cpu"
    precision: str = FULL
    weights_dir: Path | None = None
    weights_store: Store | None = None  # asked before this machine is: its weights and textures are pinned
    deviations: tuple[str, ...] = ()
    repeat: int = 1  # above 1: finished work done again on purpose, under keys of its own
    checkpoint_seconds: float = 120.0
    interrupt: Interrupt = field(default_factory=Interrupt)
    echo: bool = True
    home: Home | None = None  # where runs live, if that is not the folder `results`
    images: Images | None = None  # where images live, if that is not the folder `data`
    ship_seconds: float = 30.0  # logs and checkpoints go to a bucket this often
    max_runtime: float | None = None  # seconds of work of all attempts together
    max_preemptions: int | None = None  # attempts that may be cut off

    def __post_init__(self) -> None:
        """Refuse a run name that would lead out of the results folder, or that no folder can have."""
        if slug(self.run) != self.run:
            raise UsageError(
                f"--run: got {self.run!r}, allowed: letters, digits and _ . + -", hint=f"for example {slug(self.run)}"
            )

    @property
    def place(self) -> Home:
        """Where runs live."""
        return self.home or FolderHome(self.results)

    @property
    def bounds(self) -> Bounds:
        """What the condition may cost."""
        return Bounds(self.max_runtime, self.max_preemptions)

    @property
    def paths(self) -> ConditionPaths:
        """The condition's folder."""
        return RunPaths(self.results, self.run).condition(self.name)

    def keyed(self, key: str) -> str:
        """The key of this task's work: a repeat and another arithmetic are other work than the plain one."""
        repeated = repeated_key(key, self.repeat)
        return repeated if self.precision == FULL else f"{repeated}-{self.precision}"


@dataclass(frozen=True)
class Attempt:
    """One try at a condition."""

    condition_id: str
    training_key: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.time)

    def key(self, name: str) -> str:
        """An object of this attempt in a bucket."""
        return attempt_key(self.id, name)


@dataclass(frozen=True)
class Context:
    """Everything a step may use."""

    task: Task
    attempt: Attempt
    home: Home
    outbox: Outbox
    locks: Locks
    reporter: Reporter
    fabric: Fabric
    stop: Interrupt  # the task's own, or the end of its budget

    @property
    def ledger(self) -> Ledger:
        """What is done and what failed."""
        return self.home.ledger

    @property
    def config(self) -> Config:
        """The condition's resolved config."""
        return self.task.config

    def bring(self, parts: Sequence[Part]) -> None:
        """Have packed images here; how far they are shows as progress."""
        if self.task.images is not None:
            self.task.images.bring(parts, self.reporter.stage)

    def evaluation_key(self, domain: str) -> str:
        """The key under which this attempt's scoring pass over a domain is committed."""
        return self.task.keyed(evaluation_key(self.config, domain))
