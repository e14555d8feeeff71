"""What a run owes (`results/<run>/plan.json`): its conditions with their resolved configs, ids and hashes.

A plan is pinned in revisions, each a create-once object `runs/<run>/plans/0001.json`; `plan.json` is a copy of the
newest. A revision may add conditions; it never changes or drops one: what a run promised stays promised. Conditions are
known by their content: where one was taken out of the suite, those behind it keep the experiment ids of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crossad.errors import DataError, MissingInputError, UsageError
from crossad.files import write_atomic
from crossad.results.home import Home
from crossad.results.layout import RUNS, RunPaths, run_key
from crossad.results.parsing import parsed
from crossad.store.base import Store

MEND = "use the version that wrote it; a damaged one is to be moved away, and the run's own command given again"
_REVISION = re.compile(rf"{RUNS}/([^/]+)/plans/\d+\.json")


class PlanEntry(BaseModel):
    """One condition of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment_id: int = Field(description="index in the suite after expansion")
    name: str
    description: str = ""
    config: dict[str, Any] = Field(description="resolved: defaults, matrix, overrides and auto targets applied")
    condition_id: str
    training_key: str
    evaluation_keys: dict[str, str] = Field(default_factory=dict, description="domain -> key, the source first")
    overrides: dict[str, Any] = Field(default_factory=dict, description="keys that --set and --limit-images set")
    resources: dict[str, Any] = Field(default_factory=dict)

    def repeated(self, repeat: int) -> PlanEntry:
        """The same condition as other work: repeat 2 and above have keys of their own."""
        evaluations = {domain: repeated_key(key, repeat) for domain, key in self.evaluation_keys.items()}
        keys = {name: repeated_key(getattr(self, name), repeat) for name in ("condition_id", "training_key")}
        return self.model_copy(update={**keys, "evaluation_keys": evaluations})


class Plan(BaseModel):
    """The newest revision of a run's plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["crossad-plan"] = "crossad-plan"
    format: Literal[1] = 1
    run: str
    revision: int = 1
    repeat: int = Field(1, description="above 1 for a run that repeats finished work on purpose (--fresh)")
    suite: str
    created: str = Field(description="ISO 8601, UTC, of revision 1")
    data: str = Field(description="root of the images")
    command: tuple[str, ...] = Field((), description="the command line of revision 1: given again, it continues")
    overrides: dict[str, Any] = Field(default_factory=dict, description="those of all conditions together")
    conditions: tuple[PlanEntry, ...]

    def covers(self, entries: Iterable[PlanEntry]) -> bool:
        """True where each of these is a condition of this plan, with the same experiment id and content."""
        mine = {entry.experiment_id: entry.condition_id for entry in self.conditions}
        return all(mine.get(entry.experiment_id) == entry.condition_id for entry in entries)

    def own(self, entries: Iterable[PlanEntry]) -> tuple[PlanEntry, ...]:
        """Conditions of this plan as it has them: its experiment ids may be others than the suite's."""
        named = {(entry.condition_id, entry.name): entry for entry in self.conditions}
        alike = {entry.condition_id: entry for entry in self.conditions}
        return tuple(named.get((one.condition_id, one.name), alike[one.condition_id]) for one in entries)


def repeated_key(key: str, repeat: int) -> str:
    """The key of repeat number `repeat` of some work; repeat 1 is the work itself."""
    return key if repeat == 1 else f"{key}r{repeat}"


class _OutlineEntry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    experiment_id: int
    name: str
    condition_id: str
    training_key: str


class _Outline(BaseModel):
    model_config = ConfigDict(extra="ignore")

    kind: Literal["crossad-plan"]
    format: Literal[1]
    run: str
    revision: int
    repeat: int
    suite: str
    created: str
    data: str
    command: tuple[str, ...]
    conditions: tuple[_OutlineEntry, ...]


_NAMES = set(PlanEntry.model_fields)
Read = Callable[[bytes, str], Plan]  # of a plan's bytes, and where they are


def whole(body: bytes, where: str) -> Plan:
    """A plan from its bytes.

    Raises:
        DataError: it is damaged, or another version's.
    """
    return parsed(Plan, body, "plan", where, MEND)


