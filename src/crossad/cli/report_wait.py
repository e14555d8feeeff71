"""`crossad report RUN --wait`: the aggregation Job, and the same from a laptop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.place import Place, parse_options

if TYPE_CHECKING:
    from crossad.analysis.collect import Known
    from crossad.cli.cluster import Reach
    from crossad.interrupt import Interrupt
    from crossad.kube.cluster import Cluster
    from crossad.results.home import Home

T = TypeVar("T")
DEADLINE, GRACE, EVERY = 3 * 86_400.0, 600.0, 30.0  # seconds
REMINDER = 600.0  # seconds between two words about a store that does not answer


@dataclass(frozen=True)
class Wait:
    """What the options say about waiting."""

    asked: bool = False
    deadline: float | None = None
    grace: float | None = None
    every: float | None = None
    plan: Path | None = None


_OPTIONS = (
    click.option("--wait", "asked", is_flag=True, help="First wait until no condition of the run is open any more."),
    click.option(
        "--deadline",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Write the report after this long in any case; a restarted Job's pod does not begin anew."
        f"  [default: {DEADLINE:.0f}]",
    ),
    click.option(
        "--grace",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help=f"After the newest Job, how long a condition may be without one.  [default: {GRACE:.0f}]",
    ),
    click.option(
        "--every",
        type=click.FloatRange(min=0.01),
        metavar="SECONDS",
        help=f"Between two looks.  [default: {EVERY:.0f}]",
    ),
    click.option(
        "--plan",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where the run's plan is mounted, if the store has none yet.",
    ),
)


def wait_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The five options, passed on as one `wait`."""

    @wraps(function)
    def bundled(
        *args: Any,  # noqa: ANN401 - whatever else the verb takes
        asked: bool,
        deadline: float | None,
        grace: float | None,
        every: float | None,
        plan: Path | None,
        **options: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        return function(*args, wait=Wait(asked, deadline, grace, every, plan), **options)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled


def check_alone(wait: Wait, reach: Reach) -> None:
    """Refuse options that mean something only while waiting.

    Raises:
        UsageError: there are some.
    """
    from crossad.errors import UsageError

    given = {
        "--deadline": wait.deadline is not None,
        "--grace": wait.grace is not None,
        "--every": wait.every is not None,
        "--plan": wait.plan is not None,
        "--cluster, --kubeconfig, --context or --namespace": bool(reach.words),
    }
    if wrong := [name for name, there in given.items() if there]:
        raise UsageError(f"{wrong[0]}: only with --wait", hint="crossad report RUN --wait")


def after_waiting(
    wait: Wait, place: Place, reach: Reach, runs: tuple[str, ...], then: Callable[[Home, str, Known | None], T]
) -> T:
    """Wait for one run, then do something; SIGTERM ends either with 75, and the same call goes on.

    Args:
        wait: how long.
        place: where the run lives.
        reach: where its Jobs are.
        runs: its name.
        then: gets the home, the run, and where its conditions stand that have no record, if a cluster was asked.
    """
    from crossad.errors import UsageError
    from crossad.interrupt import Interrupt

    with bad_input(), Interrupt().serve() as interrupt:
        if len(runs) != 1:
            raise UsageError(f"--wait: got {len(runs)} runs, allowed 1", hint="crossad report RUN --wait")
        home = _patient_home(place, interrupt)
        with _opened(reach) as cluster:
            told = _waited(wait, home, cluster, runs[0], interrupt)
        # without a cluster, whoever collects sees as much, and more of what runs on this machine
        return then(home, runs[0], told if reach.asked else None)


def _waited(wait: Wait, home: Home, cluster: Cluster | None, run: str, interrupt: Interrupt) -> Known:
    from datetime import timedelta

    from crossad.control.waiting import Terms, Waiter, holes, pin
    from crossad.fetch.found import find_plan
    from crossad.manifests.words import JOB_VARIABLE
    from crossad.results.payload import plan_from_shards

    def sleep(seconds: float) -> None:
        interrupt.event.wait(seconds)
        interrupt.check()

    jobs = f"its Jobs in {cluster.place}" if cluster else "without its Jobs: no cluster is named (--cluster)"
    _say(f"waiting for run {run} in {home.uri}, {jobs}")
    if wait.plan is not None:
        pin(home, plan_from_shards(wait.plan), run)
    elif cluster is not None:
        _pin_applied(home, cluster, run)
    terms = Terms(
        timedelta(seconds=_or(wait.deadline, DEADLINE)),
        timedelta(seconds=_or(wait.grace, GRACE)),
        _or(wait.every, EVERY),
    )
    waiter = Waiter(home, cluster, terms, lambda: find_plan(home, run), _say, sleep)
    return holes(waiter.wait(os.environ.get(JOB_VARIABLE, "")))


def _pin_applied(home: Home, cluster: Cluster, run: str) -> None:
    """Until its aggregation has started, the plan of a run that was applied as files is in the cluster alone."""
    from crossad.control.planned import find
    from crossad.control.waiting import pin
    from crossad.errors import MissingInputError
    from crossad.fetch.found import find_plan

    try:
        find_plan(home, run)
    except MissingInputError:
        pin(home, find(home, cluster, (run,))[0], run)


def _or(given: float | None, standard: float) -> float:
    return standard if given is None else given


@contextmanager
def _opened(reach: Reach) -> Iterator[Cluster | None]:
    cluster = reach.open() if reach.asked else None
    try:
        yield cluster
    finally:
        if cluster is not None:
            cluster.close()


def _patient_home(place: Place, interrupt: Interrupt) -> Home:
    """A store that does not answer is waited for, as its options say, and this is told now and then."""
    from crossad.store.patience import Patience

    told = -REMINDER

    def sleep(seconds: float) -> None:
        nonlocal told
        if time.monotonic() - told >= REMINDER:
            told = time.monotonic()
            _say("the store does not answer; waiting for it")
        time.sleep(seconds)

    patience = Patience(parse_options(place.options).patience_seconds, sleep=sleep).until(interrupt.event)
    return place.home(patience, brief=False)


def _say(text: str) -> None:
    click.echo(text, err=True)
