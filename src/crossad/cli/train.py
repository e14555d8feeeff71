"""`crossad train`: one condition, here and now; what a pod and the local queue run, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.durations import duration
from crossad.cli.images import Address, data_options
from crossad.cli.place import Place, place_options, waiting
from crossad.cli.weights import Weights, weights_options

if TYPE_CHECKING:
    from crossad.results.home import Home
    from crossad.results.plan import PlanEntry
    from crossad.trainer.context import Task


@click.command(
    help="""Run one condition, here and now; also what a pod runs.

    \b
    crossad train --config conditions/base.json --experiment-id 0 --gpu-id 0
    crossad train --config conditions/smoke.json --experiment-id draem_small --gpu-id cpu --data data/hdmap
    """
)
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(path_type=Path),
    help="Suite file, a run's plan.json, or env:VARIABLE with a packed plan.",
)
@click.option("--experiment-id", required=True, help="Number or name of the condition; all: those of a plan.")
@click.option("--gpu-id", default="0", show_default=True, help="CUDA device, or cpu.")
@data_options("data, or a plan's own")
@place_options
@click.option("--run", "run_name", default=None, help="Name of the run.  [default: a timestamp]")
@weights_options
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the config (other work than the full one).",
)
@click.option(
    "--limit-images",
    type=click.IntRange(min=1),
    default=None,
    help="At most so many images per domain, split and label.",
)
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
    help="Arithmetic of the networks.",
)
@click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="Save resumable state this often.",
)
@click.option(
    "--ship-seconds",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Send logs and saved state to a bucket this often.",
)
@click.option(
    "--grace-seconds",
    type=click.FloatRange(min=1),
    default=25.0,
    show_default=True,
    help="After SIGTERM: longest wait for a safe point.",
)
@click.option(
    "--max-runtime",
    callback=duration,
    default=None,
    metavar="TIME",
    help="Work of all attempts together, such as 12h; beyond it the condition fails for good.  [default: no bound]",
)
@click.option(
    "--max-preemptions",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Attempts that may be cut off; one more, and the condition fails for good.  [default: no bound]",
)
def command(
    config_file: Path,
    experiment_id: str,
    place: Place,
    data: Address,
    weights: Weights,
    run_name: str | None,
    max_runtime: timedelta | None,
    **options: Any,  # noqa: ANN401 - declared above, checked by click and Task
) -> None:
    """Load one condition, run it, say where its record is."""
    import os

    # before torch is imported: a model hub is never asked
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from crossad.interrupt import Interrupt

    with Interrupt(options.pop("grace_seconds")).serve() as interrupt:
        from datetime import UTC, datetime

        from crossad.errors import InterruptedRun
        from crossad.results.layout import run_name as timestamp
        from crossad.trainer.task import DEFAULT_DATA, find_plan, load_task

        run = run_name or timestamp(datetime.now(UTC))
        home = place.waiting_home(interrupt.event)
        where: dict[str, Any] = {"results": place.results, "home": home, "run": run}
        where["max_runtime"] = max_runtime.total_seconds() if max_runtime is not None else None
        if (shelf := weights.shelf()) is not None:
            where["weights_dir"] = shelf.folder
            where["weights_store"] = shelf.store(waiting(shelf.options, interrupt.event))
        plan = find_plan(config_file)
        images = data.open(plan.data if plan else DEFAULT_DATA, waiting(data.settings(), interrupt.event))
        planned = plan.conditions if plan and experiment_id == "all" else None
        ids = [experiment_id] if planned is None else [str(entry.experiment_id) for entry in planned]
        tasks = [
            load_task(config_file, one, data=images, plan=plan, interrupt=interrupt, **where, **options) for one in ids
        ]

        from crossad.trainer.several import run_conditions  # loads torch: faults of the input are told before

        missing = run_conditions(
            tasks, lambda text: click.echo(text, err=True), _cancelled(home, run, planned) if planned else None
        )
    click.echo(f"next: crossad report {run} {place.words}", err=True)
    if missing:
        raise SystemExit(InterruptedRun.exit_code if interrupt.requested else missing)


def _cancelled(home: Home, run: str, planned: Sequence[PlanEntry]) -> Callable[[Task], bool]:
    """Whether one of these conditions was cancelled: a pod learns it from the store, whoever deletes its Job or not."""
    from crossad.launch.state import RunState

    state, ids = RunState(home, run), {entry.name: entry.condition_id for entry in planned}

    def asked(task: Task) -> bool:
        verdict = state.verdict(ids[task.name])
        return verdict is not None and verdict.kind == "cancelled"

    return asked
