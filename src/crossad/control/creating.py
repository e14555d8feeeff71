"""Creates many Jobs, a few at a time; what a server refuses is told apart from what it may take later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from crossad.control.decide import Piece
from crossad.kube.cluster import Cluster, Object
from crossad.kube.faults import ObjectRefused, QuotaExceeded
from crossad.kube.once import Outcome, create_once
from crossad.kube.resources import JOBS
from crossad.manifests import words

THREADS = 8  # requests on their way at once; more of them do not make one API server faster


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
    """Create a Job for each piece, in their order.

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
    enough = threading.Event()
    created = Created()

    def one(piece: Piece) -> tuple[Outcome | None, str]:
        if enough.is_set() or stopped():
            return None, ""
        try:
            creation = create_once(cluster, JOBS, make(piece), words.SPEC, brief=True)
        except ObjectRefused as error:
            return Outcome.OTHER, error.message
        except QuotaExceeded as error:
            enough.set()
            return None, error.message
        except BaseException:
            enough.set()
            raise
        return creation.outcome, creation.why

    with ThreadPoolExecutor(threads, thread_name_prefix="crossad-create") as pool:
        for piece, (outcome, why) in zip(pieces, pool.map(one, pieces), strict=True):
            if outcome in (Outcome.CREATED, Outcome.SAME):
                created.there.append(piece)
                created.new += outcome is Outcome.CREATED
            elif outcome is Outcome.OTHER:
                created.refused[piece.training] = why
            created.later = created.later or (why if outcome is None else "")
    return created
