"""Asking again: ever less often, with jitter, at the earliest when the server said, and only as long as it lasts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from crossad.kube.faults import ClusterUnreachable

T = TypeVar("T")
FIRST = 0.5  # seconds before the second try
LONGEST = 30.0  # seconds between two tries, unless the server asks for more


@dataclass(frozen=True)
class Patience:
    """How long to wait for an API server; clock, sleep and dice are arguments, so tests need no time."""

    seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    dice: Callable[[], float] = field(default=random.random)

    def run(self, action: Callable[[], T]) -> T:
        """The action's value, once the server answers.

        Raises:
            ClusterUnreachable: the patience is spent; the cause is the last answer.
        """
        began, round_ = self.clock(), 0
        while True:
            try:
                return action()
            except ClusterUnreachable as error:
                pause, round_ = self.pause(round_, error.after), round_ + 1
                waited = self.clock() - began
                if waited + pause > self.seconds:
                    told = f"{error.message} (waited {waited:.0f} s)" if waited >= 1 else error.message
                    raise ClusterUnreachable(told, hint=error.hint, after=error.after, sent=error.sent) from error
                self.sleep(pause)

    def pause(self, round_: int, after: float = 0.0) -> float:
        """Seconds before the next try: .5, 1, 2, ... up to half a minute, less up to half of it, never below `after`.

        A server that sheds load tells many clients the same time: up to a quarter more spreads them.
        """
        own = min(LONGEST, FIRST * 2.0 ** min(round_, 10)) * (0.5 + self.dice() / 2)
        return float(max(own, after * (1 + self.dice() / 4)))
