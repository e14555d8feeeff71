"""One fresh look at a run, in the order that makes it true: its Jobs first, then its store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crossad.control.census import Fate, Grace, Lot, census
from crossad.control.jobs import SeenJob, look
from crossad.kube.cluster import Cluster
from crossad.kube.verdicts import State
from crossad.launch.afar import View, view
from crossad.results.home import Home
from crossad.results.plan import Plan


@dataclass(frozen=True)
class Muster:
    """What a look found."""

    fates: list[Fate]
    now: datetime  # by the store's clock
    view: View
    jobs: list[SeenJob] | None  # None where nobody asked for them


def muster(home: Home, plan: Plan, cluster: Cluster | None, grace: Grace, *, why: bool = True) -> Muster:
    """Look at every condition of a plan.

    Args:
        home: where the run lives.
        plan: what it owes.
        cluster: where its Jobs are; without one, what the store tells is all.
        grace: for conditions without a Job.
        why: ask the cluster for reasons, too.

    Raises:
        CrossadError: of the cluster or the store, as they are (`kube.faults`, `store.faults`).
    """
    # a trainer commits, then its Job ends: in the other order, one that ends in between would have left nothing
    jobs = look(cluster, plan.run, why=why) if cluster is not None else None
    seen = view(home, plan.run, [entry.condition_id for entry in plan.conditions])
    now = home.state.now()
    fates = census(plan, seen, jobs, now, grace)
    if claimed := _claimed(home, fates):
        seen = replace(seen, committed={**seen.committed, **{one: {""} for one in claimed}})
        fates = census(plan, seen, jobs, now, grace)
    return Muster(fates, now, seen, jobs)


def _claimed(home: Home, fates: Sequence[Fate]) -> list[str]:
    """Of those whose Job ended without a commit in the listing, those that have one after all.

    A store without conditional writes lists a commit only when somebody has read it.
    """
    ended = [
        fate.entry.condition_id
        for fate in fates
        if fate.lot is Lot.LOST and fate.job is not None and fate.job.verdict.state is State.COMPLETE
    ]
    names = home.ledger.newest("condition", ended) if ended else {}
    return [one for one, name in names.items() if home.ledger.read(name) is not None]
