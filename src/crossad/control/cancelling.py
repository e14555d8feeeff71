"""What a cancellation means for Jobs: those that owe nothing any more go, the others leave out what was cancelled.

The verdicts are in the store before any Job goes, so nobody makes it again. A Job is removed as its very self (by
uid), its pod gets its grace, and its trainer saves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from crossad.control.facts import Told
from crossad.control.jobs import SeenJob
from crossad.control.removal import remove
from crossad.kube.cluster import Cluster
from crossad.kube.resources import JOBS


@dataclass
class Removal:
    """What is to become of the Jobs of cancelled conditions."""

    going: list[SeenJob] = field(default_factory=list)
    shared: list[tuple[SeenJob, list[str]]] = field(default_factory=list)  # a Job that stays, and for whom: ids


def sort_out(jobs: Sequence[SeenJob], told: Told, asked: Collection[str]) -> Removal:
    """Which living Jobs are to go.

    Args:
        jobs: the run's.
        told: what the store said after the verdicts were given.
        asked: ids of the conditions to cancel; those without a cancelled verdict are not meant.
    """
    found = Removal()
    cancelled = {one for one in asked if told.closed.get(one) == "cancelled"}
    for job in jobs:
        if job.verdict.over or job.leaving or not cancelled.intersection(job.conditions):
            continue
        owed = [one for one in job.conditions if one not in told.committed and one not in told.closed]
        if owed:
            found.shared.append((job, owed))
        else:
            found.going.append(job)
    return found


def remove_jobs(cluster: Cluster, jobs: Sequence[SeenJob]) -> None:
    """Remove Jobs; one that somebody removed and made anew meanwhile is another Job, and stays.

    Raises:
        ClusterDenied: these credentials may not remove Jobs.
    """
    remove(cluster, JOBS, [(job.name, job.uid) for job in jobs])
