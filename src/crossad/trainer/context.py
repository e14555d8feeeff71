"""One condition and where it runs, and one attempt at it: what every step of the sequence is told."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from lightning.fabric import Fabric

from crossad.conditions.identity import evaluation_key
from crossad.conditions.model import Config
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.ledger import Ledger
from crossad.results.plan import repeated_key
from crossad.trainer.interrupt import Interrupt
from crossad.trainer.locks import Locks
from crossad.trainer.reporter import Reporter


@dataclass(frozen=True)
class Task:
    """One condition and where it runs; nothing here but `config` changes a number (on equal devices)."""

    name: str
    config: Config  # resolved: no "auto" targets
    data: Path
    results: Path
    run: str
    description: str = ""
    gpu_id: str = "cpu"
    precision: str = "32-true"
    weights_dir: Path | None = None
    deviations: tuple[str, ...] = ()
    repeat: int = 1  # above 1: finished work done again on purpose, under keys of its own
    checkpoint_seconds: float = 120.0
    interrupt: Interrupt = field(default_factory=Interrupt)
    echo: bool = True

    @property
    def paths(self) -> ConditionPaths:
        """The condition's folder."""
        return RunPaths(self.results, self.run).condition(self.name)


@dataclass(frozen=True)
class Attempt:
    """One try at a condition."""

    condition_id: str
    training_key: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Context:
    """Everything a step may use."""

    task: Task
    attempt: Attempt
    ledger: Ledger
    locks: Locks
    reporter: Reporter
    fabric: Fabric

    @property
    def config(self) -> Config:
        """The condition's resolved config."""
        return self.task.config

    def evaluation_key(self, domain: str) -> str:
        """The key under which this attempt's scoring pass over a domain is committed."""
        return repeated_key(evaluation_key(self.config, domain), self.task.repeat)
