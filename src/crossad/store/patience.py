"""Asking a store again: ever less often, with jitter, and only as long as the patience lasts."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from crossad.patience import Asking
from crossad.store.faults import StoreUnreachable

LONGEST = 60.0  # seconds between two rounds


@dataclass(frozen=True)
class Patience(Asking[StoreUnreachable]):
    """How long to wait for a store that does not answer."""

    unanswered = StoreUnreachable

    def until(self, gave_up: threading.Event) -> Patience:
        """The same patience, lost as soon as somebody gives up."""

        def sleep(seconds: float) -> None:
            while seconds > 0 and not gave_up.is_set():
                self.sleep(min(seconds, 1.0))
                seconds -= 1.0
            if gave_up.is_set():
                raise StoreUnreachable("given up", hint="run again")

        return replace(self, sleep=sleep)

    def pause(self, round_: int) -> float:
        """Seconds before the next round: 1, 2, 4, ... up to a minute, less up to half of it."""
        return float(min(LONGEST, 2.0 ** min(round_, 10)) * (0.5 + self.dice() / 2))

    def pause_after(self, round_: int, error: StoreUnreachable) -> float:
        """The pause of the round."""
        return self.pause(round_)

    def spent(self, told: str, error: StoreUnreachable) -> StoreUnreachable:
        """The same, with how long was waited."""
        return StoreUnreachable(told, hint=error.hint)
