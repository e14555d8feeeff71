"""One fresh look at a run, in the order that makes it true: its Jobs first, then its store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crossad.control.census import Fate, Grace, census
from crossad.control.jobs import SeenJob, completed, look
from crossad.control.pinned import pinned_locks
from crossad.kube.cluster import Cluster
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
    ids = [entry.condition_id for entry in plan.conditions]
    seen = view(home, plan.run, ids, completed(jobs or ()))
    now = home.state.now()
    fates = census(plan, seen, jobs, now, grace, pinned_locks(home.state, plan.run))
    return Muster(fates, now, seen, jobs)
