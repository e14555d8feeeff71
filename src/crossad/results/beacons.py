"""Where a trainer stands, told to the store while it works, for people on other machines. No result depends on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from crossad.results.layout import retries_key, run_key
from crossad.results.progress import Progress
from crossad.store.base import Store
from crossad.store.faults import ObjectMissing

ENDED = ("done", "failed", "interrupted")
PATIENCE = 4  # beacons in a row that may fail to come before a trainer counts as lost
LEAST_SECONDS = 60.0


class Beacon(BaseModel):
    """The newest word of one attempt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: str
    every: float  # seconds between two
    progress: Progress
    generation: int = 1  # of the condition in its run
    began: datetime | None = None  # when the first one was lit, by the store's clock

    def working(self, sent: datetime, now: datetime) -> bool:
        """Whether its trainer lives, as far as can be told from when the store took the beacon."""
        silence = (now - sent).total_seconds()
        return self.progress.phase not in ENDED and silence < max(LEAST_SECONDS, PATIENCE * self.every)


@dataclass(frozen=True)
class Lamp:
    """Lights the beacon of one attempt."""

    state: Store
    key: str
    attempt: str
    every: float
    generation: int
    began: datetime

    def light(self, progress: Progress) -> None:
        """Say where the trainer stands."""
        told = Beacon(
            attempt=self.attempt, every=self.every, progress=progress, generation=self.generation, began=self.began
        )
        self.state.put(self.key, told.model_dump_json().encode())


def lit(state: Store, run: str, condition_id: str, attempt: str, every: float) -> Lamp:
    """The lamp of an attempt that begins now, lit: even one that is killed at once has been seen."""
    now = time.time()
    generation = generation_of(state, run, condition_id)
    lamp = Lamp(state, beacon_key(run, condition_id, attempt), attempt, every, generation, state.now())
    lamp.light(Progress(phase="starting", started=now, updated=now, pid=os.getpid()))
    return lamp


def generation_of(state: Store, run: str, condition_id: str) -> int:
    """1, and one more for each retry."""
    return 1 + sum(1 for _ in state.list(retries_key(run, condition_id)))


def beacon_folder(run: str) -> str:
    """All beacons of a run."""
    return run_key(run, "live/")


def beacon_key(run: str, condition_id: str, attempt: str) -> str:
    """Where an attempt says how it stands."""
    return f"{beacon_folder(run)}{condition_id}/{attempt}.json"


def read_beacon(state: Store, key: str) -> Beacon | None:
    """A beacon, or None where it is gone or of another version."""
    try:
        return Beacon.model_validate_json(state.get(key))
    except (ObjectMissing, ValidationError):
        return None


def beacons_of(state: Store, run: str, condition_id: str) -> Iterator[tuple[Beacon, datetime]]:
    """The newest beacon of every attempt at a condition, with when the store took it."""
    for entry in state.list(f"{beacon_folder(run)}{condition_id}/"):
        beacon = read_beacon(state, entry.key)
        if beacon is not None:
            yield beacon, entry.modified
