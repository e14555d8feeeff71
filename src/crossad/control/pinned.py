"""What a run is to do in a cluster, kept with it: plan and settings; a restarted controller makes the same Jobs.

Like a plan they are pinned in revisions, each a create-once object `runs/<run>/settings/0001.json`; the newest is in
force. They name Secrets and hold none, so they may lie beside the results. With them lie the locks of the data, where
whoever submitted could see the data: a controller cannot, and then only work done with these counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from crossad.control.judgement import Locks
from crossad.errors import MissingInputError
from crossad.manifests.job import Group, groups
from crossad.manifests.settings import Settings
from crossad.results.layout import run_key
from crossad.results.parsing import parsed
from crossad.results.plan import Plan, newest_plan
from crossad.store.base import Entry, Store

KIND: Literal["crossad-settings"] = "crossad-settings"
FORMAT: Literal[1] = 1


def pin_settings(state: Store, run: str, settings: Settings, locks: Locks | None = None) -> int:
    """Make settings the ones in force for a run.

    Args:
        state: the store.
        run: the run.
        settings: of the cluster.
        locks: of the data of its conditions; those that are pinned stay where none are given.

    Returns:
        Their revision: the old one where they are in force already.
    """
    while True:
        revision = _newest(state, run)
        text = _text(settings, pinned_locks(state, run) if locks is None else locks)
        if revision and state.read_once(_key(run, revision)) == text:
            return revision
        # "exists" for other settings than ours: somebody pinned between our look and our write, so look again
        if state.create_once(_key(run, revision + 1), text) == "created":
            return revision + 1


def pinned_settings(state: Store, run: str) -> Settings:
    """The settings in force for a run.

    Raises:
        MissingInputError: none were pinned: the run was never submitted.
        DataError: they are not what this version understands.
    """
    found = _pinned(state, run)
    if found is None:
        raise MissingInputError(
            f"run {run} in {state.uri} has no cluster settings", hint="crossad submit FILE --settings FILE pins them"
        )
    return found.settings


def pinned_locks(state: Store, run: str) -> Locks:
    """The locks of the data of a run's conditions; empty where nobody gave them.

    Raises:
        DataError: they are not what this version understands.
    """
    found = _pinned(state, run)
    return {} if found is None else found.locks


class _Pinned(BaseModel):
    """One revision; the settings are strict, and files spell them."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["crossad-settings"] = KIND
    format: Literal[1] = FORMAT
    settings: Settings
    locks: dict[str, str | None] = Field(default_factory=dict)


def _pinned(state: Store, run: str) -> _Pinned | None:
    key = _key(run, _newest(state, run) or 1)
    body = state.read_once(key)
    hint = "use the version that wrote them, or submit the run again"
    return None if body is None else parsed(_Pinned, body, "pin of cluster settings", f"{state.uri}/{key}", hint)


class Work(Protocol):
    """What is to be done: a plan, Job by Job, with the settings of a cluster."""

    @property
    def plan(self) -> Plan:
        """What the run owes."""

    @property
    def groups(self) -> Sequence[Group]:
        """Its conditions, Job by Job."""

    @property
    def settings(self) -> Settings:
        """Of the cluster."""

    @property
    def locks(self) -> Locks:
        """Of the data of its conditions, where they are known."""

    def look(self) -> bool:
        """Whether it is another one than before."""

    def name(self, condition_id: str) -> str:
        """A condition's name."""


class Assignment:
    """The plan and the settings in force, read anew when a revision was added: a plan may be large."""

    plan: Plan
    groups: list[Group]  # its conditions, Job by Job
    settings: Settings
    locks: Locks

    def __init__(self, state: Store, run: str) -> None:
        """Name the run; nothing is read yet."""
        self._state, self._run = state, run
        self._seen: list[str] | None = None

    def look(self) -> bool:
        """Whether it is another one than before.

        Raises:
            MissingInputError: the run was never submitted.
            DataError: its settings are not what this version understands.
        """
        listed = [entry.key for kind in ("plans/", "settings/") for entry in self._listed(kind)]
        if listed == self._seen:
            return False
        plan = newest_plan(self._state, self._run)
        if plan is None:
            raise MissingInputError(f"no such run in {self._state.uri}: {self._run}", hint="crossad submit starts one")
        self.plan, self.groups, self.settings = plan, groups(plan.conditions), pinned_settings(self._state, self._run)
        self.locks = pinned_locks(self._state, self._run)
        self._names = {entry.condition_id: entry.name for entry in plan.conditions}
        self._seen = listed
        return True

    def name(self, condition_id: str) -> str:
        """A condition's name."""
        return self._names[condition_id]

    def _listed(self, kind: str) -> Iterator[Entry]:
        return self._state.list(run_key(self._run, kind))


def _text(settings: Settings, locks: Locks) -> bytes:
    told = {"kind": KIND, "format": FORMAT, "settings": settings.model_dump(mode="json", by_alias=True)}
    told |= {"locks": dict(locks)} if locks else {}
    return f"{json.dumps(told, indent=2)}\n".encode()


def _key(run: str, revision: int) -> str:
    return run_key(run, f"settings/{revision:04d}.json")


def _newest(state: Store, run: str) -> int:
    """The newest revision's number, 0 where there is none."""
    below = run_key(run, "settings/")
    names = (entry.key.removeprefix(below).removesuffix(".json") for entry in state.list(below))
    return max((int(name) for name in names if name.isdigit()), default=0)
