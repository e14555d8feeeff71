"""What a store has of a run: per condition the manifest behind its commit, or behind its newest failure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from crossad.conditions.faults import near
from crossad.crew import spread
from crossad.errors import DataError, MissingInputError, first_fault
from crossad.fetch.paths import printable, same_name
from crossad.results.home import Home, Kept
from crossad.results.layout import RunPaths, slug
from crossad.results.manifest import Manifest, parse_manifest
from crossad.results.plan import Plan, PlanEntry, load_plans, newest_plan
from crossad.store.base import Store
from crossad.store.faults import ObjectMissing
from crossad.store.folder import FolderStore

State = Literal["done", "failed", "open", "damaged"]
_ID = re.compile(r"[A-Za-z0-9_-]{1,120}")
_LOCK = re.compile(r"[0-9a-f]{12,64}")


class Commit(BaseModel, frozen=True):
    """A condition's commit, or what a failure tells of the same; more keys are ignored."""

    attempt: str
    run: str
    manifest: Kept
    record: Kept | None = None
    data_lock: str | None = None
    summary: Any = None


@dataclass(frozen=True)
class Found:
    """What there is of one condition."""

    entry: PlanEntry
    state: State
    manifest: Manifest | None = None
    commit: Commit | None = None
    folder: str = ""  # in a results folder: where the manifest's paths begin
    remote: bool = True  # the manifest is a bucket's, with keys
    wrong: str = ""  # of a damaged one: which object, and what is wrong with it

    @property
    def label(self) -> str:
        """Its name, as it can be shown."""
        return printable(self.entry.name) or "(no name)"


def files_of(home: Home) -> Store:
    """The store of finished bytes: the bucket, or the results folder itself."""
    return home.state if home.remote else FolderStore(home.results)


def find_plan(home: Home, run: str) -> Plan:
    """The newest revision of a run's plan.

    Raises:
        MissingInputError: there is no such run.
        DataError: its plan is none, or one of another run.
    """
    plan = newest_plan(home.state, run) if slug(run) == run else None
    if plan is None:
        names = [plan.run for plan in load_plans(home)]
        hint = near(run, names) or f"runs there, newest last: {', '.join(names[-5:]) or 'none'}"
        raise MissingInputError(f"no such run in {home.uri}: {run}", hint=hint)
    if plan.run != run:  # its folder is called so
        raise DataError(f"the plan of run {run} in {home.uri} is one of run {plan.run[:80]!r}")
    return plan


def refused(plan: Plan) -> dict[int, str]:
    """The conditions of a plan that no folder here can hold, by their place in it, with the reason."""
    wrong: dict[int, str] = {}
    folders: dict[str, str] = {}
    for place, entry in enumerate(plan.conditions):
        folder = RunPaths(Path(), plan.run).condition(entry.name).root.name
        if not entry.name or printable(entry.name) != entry.name:
            wrong[place] = "its name is refused: it is empty, or has control signs"
        elif not _ID.fullmatch(entry.condition_id):
            wrong[place] = f"its id is refused: {entry.condition_id[:80]!r}"
        elif same_name(folder) in ("tensorboard_logs", "report"):
            wrong[place] = f"its name is refused: the folder {folder} is the run's own"
        elif (other := folders.get(same_name(folder))) is not None:
            wrong[place] = f"its name is refused: its folder is also that of {other[:80]!r}"
        else:
            folders[same_name(folder)] = entry.name
    return wrong


def look(home: Home, entries: Sequence[PlanEntry], threads: int, advance: Callable[[], None]) -> list[Found]:
    """What there is of some conditions, in their order: one listing of commits, one of failures, then only reads.

    Args:
        home: where they live.
        entries: the conditions.
        threads: reads at once.
        advance: told of each condition.
    """
    if not entries:
        return []
    told = Told(home, [entry.condition_id for entry in entries])
    found: list[Found | None] = [None] * len(entries)

    def one(place: int) -> Found:
        return _found(home, told, entries[place])

    with spread(one, range(len(entries)), threads) as ended:
        for place, value in ended:
            found[place] = value
            advance()
    return [value for value in found if value is not None]


class Told:
    """The names of objects that tell how conditions ended."""

    def __init__(self, home: Home, conditions: Sequence[str]) -> None:
        """List them."""
        self._ledger = home.ledger
        self._commits = home.ledger.newest("condition", conditions)
        self._failures = home.ledger.failed(conditions)

    def of(self, condition: str) -> tuple[State, Commit | None]:
        """The newest commit, or the newest failure that left something.

        Raises:
            DataError: it is not what this version writes.
        """
        if (name := self._commits.get(condition)) and (body := self._ledger.read(name)) is not None:
            commit = _commit(body, name)
            if commit.record is None or not (commit.data_lock is None or _LOCK.fullmatch(commit.data_lock)):
                raise DataError(f"not a commit of this version: {name}: no record, or no such data lock")
            return "done", commit
        for name in reversed(self._failures.get(condition, [])):
            if (body := self._ledger.read(name)) is not None and body.get("manifest"):
                return "failed", _commit(body, name)
        return "open", None


def _commit(body: dict[str, Any], name: str) -> Commit:
    try:
        return Commit.model_validate(body)
    except ValidationError as error:
        raise DataError(f"not a commit of this version: {name}: {first_fault(error)}") from error


def _found(home: Home, told: Told, entry: PlanEntry) -> Found:
    damaged = partial(Found, entry, "damaged")
    try:
        state, commit = told.of(entry.condition_id)
        if commit is None:
            return Found(entry, "open")
        where = commit.manifest.ref
        body = files_of(home).get(where)
        if hashlib.sha256(body).hexdigest() != commit.manifest.sha256:
            return damaged(wrong=f"{where}: its sha256 is not the commit's")
        manifest = parse_manifest(body, where)
        if (manifest.condition_id, manifest.attempt) != (entry.condition_id, commit.attempt):
            return damaged(wrong=f"{where}: it is the manifest of another condition or attempt")
    except (ObjectMissing, DataError) as error:
        return damaged(wrong=error.message)
    folder = where.rpartition("/")[0]
    return Found(entry, state, manifest, commit if state == "done" else None, folder, home.remote)
