"""What a store has of a run: per condition the manifest behind its commit, or behind its newest failure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from pydantic import ValidationError

from crossad.conditions.faults import near
from crossad.errors import DataError, MissingInputError, UsageError
from crossad.results.home import Home, Kept
from crossad.results.layout import slug
from crossad.results.manifest import Manifest, parse_manifest
from crossad.results.plan import Plan, PlanEntry, load_plans, newest_plan
from crossad.store.base import Store
from crossad.store.faults import ObjectMissing
from crossad.store.folder import FolderStore

State = Literal["done", "failed", "open", "damaged"]


@dataclass(frozen=True)
class Found:
    """What there is of one condition."""

    entry: PlanEntry
    state: State
    manifest: Manifest | None = None
    commit: dict[str, Any] | None = None
    folder: str = ""  # in a results folder: where the manifest's paths begin
    wrong: str = ""  # of a damaged one: which object, and what is wrong with it


def files_of(home: Home) -> Store:
    """The store of finished bytes: the bucket, or the results folder itself."""
    return home.state if home.remote else FolderStore(home.results)


def find_plan(home: Home, run: str) -> Plan:
    """The newest revision of a run's plan.

    Raises:
        MissingInputError: there is no such run.
    """
    plan = newest_plan(home.state, run) if slug(run) == run else None
    if plan is None:
        names = [plan.run for plan in load_plans(home)]
        hint = near(run, names) or f"runs there, newest last: {', '.join(names[-5:]) or 'none'}"
        raise MissingInputError(f"no such run in {home.uri}: {run}", hint=hint)
    if plan.run != run:  # its folder is called so
        raise DataError(f"the plan of run {run} in {home.uri} is one of run {plan.run[:80]!r}")
    return plan


def choose(plan: Plan, names: Sequence[str]) -> tuple[PlanEntry, ...]:
    """Conditions by name or number; all where none is named.

    Raises:
        UsageError: one of them is not in the plan.
    """
    known = {str(entry.experiment_id): entry for entry in plan.conditions}
    known |= {entry.name: entry for entry in plan.conditions}
    if unknown := [name for name in names if name not in known]:
        hint = near(unknown[0], known) or f"it has: {', '.join(entry.name for entry in plan.conditions[:20])}"
        raise UsageError(f"no such condition in run {plan.run}: {', '.join(unknown)}", hint=hint)
    chosen = {known[name].experiment_id for name in names}
    return tuple(entry for entry in plan.conditions if not names or entry.experiment_id in chosen)


def look(home: Home, entries: Sequence[PlanEntry], threads: int, advance: Callable[[], None]) -> list[Found]:
    """What there is of some conditions, in their order."""

    def one(entry: PlanEntry) -> Found:
        found = _found(home, entry)
        advance()
        return found

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, entries))


def _found(home: Home, entry: PlanEntry) -> Found:
    damaged = partial(Found, entry, "damaged")
    try:
        commit = home.ledger.committed("condition", entry.condition_id)
        told = commit or next(
            (one for one in reversed(home.ledger.failures(entry.condition_id)) if one.get("manifest")), None
        )
        if told is None:
            return Found(entry, "open")
        kept = Kept.model_validate(told["manifest"])
        body = files_of(home).get(kept.ref)
        if hashlib.sha256(body).hexdigest() != kept.sha256:
            return damaged(wrong=f"{kept.ref}: its sha256 is not the commit's")
        manifest = parse_manifest(body, kept.ref)
    except ObjectMissing as error:
        return damaged(wrong=error.message)
    except DataError as error:
        return damaged(wrong=error.message)
    except (ValidationError, KeyError) as error:
        return damaged(wrong=f"the commit of condition {entry.condition_id} is none of this version: {error}"[:300])
    return Found(entry, "done" if commit else "failed", manifest, commit, kept.ref.rpartition("/")[0])
