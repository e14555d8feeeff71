"""The records of a run of many conditions, one after the other: read, verified, packed, and written nowhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from crossad.analysis.records import Packed, Unreadable, checked
from crossad.crew import spread
from crossad.errors import DataError
from crossad.fetch.found import Told, refused
from crossad.fetch.session import Advance
from crossad.fetch.wanted import named_key
from crossad.results.home import Home
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan, PlanEntry
from crossad.store.faults import ObjectMissing

THREADS = 16


@dataclass
class Records:
    """What a store has of a run."""

    found: dict[str, Packed | Unreadable] = field(default_factory=dict)  # by condition id
    damaged: dict[str, str] = field(default_factory=dict)  # condition id -> which object, and what is wrong with it


def read_records(home: Home, plan: Plan, results: Path, advance: Advance) -> Records:
    """Read the records of all conditions of a run in a bucket: two requests each, and a few kilobytes of memory.

    Args:
        home: a bucket.
        plan: the run's plan.
        results: the folder that they would lie in, for messages.
        advance: told of progress.
    """
    wrong = refused(plan)
    entries = [entry for place, entry in enumerate(plan.conditions) if place not in wrong]
    records = Records(damaged={plan.conditions[place].condition_id: why for place, why in wrong.items()})
    told, paths = Told(home, [entry.condition_id for entry in entries]), RunPaths(results, plan.run)
    with spread(lambda entry: _one(home, told, paths, entry), entries, THREADS) as ended:
        for entry, value in ended:
            if isinstance(value, str):
                records.damaged[entry.condition_id] = value
            elif value is not None:
                records.found[entry.condition_id] = value
            advance("conditions", 1, len(entries))
    return records


def _one(home: Home, told: Told, paths: RunPaths, entry: PlanEntry) -> Packed | Unreadable | str | None:
    """A record, or what stands in its place, or what is damaged; None where there is nothing."""
    try:
        _, commit = told.of(entry.condition_id)
        if commit is None or (kept := commit.record) is None:
            return None
        body = home.state.get(named_key(kept.ref))
    except (ObjectMissing, DataError) as error:
        return error.message
    digest = hashlib.sha256(body).hexdigest()
    if digest != kept.sha256:
        return f"{kept.ref}: got sha256 {digest}, expected {kept.sha256}"
    name = kept.ref.rpartition("/")[2]
    return checked(paths.condition(entry.name).tensorboard / name, body, entry.condition_id)
