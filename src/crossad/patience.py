"""Asking again: ever less often, with jitter, and only as long as the patience lasts. Rooms say whom they ask."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from crossad.errors import CrossadError

T = TypeVar("T")
E = TypeVar("E", bound=CrossadError)


@dataclass(frozen=True)
class Asking(ABC, Generic[E]):
    """How long to wait for an answer; clock, sleep and dice are arguments, so tests need no time."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    dice: Callable[[], float] = field(default=random.random)

    def run(self, action: Callable[[], T]) -> T:
        """The action's value, once there is an answer.

        Raises:
            CrossadError: the patience is spent, and the error says so; its cause is the last answer.
        """
        began, round_ = self.clock(), 0
        while True:
            try:
                return action()
            except self.unanswered as error:
                pause, round_ = self.pause_after(round_, error), round_ + 1
                waited = self.clock() - began
                if waited + pause > self.seconds:
                    told = f"{error.message} (waited {waited:.0f} s)" if waited >= 1 else error.message
                    raise self.spent(told, error) from error
                self.sleep(pause)

    @property
    @abstractmethod
    def unanswered(self) -> type[E]:
        """The error that means "no answer now"; every other one ends the asking."""

    @abstractmethod
    def pause_after(self, round_: int, error: E) -> float:
        """Seconds before the next try."""

    @abstractmethod
    def spent(self, told: str, error: E) -> E:
        """The error of a patience that is spent: the last one, with how long was waited."""
