"""What `status` and `explain` look at: a run's conditions, on this machine, in a bucket, or with their Jobs."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from crossad.cli.cluster import Reach
    from crossad.cli.place import Place
    from crossad.kube.cluster import Cluster
    from crossad.launch.standing import Standing
    from crossad.launch.state import Holder
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

    def __init__(self, place: Place, reach: Reach, words: tuple[str, ...]) -> None:
        """Find the run and the conditions, and the way to the cluster where one is asked for."""
        from crossad.control.planned import find
        from crossad.launch.control import choose
        from crossad.launch.prepare import current_locks

        self._home = place.home()
        self._open = ExitStack()
        self._cluster: Cluster | None = reach.open() if reach.asked else None
        if self._cluster is not None:
            self._open.callback(self._cluster.close)
        plan, self.names = find(self._home, self._cluster, words)
        self._wanted = {entry.experiment_id for entry in choose(plan, self.names)}
        self._locks = current_locks(plan)
        self.plan = _outline(plan)

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


def _outline(plan: Plan) -> Plan:
    """The plan without what a look does not need: of many conditions the configs are most of the memory."""
    without: dict[str, Any] = {"config": {}, "evaluation_keys": {}}
    return plan.model_copy(update={"conditions": tuple(entry.model_copy(update=without) for entry in plan.conditions)})
