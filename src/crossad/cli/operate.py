"""What the verbs that operate runs share: options, completion of names, and choosing devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crossad.cli.place import Place
from crossad.cli.weights import Weights, weights_options
from crossad.errors import CrossadError

if TYPE_CHECKING:
    from crossad.launch.summary import Summary

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option = click.option("--json", "as_json", is_flag=True, help="Facts for machines.")


@dataclass(frozen=True)
class Machine:
    """How this machine is to work on conditions."""

    gpus: str
    jobs: int
    weights: Weights
    grace: float


_MACHINE = (
    click.option("--gpus", default="auto", show_default=True, help="0,1 or cpu or auto (all GPUs, else the CPU)."),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Trainers at once per device.",
    ),
    click.option(
        "--grace",
        type=click.FloatRange(min=0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Between asking a trainer to stop and killing it.",
    ),
)


def machine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--gpus`, `--jobs`, `--weights` and `--grace`, passed on as one `machine`."""

    @weights_options
    @wraps(function)
    def bundled(*args: Any, gpus: str, jobs: int, weights: Weights, grace: float, **options: Any) -> Any:  # noqa: ANN401 - whatever else the verb takes
        return function(*args, machine=Machine(gpus, jobs, weights, grace), **options)

    for option in reversed(_MACHINE):
        bundled = option(bundled)
    return bundled


def words_argument(metavar: str) -> Decorator:
    """`[RUN] [CONDITION]...`, completed by the shell: runs first, then that run's conditions."""
    return click.argument("words", nargs=-1, metavar=metavar, shell_complete=complete_words)


def complete_words(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of runs, newest first, or of the conditions of the run already typed."""
    from crossad.launch.control import split_words
    from crossad.results.plan import load_plans
    from crossad.store.patience import Patience

    named = context.params.get("store"), context.params.get("results_dir"), context.params.get("store_options") or ()
    home = Place(*named).home(Patience(0.0))  # a shell waits for no store
    plans = load_plans(home)
    typed = context.params.get("words") or ()
    items = [] if typed else [CompletionItem(plan.run, help=f"run of {plan.suite}") for plan in reversed(plans)]
    if plans:
        plan = split_words(home, typed[:1])[0]
        items += [CompletionItem(entry.name, help=f"experiment {entry.experiment_id}") for entry in plan.conditions]
    return [item for item in items if str(item.value).startswith(incomplete)]


def finish(summary: Summary, place: Place, *, report: bool, command: str) -> None:
    """After a queue: write the report, say where to look and what is next; end with the queue's exit code."""
    click.echo(f"{summary.run}: {summary.counts}")
    if summary.interrupted:
        click.echo(f"interrupted; progress is saved, the same command continues: {command}", err=True)
        raise SystemExit(summary.exit_code)
    if report and (summary.done or summary.partial):
        _report(place, summary.run)
    click.echo(f"results: {place.results / summary.run}")
    if summary.failed or summary.partial:
        click.echo(f"next: crossad explain {summary.run}; crossad retry {summary.run} --failed", err=True)
    elif summary.cancelled:
        click.echo(f"next: crossad status {summary.run}; crossad retry {summary.run} NAME", err=True)
    else:
        click.echo(f"next: crossad report {summary.run} {place.words}", err=True)
    raise SystemExit(summary.exit_code)


def _report(place: Place, run: str) -> None:
    """A report that cannot be written is worth a message; the queue's own exit code stands."""
    try:
        from crossad.analysis.report import write_report

        home = place.home()
        if home.remote:
            from crossad.cli.report import from_store

            page = from_store(home, (run,), False, None).page
        else:
            page = write_report(place.results, [run])
        click.echo(f"report: {page}")
    except (CrossadError, ImportError) as error:
        click.echo(f"no report: {error}; later: crossad report {run} {place.words}", err=True)
