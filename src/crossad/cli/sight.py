"""What `status` and `explain` look at: a run's conditions, on this machine, in a bucket, or with their Jobs."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from crossad.cli.cluster import Reach
    from crossad.cli.images import Address
    from crossad.cli.place import Place
    from crossad.data.places import Images
    from crossad.kube.cluster import Cluster
    from crossad.launch.standing import Standing
    from crossad.launch.state import Holder
    from crossad.results.home import Home
    from crossad.results.plan import Plan

SETTLED = ("done", "stale", "partial", "failed", "cancelled", "lost")


@dataclass(frozen=True)
class Sight:
    """One look."""

    rows: Sequence[Standing]  # of the conditions that were asked for, in the plan's order
    holder: Holder | None = None  # the process of this machine that works on the run
    namespace: str | None = None  # of the Jobs, where the cluster was asked
    controller: str = ""  # its Job

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself."""
        return all(row.state in SETTLED for row in self.rows)

    @property
    def worker(self) -> str:
        """Who works on the run, as the end of a line."""
        if self.holder is not None:
            return f"process {self.holder.mark.pid} on {self.holder.host} works on it"
        if self.namespace is None:
            return "nobody works on it now"
        who = f"controller {self.controller} works on it" if self.controller else "no controller works on it"
        return f"{who} in namespace {self.namespace}"


class Looker:
    """Looks at a run as often as it is asked; a context manager, because it may hold connections."""

    def __init__(self, place: Place, reach: Reach, words: tuple[str, ...], data: Address) -> None:
        """Find the run and the conditions, and the way to the cluster and to the data where one is asked for."""
        from crossad.control.planned import find
        from crossad.launch.control import choose
        from crossad.results.plan import outline

        self._home = place.home()
        self._open = ExitStack()
        self._cluster: Cluster | None = reach.open() if reach.asked else None
        if self._cluster is not None:
            self._open.callback(self._cluster.close)
        self.plan, self.names = find(self._home, self._cluster, words, outline)
        self._wanted = {entry.experiment_id for entry in choose(self.plan, self.names)}
        images = data.open(self.plan.data) if data.text or data.options else None
        self._locks = _locks(self._home, self.plan, images)

    def __enter__(self) -> Looker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def look(self) -> Sight:
        """Where everything stands now."""
        # thousands of objects are made and none in a circle: looking for circles would take half of the time
        gc.disable()
        try:
            return self._look()
        finally:
            gc.enable()

    def _look(self) -> Sight:
        from crossad.launch.afar import observe

        if self._cluster is None:
            observer = observe(self._home, self.plan, self._locks)
            return Sight(self._chosen(observer.all()), observer.state.holder())
        from crossad.control.observe import ClusterObserver, surroundings

        around = surroundings(self._cluster, self.plan.run)
        observer = ClusterObserver(self._home, self.plan, around, self._locks)
        rows = self._chosen(observer.all())
        return Sight(rows, observer.state.holder(), around.namespace, around.controller)

    def looks(self, every: float) -> Iterator[Sight]:
        """One look after the other, until nothing is left to happen; whoever does not answer is asked again.

        Args:
            every: seconds between two looks.
        """
        from crossad.kube.faults import ClusterUnreachable
        from crossad.store.faults import StoreUnreachable

        while True:
            try:
                sight = self.look()
            except (ClusterUnreachable, StoreUnreachable) as error:
                click.echo(f"no answer, looking again in {every:g} s: {error.message}", err=True)
            else:
                yield sight
                if sight.settled:
                    return
            time.sleep(every)

    def _chosen(self, rows: Sequence[Standing]) -> list[Standing]:
        return [row for row in rows if row.experiment_id in self._wanted]


def typed(place: Place, reach: Reach) -> str:
    """The options that were given, again, to follow a command that is shown."""
    given = place.words if place.store or place.results_dir or place.options else ""
    return "".join(f" {words}" for words in (given, reach.words) if words)


def _locks(home: Home, plan: Plan, images: Images | None) -> Mapping[str, str | None]:
    """The locks of the data now, where they are in reach; configs tell which data a condition reads."""
    from crossad.control.pinned import pinned_locks

    if images is None and home.remote and (pinned := pinned_locks(home.state, plan.run)):
        return pinned
    if images is None and not Path(plan.data).is_dir():
        return {}
    from crossad.launch.control import find_run
    from crossad.launch.prepare import current_locks

    known = all(entry.config for entry in plan.conditions)  # it came from the cluster, as a whole
    return current_locks(plan if known else find_run(home, plan.run), images)
