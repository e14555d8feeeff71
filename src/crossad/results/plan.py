"""What a run owes (`results/<run>/plan.json`): its conditions with their resolved configs, ids and hashes.

A plan is pinned in revisions, each a create-once file below `results/.crossad/`; `plan.json` is a copy of the
newest. A revision may add conditions; it never changes or drops one: what a run promised stays promised.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossad.errors import DataError, MissingInputError, UsageError
from crossad.files import create_once, write_atomic
from crossad.results.layout import STATE, RunPaths


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


def repeated_key(key: str, repeat: int) -> str:
    """The key of repeat number `repeat` of some work; repeat 1 is the work itself."""
    return key if repeat == 1 else f"{key}r{repeat}"


def load_plan(paths: RunPaths) -> Plan:
    """Read a run's plan.

    Raises:
        MissingInputError: there is no such run.
        DataError: the plan is not what this version of crossad writes.
    """
    try:
        return Plan.model_validate_json(paths.plan.read_bytes())
    except FileNotFoundError as error:
        raise MissingInputError(
            f"no run of this name: {paths.run} in {paths.results}", hint="list the runs: ls results"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"not a plan of this crossad version: {paths.plan}: {where}: {first['msg']}",
            hint="use the version that wrote it, or start a new run with --run NAME",
        ) from error


def load_plans(results: Path) -> list[Plan]:
    """The plans of all runs in a results folder, oldest first; folders without one are left out."""
    plans = []
    for path in results.glob("*/plan.json"):
        try:
            plans.append(Plan.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue
    return sorted(plans, key=lambda plan: (plan.created, plan.run))


def pin_plan(results: Path, plan: Plan) -> Plan:
    """Make a plan durable under its run's name.

    Returns:
        The pinned plan: the old one where it covers the new one, else a revision that adds to it.

    Raises:
        UsageError: the run has other content under the same experiment id or the same name.
    """
    revisions = results / STATE / "plans" / plan.run
    while True:
        old = _newest(revisions)
        if old is None:
            pinned = plan
        elif old.covers(plan.conditions):
            pinned = old
        else:
            merged = _merged(old, plan)
            pinned = old.model_copy(update={"revision": old.revision + 1, "conditions": merged})
        text = pinned.model_dump_json(indent=2) + "\n"
        # False for a revision other than ours: somebody pinned between our look and our link, so look again
        if pinned is old or create_once(revisions / f"{pinned.revision:04d}.json", text):
            write_atomic(RunPaths(results, plan.run).plan, text)
            return pinned


def _newest(revisions: Path) -> Plan | None:
    files = sorted(revisions.glob("[0-9]*.json"))
    return Plan.model_validate_json(files[-1].read_bytes()) if files else None


def _merged(old: Plan, new: Plan) -> tuple[PlanEntry, ...]:
    """Both plans' conditions in the suite's order; a contradiction is an error that names the condition."""
    merged = {entry.experiment_id: entry for entry in old.conditions}
    for entry in new.conditions:
        there = merged.setdefault(entry.experiment_id, entry)
        if there.condition_id != entry.condition_id:
            raise UsageError(
                f"run {old.run} pinned other content for experiment {entry.experiment_id} ({there.name}):"
                f" {there.condition_id}, now {entry.condition_id}",
                hint="changed conditions are new work: leave --run away, or choose another name",
            )
    names = [entry.name for entry in merged.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"run {old.run} already has another condition of this name: {', '.join(twice)}",
            hint="rename the condition, or choose another --run name",
        )
    return tuple(merged[index] for index in sorted(merged))
