"""Asking again: ever less often, with jitter, and only as long as the patience lasts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from crossad.store.faults import StoreUnreachable

T = TypeVar("T")
LONGEST = 60.0  # seconds between two rounds


@dataclass(frozen=True)
class Patience:
    """How long to wait for a store that does not answer; clock, sleep and dice are arguments, so tests need no time."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    dice: Callable[[], float] = field(default=random.random)

    def run(self, action: Callable[[], T]) -> T:
        """The action's value, once the store answers.

        Raises:
            StoreUnreachable: the patience is spent; the cause is the last answer.
        """
        began, round_ = self.clock(), 0
        while True:
            try:
                return action()
            except StoreUnreachable as error:
                pause, round_ = self.pause(round_), round_ + 1
                waited = self.clock() - began
                if waited + pause > self.seconds:
                    raise _spent(error, waited) from error
                self.sleep(pause)

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


def _spent(error: StoreUnreachable, waited: float) -> StoreUnreachable:
    told = f"{error.message} (waited {waited:.0f} s)" if waited >= 1 else error.message
    return StoreUnreachable(told, hint=error.hint)
