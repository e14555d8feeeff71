"""From a suite file or a run's plan, and a command's options, to one task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossad.conditions.identity import resolve
from crossad.conditions.select import select
from crossad.conditions.suite import load_suite, parse_config, parse_overrides
from crossad.data.places import Images, as_images
from crossad.errors import ConditionError, UsageError
from crossad.results.parsing import parsed
from crossad.results.payload import FROM_ENVIRONMENT, plan_from_environment
from crossad.results.plan import Plan
from crossad.trainer.context import Task

DEFAULT_DATA = "data"


def load_task(
    file: Path,
    experiment_id: str,
    *,
    overrides: tuple[str, ...] = (),
    limit_images: int | None = None,
    data: Images | Path | None = None,
    plan: Plan | None = None,
    **place: Any,  # noqa: ANN401 - Task's own execution fields, checked by Task
) -> Task:
    """One condition of `file`, ready to run; `plan` is what `find_plan` read of it, where somebody has asked already.

    Raises:
        MissingInputError: the file or the images are not there.
        ConditionError: the file has faults (all of them are named), or overrides meet a pinned plan.
        UsageError: there is not exactly one condition of that number or name.
    """
    plan = plan or find_plan(file)
    if plan is not None:
        images = as_images(data or plan.data)
        task = _from_plan(plan, experiment_id, bool(overrides or limit_images), images, place)
    else:
        parsed = parse_overrides(overrides)
        suite = load_suite(file, overrides=parsed, limit_images=limit_images)
        chosen = select(suite.conditions, experiment_id)
        if len(chosen) != 1:
            raise UsageError(
                f"--experiment-id {experiment_id}: names {len(chosen)} conditions, allowed: one",
                hint=f"'crossad run {file} --ids {experiment_id}' runs several",
            )
        condition = chosen[0]
        deviations = tuple(f"override {key}={value}" for key, value in condition.overrides.items())
        images = as_images(data or DEFAULT_DATA)
        task = Task(
            condition.name,
            resolve(condition.config, images.domains()),
            images.root,
            images=images,
            description=condition.description,
            deviations=deviations,
            **place,
        )
    return task


def find_plan(file: Path) -> Plan | None:
    """The plan in `file` or env:VARIABLE, or None where it is something else (a suite)."""
    if str(file).startswith(FROM_ENVIRONMENT):
        return plan_from_environment(str(file).removeprefix(FROM_ENVIRONMENT))
    try:
        body = file.read_bytes()
        found = json.loads(body)
    except (OSError, ValueError):
        return None  # the suite loader says what is wrong, with line and column
    if not isinstance(found, dict) or found.get("kind") != "crossad-plan":
        return None
    return parsed(Plan, body, "plan", str(file), "use the version that wrote it, or name the suite file")


def _from_plan(plan: Plan, experiment_id: str, overridden: bool, images: Images, place: dict[str, Any]) -> Task:
    if overridden:
        raise ConditionError(
            "--set and --limit-images change what a condition is; a plan's conditions are pinned",
            hint="give them to 'crossad run' or 'crossad train' with the suite file",
        )
    for entry in plan.conditions:
        if experiment_id in (str(entry.experiment_id), entry.name):
            return Task(
                entry.name,
                parse_config(entry.config),
                images.root,
                images=images,
                description=entry.description,
                repeat=plan.repeat,
                deviations=tuple(f"override {key}={value}" for key, value in entry.overrides.items()),
                **place,
            )
    ids = ", ".join(str(entry.experiment_id) for entry in plan.conditions)
    raise UsageError(f"--experiment-id {experiment_id}: not in the plan of run {plan.run}", hint=f"it has: {ids}")
