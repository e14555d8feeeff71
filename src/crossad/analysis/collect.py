"""What a results folder holds: every condition of its runs, with its record or the reason for the hole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crossad.analysis.holes import Hole, State, hole
from crossad.analysis.records import Packed, Unreadable, newest
from crossad.errors import DataError, MissingInputError
from crossad.results.home import FolderHome
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.ledger import Ledger
from crossad.results.plan import Plan, PlanEntry, load_plan
from crossad.results.record import DomainResult, Failure, Record

Known = Mapping[str, Hole]  # condition id -> where it stands
Brought = Mapping[str, Packed | Unreadable]  # condition id -> its record, where it does not lie in a folder
_STATES: dict[str, State] = {"success": "done", "partial": "partial", "failed": "failed"}


@dataclass(frozen=True)
class Entry:
    """One condition of one run."""

    run: str
    name: str
    description: str
    config: dict[str, Any]
    condition_id: str
    paths: ConditionPaths
    state: State
    packed: Packed | None = None
    failure: Failure | None = None
    detail: str = ""  # of a hole: where it stands
    next_step: str = ""  # the same: what to do about it

    @property
    def record(self) -> Record | None:
        """Its record, if it has one."""
        return self.packed.record if self.packed else None

    @property
    def model(self) -> str:
        """The kind of model, such as "patchcore"."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def source(self) -> str:
        """The domain it learns from."""
        return str(self.config.get("source_domain", "unknown"))

    @property
    def targets(self) -> tuple[str, ...]:
        """The domains it is carried to: those it owes, and those it has."""
        owed = self.config.get("target_domains")
        names = list(owed) if isinstance(owed, list | tuple) else []
        return tuple(dict.fromkeys([*names, *(self.record.target_results if self.record else ())]))

    @property
    def problems(self) -> tuple[Failure, ...]:
        """What failed: the condition itself, then its targets, each by name."""
        results = self.record.target_results if self.record else {}
        targets = [
            result.error.model_copy(update={"message": f"target {name}: {result.error.message}"})
            for name, result in sorted(results.items())
            if result.error
        ]
        return (*((self.failure,) if self.failure else ()), *targets)

    def domain(self, name: str) -> DomainResult | None:
        """Its result on a domain, if it was looked at."""
        if self.record is None:
            return None
        return self.record.source_results if name == self.source else self.record.target_results.get(name)


@dataclass(frozen=True)
class Collection:
    """Everything a report says something about, in the order of runs and plans."""

    results: Path
    runs: tuple[str, ...]
    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...] = ()
    superseded: int = 0  # same condition in an older run, left out
    plans: tuple[Plan, ...] = field(default=(), repr=False)

    @property
    def complete(self) -> bool:
        """True where every condition is done and every file could be read."""
        return not self.unreadable and all(entry.state == "done" for entry in self.entries)


def collect(
    results: Path, runs: Sequence[str] | None = None, ledger: Ledger | None = None, known: Known | None = None
) -> Collection:
    """Read the plans and newest records of some runs, or of all runs of a results folder.

    Args:
        results: the results folder.
        runs: names of runs; all where none is given.
        ledger: where failures are on record, if that is not the folder.
        known: of conditions without a record, or with one of other data: where they stand, as somebody saw who can see
            other machines.

    Raises:
        MissingInputError: no such folder or run, or nothing in it.
    """
    there = _runs(results)
    if not there:
        raise MissingInputError(
            f"no run in {results}", hint="name the folder with --results-dir, or make a run: crossad run FILE"
        )
    if unknown := [run for run in runs or () if run not in there]:
        raise MissingInputError(
            f"no run of this name in {results}: {', '.join(unknown)}; there are: {', '.join(there)}",
            hint="crossad report RUN --results-dir DIR",
        )
    plans: dict[str, Plan | None] = {}
    unreadable: list[Unreadable] = []
    for run in there:
        if runs is None or run in runs:
            paths = RunPaths(results, run)
            try:
                plans[run] = load_plan(paths) if paths.plan.exists() else None
            except DataError as error:
                plans[run] = None
                unreadable.append(Unreadable(paths.plan, error.message))
    found = assemble(results, plans, ledger or FolderHome(results).ledger, known or {}, {})
    return replace(found, unreadable=(*unreadable, *found.unreadable))


def assemble(
    results: Path, plans: Mapping[str, Plan | None], ledger: Ledger, known: Known, brought: Brought
) -> Collection:
    """The same, of runs whose plans are known.

    Args:
        results: the results folder.
        plans: by run, the oldest first; None where there is none.
        ledger: where failures are on record.
        known: as above.
        brought: records of planned conditions that are not looked for in their folders.
    """
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    for run, plan in plans.items():
        found, bad = _of_run(RunPaths(results, run), plan, ledger, known, brought)
        entries += found
        unreadable += bad
    kept = _once(entries)
    pinned = tuple(plan for plan in plans.values() if plan)
    return Collection(results, tuple(plans), tuple(kept), tuple(unreadable), len(entries) - len(kept), pinned)


