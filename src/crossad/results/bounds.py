"""What a condition may cost before it counts as failed: endings that a cluster ignores would else go on for ever.

A Job's own deadline would count the time in which no node was free, and its back-off does not count what was preempted.
So attempts are counted here, from the beacons that they left in the store, one generation of a condition at a time.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass

from crossad.errors import DeterministicError
from crossad.results.beacons import Lamp, beacons_of
from crossad.store.base import Store

OVER = ("done", "failed")  # phases of an attempt that ended by itself; every other one was cut off


class BoundReached(DeterministicError):  # noqa: N818 - an ending that was asked for
    """A condition has had the time, or the interruptions, that it was allowed; its progress is saved."""


@dataclass(frozen=True)
class Bounds:
    """How much a condition may cost, all its attempts together; None: without bound."""

    max_runtime: float | None = None  # seconds of work
    max_preemptions: int | None = None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.max_runtime is not None or self.max_preemptions is not None


@dataclass(frozen=True)
class Spent:
    """What earlier attempts have cost."""

    seconds: float = 0.0  # of work, by the store's clock
    preemptions: int = 0  # attempts that were cut off


def spent_before(state: Store, run: str, condition_id: str, lamp: Lamp) -> Spent:
    """What other attempts of this generation have cost, as far as they told.

    Args:
        state: of the home.
        run: the run; another one counts for itself.
        condition_id: the condition.
        lamp: of the attempt that asks, which is left out.
    """
    seconds, preemptions = 0.0, 0
    for beacon, sent in beacons_of(state, run, condition_id):
        if beacon.attempt == lamp.attempt or beacon.generation != lamp.generation:
            continue
        seconds += max(0.0, (sent - beacon.began).total_seconds()) if beacon.began else 0.0
        preemptions += beacon.progress.phase not in OVER
    return Spent(seconds, preemptions)


class Budget:
    """What is left for one attempt; looked at again and again while it works."""

    def __init__(self, bounds: Bounds, spent: Spent, again: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count this attempt's own time.

        Args:
            bounds: what is allowed.
            spent: by earlier attempts.
            again: the command that opens another generation.
            clock: seconds.
        """
        self._bounds, self._spent, self._again, self._clock = bounds, spent, again, clock
        self._began = clock()

    @property
    def reached(self) -> bool:
        """Whether a bound is reached."""
        return self._fault() is not None

    def check(self) -> None:
        """Nothing, or the end.

        Raises:
            BoundReached: a bound is reached; the message names it.
        """
        if (fault := self._fault()) is not None:
            raise fault

    def _fault(self) -> BoundReached | None:
        bounds, spent = self._bounds, self._spent
        if bounds.max_preemptions is not None and spent.preemptions > bounds.max_preemptions:
            return self._told(
                f"max_preemptions: attempts were cut off {spent.preemptions} times, allowed {bounds.max_preemptions}",
                "--max-preemptions N, in a cluster job.maxPreemptions",
            )
        if bounds.max_runtime is None:
            return None
        seconds = spent.seconds + self._clock() - self._began
        if seconds < bounds.max_runtime:
            return None
        return self._told(
            f"max_runtime: attempts have worked for {seconds:.0f} s, allowed {bounds.max_runtime:.0f} s",
            "--max-runtime TIME, in a cluster job.maxRuntimeSeconds",
        )

    def _told(self, what: str, setting: str) -> BoundReached:
        return BoundReached(
            f"{what}; progress is saved",
            hint=f"raise it ({setting}), or count anew: {self._again}; both go on from here",
        )


def retry_command(run: str, name: str) -> str:
    """The command that opens another generation of a condition."""
    return f"crossad retry {shlex.join([run, name])}"
