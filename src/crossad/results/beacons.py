"""Where a trainer stands, told to the store while it works, for people on other machines. No result depends on it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from crossad.results.layout import run_key
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

    def working(self, sent: datetime, now: datetime) -> bool:
        """Whether its trainer lives, as far as can be told from when the store took the beacon."""
        silence = (now - sent).total_seconds()
        return self.progress.phase not in ENDED and silence < max(LEAST_SECONDS, PATIENCE * self.every)


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