def newest_run(results: Path) -> str:
    """The run that was started last.

    Raises:
        MissingInputError: there is none.
    """
    runs = _runs(results)
    if not runs:
        raise MissingInputError(f"no run in {results}", hint="name the folder with --results-dir")
    return runs[-1]


def _runs(results: Path) -> tuple[str, ...]:
    """Names of runs, oldest first: folders with a plan, or with at least one record."""
    started: dict[str, float] = {}
    for folder in results.iterdir() if results.is_dir() else ():
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        paths = RunPaths(results, folder.name)
        if paths.plan.exists():
            started[folder.name] = _created(paths)
        else:
            times = [path.stat().st_mtime for path in folder.glob("*/tensorboard_logs/result_*.json")]
            if times:
                started[folder.name] = min(times)
    return tuple(sorted(started, key=lambda run: (started[run], run)))


def _created(paths: RunPaths) -> float:
    try:
        return datetime.fromisoformat(load_plan(paths).created).timestamp()
    except (DataError, MissingInputError, ValueError):
        return paths.plan.stat().st_mtime if paths.plan.exists() else 0.0


def _of_run(
    paths: RunPaths, plan: Plan | None, ledger: Ledger, known: Known, brought: Brought
) -> tuple[list[Entry], list[Unreadable]]:
    """The planned conditions, then the folders that no plan names (`crossad train` by hand)."""
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    owed = plan.conditions if plan else ()
    for planned in owed:
        condition = paths.condition(planned.name)
        packed, bad = _found(planned, condition, brought)
        if (seen := known.get(planned.condition_id)) and seen.state == "stale":
            packed = None  # numbers of other data are not this run's
        unreadable += bad
        entry = _planned(paths.run, planned, condition, packed, _why(planned, condition, packed, ledger, known))
        entries.append(replace(entry, detail=f"its record is {bad[0].reason}") if not packed and bad else entry)
    owned = {paths.condition(planned.name).root.name for planned in owed}
    for root in sorted(paths.root.glob(f"*_{paths.run}")):
        if root.name not in owned and (root / "tensorboard_logs").is_dir():
            packed, bad = newest(ConditionPaths(root, root.name), None)
            unreadable += bad
            if packed is not None:
                entries.append(_by_hand(paths.run, root, packed))
    return entries, unreadable


def _found(planned: PlanEntry, condition: ConditionPaths, brought: Brought) -> tuple[Packed | None, list[Unreadable]]:
    """A planned condition's record, and what was in its place."""
    there = brought.get(planned.condition_id)
    if there is None:
        return newest(condition, planned.condition_id)
    return (there, []) if isinstance(there, Packed) else (None, [there])


def _by_hand(run: str, root: Path, packed: Packed) -> Entry:
    record = packed.record
    name = str(record.condition.get("name", root.name))
    config = record.condition.get("config")
    return Entry(
        run=run,
        name=name,
        description=str(record.condition.get("description", "")),
        config=config if isinstance(config, dict) else {},
        condition_id=record.condition_id,
        paths=ConditionPaths(root, name),
        state=_STATES[record.status],
        packed=packed,
        failure=record.error,
    )


def _why(planned: PlanEntry, condition: ConditionPaths, packed: Packed | None, ledger: Ledger, known: Known) -> Hole:
    """Where a planned condition stands."""
    if packed is not None:
        return Hole(_STATES[packed.status], packed.record.error if packed.status != "success" else None)
    here = hole(planned, condition, ledger)
    there = known.get(planned.condition_id, here)
    failure = there.failure or here.failure
    if failure is None or there.state not in ("failed", "partial"):
        return replace(there, failure=None)  # an older failure does not explain what was lost or cancelled
    # a failure is shown in full, with its own next step: said once is enough
    detail = there.detail.removesuffix(failure.message).rstrip(": ")
    return replace(there, failure=failure, detail=detail, next_step="" if failure.hint else there.next_step)


def _planned(
    run: str,
    planned: PlanEntry,
    condition: ConditionPaths,
    packed: Packed | None,
    why: Hole,
) -> Entry:
    return Entry(
        run=run,
        name=planned.name,
        description=planned.description,
        config=planned.config,
        condition_id=planned.condition_id,
        paths=condition,
        state=why.state,
        packed=packed,
        failure=why.failure,
        detail=why.detail,
        next_step=why.next_step,
    )


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """One entry a condition id: the newest record, else the newest hole; the order is kept."""
    best: dict[str, Entry] = {}
    for entry in entries:
        other = best.get(entry.condition_id)
        if other is None or _worth(entry) >= _worth(other):
            best[entry.condition_id] = entry
    kept = {id(entry) for entry in best.values()}
    return [entry for entry in entries if id(entry) in kept]


def _worth(entry: Entry) -> tuple[bool, str]:
    usable = entry.record is not None and entry.record.status != "failed"
    return usable, entry.record.timestamp if entry.record else ""