def outline(body: bytes, where: str) -> Plan:
    """The same without configs, keys of evaluations, overrides and resources: who only looks at a run needs none.

    Of many conditions they are nine tenths of the time and of the memory.

    Raises:
        DataError: as for the whole.
    """
    found = parsed(_Outline, body, "plan", where, MEND)
    rest: dict[str, Any] = {"description": "", "config": {}, "evaluation_keys": {}, "overrides": {}, "resources": {}}
    entries = tuple(PlanEntry.model_construct(_NAMES, **vars(entry), **rest) for entry in found.conditions)
    return Plan.model_construct(**{**vars(found), "overrides": {}, "conditions": entries})


def load_plan(paths: RunPaths, read: Read = whole) -> Plan:
    """Read a run's plan.

    Raises:
        MissingInputError: there is no such run.
        DataError: the plan is not what this version of crossad writes.
    """
    try:
        body = paths.plan.read_bytes()
    except FileNotFoundError as error:
        raise MissingInputError(
            f"no run of this name: {paths.run} in {paths.results}", hint="list the runs: ls results"
        ) from error
    return read(body, str(paths.plan))


def load_plans(home: Home, read: Read = whole) -> list[Plan]:
    """The plans of all runs, oldest first; what is no plan is left out."""
    bodies = _pinned(home.state) if home.remote else _visible(home.results)
    plans = []
    for body in bodies:
        with suppress(DataError):
            plans.append(read(body, ""))
    return sorted(plans, key=lambda plan: (plan.created, plan.run))


def _visible(results: Path) -> Iterator[bytes]:
    for path in results.glob("*/plan.json"):
        with suppress(OSError):
            yield path.read_bytes()


def _pinned(state: Store) -> Iterator[bytes]:
    """The newest revision of every run: the listing is in the order of keys, so a run's last plan is its newest."""
    newest: dict[str, str] = {}
    for entry in state.list(f"{RUNS}/"):
        if found := _REVISION.fullmatch(entry.key):
            newest[found[1]] = entry.key
    return (body for key in newest.values() if (body := state.read_once(key)) is not None)


def newest_plan(state: Store, run: str, read: Read = whole) -> Plan | None:
    """The newest revision of a run's plan, or None where the store has no such run.

    Raises:
        DataError: it is damaged, or another version's.
    """
    revisions = [entry.key for entry in state.list(run_key(run, "plans/")) if _REVISION.fullmatch(entry.key)]
    key = revisions[-1] if revisions else revision_key(run, 1)
    body = state.read_once(key)
    return None if body is None else read(body, f"{state.uri}/{key}")


def pin_plan(home: Home, plan: Plan) -> Plan:
    """Make a plan durable under its run's name.

    Returns:
        The pinned plan: the old one where it covers the new one, else a revision that adds to it.

    Raises:
        UsageError: the run has other content under the same name.
    """
    while True:
        old = newest_plan(home.state, plan.run)
        pinned = plan if old is None else grown(old, plan)
        text = pinned.model_dump_json(indent=2) + "\n"
        # "exists" for a revision other than ours: somebody pinned between our look and our write, so look again
        if pinned is old or home.state.create_once(revision_key(plan.run, pinned.revision), text.encode()) == "created":
            write_atomic(RunPaths(home.results, plan.run).plan, text)
            return pinned


def revision_key(run: str, revision: int) -> str:
    """The object that holds a revision of a run's plan."""
    return run_key(run, f"plans/{revision:04d}.json")


def grown(old: Plan, new: Plan) -> Plan:
    """A run's plan with what a new one adds: itself where that is nothing.

    Raises:
        UsageError: the run has other content under the same name, or another suite's under the same experiment id.
    """
    numbers = {entry.experiment_id: entry for entry in old.conditions}
    names = {entry.name: entry for entry in old.conditions}
    known = {entry.condition_id for entry in old.conditions}
    for entry in new.conditions:
        if entry.condition_id in known:
            continue
        there = numbers.get(entry.experiment_id)
        clash = names.get(entry.name) or (there if new.suite != old.suite else None)
        if clash is not None:
            raise UsageError(
                f"run {old.run} pinned other content for {clash.name} (experiment {clash.experiment_id}):"
                f" {clash.condition_id}, now {entry.condition_id}",
                hint="changed conditions are new work: leave --run away, or choose another name",
            )
        number = entry.experiment_id if there is None else max(numbers) + 1
        numbers[number] = entry.model_copy(update={"experiment_id": number})
    if len(numbers) == len(old.conditions):
        return old
    conditions = tuple(numbers[number] for number in sorted(numbers))
    return old.model_copy(update={"revision": old.revision + 1, "conditions": conditions})
