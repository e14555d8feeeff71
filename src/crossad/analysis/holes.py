"""Why a planned condition has no record: not started, waiting, running, interrupted, failed, cancelled, or lost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from crossad.errors import DataError
from crossad.results.layout import ConditionPaths
from crossad.results.ledger import Ledger
from crossad.results.plan import PlanEntry
from crossad.results.progress import read_progress
from crossad.results.record import Failure

State = Literal[
    "done", "partial", "failed", "cancelled", "running", "waiting", "interrupted", "lost", "stale", "not started"
]  # fmt: skip


@dataclass(frozen=True)
class Hole:
    """Where a condition stands that has no record."""

    state: State
    failure: Failure | None = None
    detail: str = ""  # one clause
    next_step: str = ""


def hole(planned: PlanEntry, condition: ConditionPaths, ledger: Ledger) -> Hole:
    """Why there is no record, as far as this machine can see."""
    progress = read_progress(condition.progress)
    if progress is not None and progress.phase not in ("done", "failed", "interrupted"):
        amount = f", {progress.done} of {progress.total} {progress.unit}".rstrip() if progress.total else ""
        at = f"{progress.phase}{amount}"
        if _alive(progress.pid):
            return Hole("running", detail=at)
        return Hole("lost", detail=f"its process ended at {at} without a record")
    if progress is not None and progress.phase == "interrupted":
        return Hole("interrupted", detail="stopped from outside; progress is saved")
    failures = _failures(planned, ledger)
    if failures:
        return Hole("failed", failures[-1])
    if progress is not None:
        return Hole("failed", detail=f"ended with exit code {progress.exit_code} and left no record")
    return Hole("not started")


def _failures(planned: PlanEntry, ledger: Ledger) -> list[Failure]:
    found = []
    try:
        payloads = ledger.failures(planned.condition_id)
    except DataError:
        return []
    for payload in payloads:
        several = payload.get("failures")  # a trainer's own list; the queue leaves one error
        for body in several if isinstance(several, list) else [payload.get("error")]:
            if not isinstance(body, dict):
                continue
            known = {key: value for key, value in body.items() if key in Failure.model_fields}
            try:
                found.append(Failure.model_validate(known))
            except ValidationError:
                continue
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
