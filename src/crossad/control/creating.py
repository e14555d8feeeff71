"""Creates many Jobs, a few at a time; what a server refuses is told apart from what it may take later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from crossad.control.decide import Piece
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ObjectRefused, QuotaExceeded
from crossad.kube.once import Outcome, create_once
from crossad.kube.reading import Object
from crossad.kube.resources import JOBS
from crossad.manifests import words

THREADS = 16  # at work at once: eight requests keep an API server busy, and threads make Jobs between theirs
LOT = 16  # Jobs that are made one right after another, which takes a third of the time that it takes between requests


@dataclass
class Created:
    """What became of some Jobs."""

    there: list[Piece] = field(default_factory=list)  # created now, or before by somebody who made the same
    new: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # training -> why
    later: str = ""  # why the rest has to wait


def create_jobs(
    cluster: Cluster,
    pieces: Sequence[Piece],
    make: Callable[[Piece], Object],
    stopped: Callable[[], bool],
    threads: int = THREADS,
) -> Created:
    """Create a Job for each piece, lot by lot in their order.

    Args:
        cluster: where.
        pieces: what the Jobs are to do.
        make: a piece's Job.
        stopped: whether to leave the rest for another time.
        threads: requests at once.

    Raises:
        ClusterUnreachable: no answer within the patience; what was created before stands.
        ClusterDenied, NamespaceMissing: no Job can be created here.
    """
    created, lock, enough = Created(), threading.Lock(), threading.Event()
    lots = iter([pieces[at : at + LOT] for at in range(0, len(pieces), LOT)])

    def work() -> None:
        for lot in lots:  # of all threads: each takes the next one
            for piece, job in [(piece, make(piece)) for piece in lot]:
                if enough.is_set() or stopped():
                    return
                outcome, why = _create(cluster, job)
                if outcome is None:
                    enough.set()
                with lock:
                    _count(created, piece, outcome, why)

    with ThreadPoolExecutor(threads, thread_name_prefix="crossad-create") as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        try:
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:
            enough.set()
    for worker in workers:
        worker.result()
    return created


def _create(cluster: Cluster, job: Object) -> tuple[Outcome | None, str]:
    try:
        made = create_once(cluster, JOBS, job, words.SPEC, brief=True)
    except ObjectRefused as error:
        return Outcome.OTHER, error.message
    except QuotaExceeded as error:
        return None, error.message
    return made.outcome, made.why


def _count(created: Created, piece: Piece, outcome: Outcome | None, why: str) -> None:
    if outcome in (Outcome.CREATED, Outcome.SAME):
        created.there.append(piece)
        created.new += outcome is Outcome.CREATED
    elif outcome is Outcome.OTHER:
        created.refused[piece.training] = why
    else:
        created.later = created.later or why
