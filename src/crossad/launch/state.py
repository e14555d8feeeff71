"""What is kept about a run while it is worked on: verdicts in the store, the lock and the trainers on this machine.

A verdict (failed for good, cancelled) closes one generation of a condition, `retry` opens the next. Both are
create-once objects that are never deleted, so that what happened stays readable. Processes of this machine are noted
below `results/.crossad/runs/<run>/`, wherever the store is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from crossad.errors import UsageError
from crossad.files import write_atomic
from crossad.launch.process import Mark, mark
from crossad.results.beacons import generation_of
from crossad.results.home import Home
from crossad.results.layout import STATE, retries_key, run_key, slug
from crossad.results.parsing import Model, parsed

VerdictKind = Literal["failed", "cancelled"]


class Verdict(BaseModel):
    """How a generation of a condition was closed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: VerdictKind
    reason: str
    hint: str | None = None
    exit_code: int | None = None
    lost: bool = False  # failed, and nothing says why: it left no result
    generation: int
    at: str


class Trainer(BaseModel):
    """The newest trainer process of a condition."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mark: Mark
    device: str
    attempt: int
    output: str  # file with what it printed
    started: str
    exit_code: int | None = None  # None while it runs, and for ever if its runner died first


class Holder(BaseModel):
    """Who works on a run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mark: Mark
    host: str
    since: str


class RunState:
    """The state files of one run; keyed by condition id, which is always a safe file name."""

    def __init__(self, home: Home, run: str) -> None:
        """Name the run; nothing is created before the first write."""
        self.run = run
        self.store = home.state
        self.root = home.results / STATE / "runs" / run

    @property
    def trainers(self) -> Path:
        """The notes about trainers that this machine started."""
        return self.root / "trainers"

    def output(self, name: str) -> Path:
        """Where everything that a condition's trainers print goes, attempt after attempt."""
        return self.root / "output" / f"{slug(name)}.log"

    def trainer(self, condition_id: str) -> Trainer | None:
        """The newest trainer of a condition, or None where none was started."""
        return _read(Trainer, self.trainers / f"{condition_id}.json")

    def write_trainer(self, condition_id: str, trainer: Trainer) -> None:
        """Replace the note about a condition's trainer."""
        write_atomic(self.trainers / f"{condition_id}.json", trainer.model_dump_json())

    def generation(self, condition_id: str) -> int:
        """1, and one more for each retry."""
        return generation_of(self.store, self.run, condition_id)

    def verdict(self, condition_id: str) -> Verdict | None:
        """The verdict on the present generation, if it is closed."""
        key = verdict_key(self.run, condition_id, self.generation(condition_id))
        body = self.store.read_once(key)
        return None if body is None else parse_verdict(key, body)

    def close(
        self,
        condition_id: str,
        kind: VerdictKind,
        reason: str,
        *,
        hint: str | None = None,
        exit_code: int | None = None,
        lost: bool = False,
    ) -> None:
        """Give the present generation its verdict; an earlier one stands."""
        number = self.generation(condition_id)
        how: dict[str, Any] = {"hint": hint, "exit_code": exit_code, "lost": lost}
        verdict = Verdict(kind=kind, reason=reason, generation=number, at=now_text(), **how)
        self.store.create_once(
            verdict_key(self.run, condition_id, number), f"{verdict.model_dump_json(indent=2)}\n".encode()
        )

    def reopen(self, condition_id: str) -> bool:
        """Open the next generation; False where the present one has no verdict to overrule."""
        if self.verdict(condition_id) is None:
            return False
        key = f"{retries_key(self.run, condition_id)}{self.generation(condition_id):04d}.json"
        return self.store.create_once(key, f"{json.dumps({'at': now_text()})}\n".encode()) == "created"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one process that works on this run; the lock goes with the process, however it ends.

        Raises:
            UsageError: another process holds the run; the message says which.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(Holder, self.root / "holder.json")
                who = f"process {holder.mark.pid} on {holder.host} since {holder.since}" if holder else "a process"
                raise UsageError(
                    f"run {self.run} is in the hands of {who}",
                    hint=f"watch it: crossad status {self.run}; stop it: crossad cancel {self.run}",
                ) from None
            me = Holder(mark=mark(os.getpid()), host=socket.gethostname(), since=now_text())
            write_atomic(self.root / "holder.json", me.model_dump_json())
            yield

    def holder(self) -> Holder | None:
        """Who works on this run now, or None."""
        try:
            with (self.root / "lock").open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return _read(Holder, self.root / "holder.json")
        return None


def verdict_key(run: str, condition_id: str, generation: int) -> str:
    """The object that closes a generation of a condition."""
    return run_key(run, f"verdicts/{condition_id}/{generation:04d}.json")


def parse_verdict(key: str, body: bytes) -> Verdict:
    """A verdict as it was read.

    Raises:
        DataError: it is damaged, or of another version.
    """
    hint = "the file is damaged, or another version wrote it; move it away, and the condition is open again"
    return parsed(Verdict, body, "verdict", key, hint)


def now_text() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(model: type[Model], path: Path) -> Model | None:
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
