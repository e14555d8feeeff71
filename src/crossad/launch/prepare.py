"""From a suite file and the options of `crossad run` to a job: checked, resolved and named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossad.conditions.faults import near
from crossad.conditions.plan import condition_parts, plan_entry
from crossad.conditions.select import select
from crossad.conditions.suite import Condition, load_suite, parse_config
from crossad.data.places import Images, as_images, open_images
from crossad.errors import MissingInputError, UsageError
from crossad.launch.command import Job
from crossad.launch.slots import count_gpus, slots
from crossad.launch.state import now_text
from crossad.results.home import FolderHome, Home
from crossad.results.layout import run_name, slug
from crossad.results.plan import Plan, PlanEntry, load_plans
from crossad.store.opening import on_s3
from crossad.supplies.place import Shelf


@dataclass(frozen=True)
class RunRequest:
    """What `crossad run` is asked for."""

    suite: Path
    data: Images | Path | str = Path("data")  # opened, a folder, or s3://bucket/prefix
    ids: str = "all"
    gpus: str = "auto"
    jobs: int = 1  # trainers at once per device
    run: str | None = None  # default: the suite's newest run where it fits, else a timestamp
    results: Path = Path("results")
    home: Home | None = None  # where runs live, if that is not the folder `results`: open_home("s3://bucket/prefix")
    overrides: Mapping[str, Any] = field(default_factory=dict)
    limit_images: int | None = None
    fresh: bool = False  # repeat finished work under a repeat number
    retry: bool = False  # also what failed for good or was cancelled
    weights: Shelf | Path | None = None
    grace_seconds: float = 30.0
    command: tuple[str, ...] = ()  # as the user typed it, to be shown later

    @property
    def place(self) -> Home:
        """Where runs live."""
        return self.home or FolderHome(self.results)


def prepare(request: RunRequest) -> tuple[Job, tuple[PlanEntry, ...]]:
    """Check everything that can be checked without a device, and name the run.

    Returns:
        The job, its plan not pinned yet, and the conditions that were asked for.

    Raises:
        CrossadError: the suite has faults, the data lacks domains (all are named), a device is not there.
    """
    suite = load_suite(request.suite, overrides=request.overrides, limit_images=request.limit_images)
    chosen = select(suite.conditions, request.ids)
    images = as_images(request.data)
    entries = _entries(chosen, images)
    run, repeat = _place(suite.name, entries, request)
    entries = tuple(entry.repeated(repeat) for entry in entries)
    if slug(run) != run:
        raise UsageError(f"--run: got {run!r}, allowed: letters, digits and _ . + -", hint=f"--run {slug(run)}")
    plan = Plan(
        run=run,
        repeat=repeat,
        suite=suite.name,
        created=now_text(),
        data=images.uri,
        command=request.command,
        overrides={key: value for entry in entries for key, value in entry.overrides.items()},
        conditions=entries,
    )
    job = Job(
        plan=plan,
        home=request.place,
        data=images,
        slots=slots(request.gpus, request.jobs, count_gpus(os.environ)),
        weights=request.weights,
        data_locks=data_locks(entries, images),
        grace_seconds=request.grace_seconds,
    )
    return job, entries


def _entries(chosen: Sequence[Condition], data: Images) -> tuple[PlanEntry, ...]:
    """The conditions with their targets resolved and their keys.

    Raises:
        MissingInputError: domains are missing; one line each.
    """
    domains = data.domains()
    faults = [fault for condition in chosen for fault in _missing(condition, domains)]
    if faults:
        raise MissingInputError(
            f"{len(faults)} domain(s) missing in {data.shown}\n" + "\n".join(faults),
            hint=f"domains there: {', '.join(domains) or 'none'}",
        )
    return tuple(
        PlanEntry.model_validate({**plan_entry(condition, domains), "overrides": dict(condition.overrides)})
        for condition in chosen
    )


def data_locks(entries: Sequence[PlanEntry], data: Images) -> dict[str, str | None]:
    """Per condition id the hash of the data that the condition reads; None where the root has no lock."""
    return {entry.condition_id: data.lock_part(condition_parts(parse_config(entry.config))) for entry in entries}


def current_locks(plan: Plan, images: Images | None = None) -> dict[str, str | None]:
    """The data locks of a plan's conditions now.

    Args:
        plan: with its configs.
        images: whose locks; by default the plan's own, and none where these are not in a folder of this machine.
    """
    if images is None:
        if on_s3(plan.data) or not Path(plan.data).is_dir():
            return {}
        images = open_images(plan.data)
    return data_locks(plan.conditions, images)


def _missing(condition: Condition, domains: Sequence[str]) -> Iterator[str]:
    config = condition.config
    targets = config.target_domains if isinstance(config.target_domains, tuple) else ()
    for key, wanted in (
        ("source_domain", config.source_domain),
        *(("target_domains", name) for name in targets),
    ):
        if wanted not in domains:
            fault = f"condition {condition.index} {condition.name}: {key}: no domain {wanted}"
            meant = near(wanted, domains)
            yield f"{fault}, {meant}" if meant else fault


def _place(suite: str, entries: Sequence[PlanEntry], request: RunRequest) -> tuple[str, int]:
    """The run's name and repeat number: the one asked for, the newest that fits, or a new one."""
    plans = load_plans(request.place)
    named = next((plan for plan in plans if plan.run == request.run), None)
    if named is not None and not request.fresh:
        return named.run, named.repeat
    if request.fresh:
        return request.run or _new_name(plans, request.place.results), 1 + max(_repeats(plans, entries), default=0)
    if request.run is not None:
        return request.run, 1
    for plan in reversed(plans):
        if plan.suite == suite and plan.covers(entry.repeated(plan.repeat) for entry in entries):
            return plan.run, plan.repeat
    return _new_name(plans, request.place.results), 1


def _repeats(plans: Sequence[Plan], entries: Sequence[PlanEntry]) -> Iterator[int]:
    """The repeat numbers under which some of this work is planned already."""
    for plan in plans:
        planned = {entry.condition_id for entry in plan.conditions}
        if any(entry.repeated(plan.repeat).condition_id in planned for entry in entries):
            yield plan.repeat


def _new_name(plans: Sequence[Plan], results: Path) -> str:
    """The guide's timestamp; a number is added where this second is taken."""
    stamp, taken = run_name(datetime.now(UTC)), {plan.run for plan in plans}
    names = (stamp, *(f"{stamp}_{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in taken and not (results / name).exists())
