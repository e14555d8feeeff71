"""Asking an API server again: ever less often, with jitter, at the earliest when the server said."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from crossad.kube.faults import ClusterUnreachable
from crossad.patience import Asking

FIRST = 0.5  # seconds before the second try
LONGEST = 30.0  # seconds between two tries, unless the server asks for more


@dataclass(frozen=True)
class Patience(Asking[ClusterUnreachable]):
    """How long to wait for an API server."""

    seconds: float = 120.0
    unanswered = ClusterUnreachable

    def until(self, gave_up: threading.Event) -> Patience:
        """The same patience, lost as soon as somebody gives up."""

        def sleep(seconds: float) -> None:
            if gave_up.wait(seconds):
                raise ClusterUnreachable("given up", hint="run again")

        return replace(self, sleep=sleep)

    def pause(self, round_: int, after: float = 0.0) -> float:
        """Seconds before the next try: .5, 1, 2, ... up to half a minute, less up to half of it, never below `after`.

        A server that sheds load tells many clients the same time: up to a quarter more spreads them.
        """
        own = min(LONGEST, FIRST * 2.0 ** min(round_, 10)) * (0.5 + self.dice() / 2)
        return float(max(own, after * (1 + self.dice() / 4)))

    def pause_after(self, round_: int, error: ClusterUnreachable) -> float:
        """The pause of the round, or what the server asked for."""
        return self.pause(round_, error.after)

    def spent(self, told: str, error: ClusterUnreachable) -> ClusterUnreachable:
        """The same, with how long was waited."""
        return ClusterUnreachable(told, hint=error.hint, after=error.after, sent=error.sent)
