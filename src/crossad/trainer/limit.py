"""When an attempt is to stop: because somebody asked, or because its condition has had what it may have."""

from __future__ import annotations

import threading

from crossad.interrupt import Interrupt
from crossad.results.bounds import Budget


class Limit(Interrupt):
    """The stop request of one attempt: its task's, or the end of its budget."""

    def __init__(self, asked: Interrupt, budget: Budget) -> None:
        """Take what stops the task anyway, and the budget."""
        super().__init__()
        self._asked, self._budget = asked, budget

    @property
    def event(self) -> threading.Event:
        """The task's own: a budget ends no wait for a store."""
        return self._asked.event

    @property
    def requested(self) -> bool:
        """True once the attempt is to stop at its next safe point."""
        return self._asked.requested or self._budget.reached

    def request(self) -> None:
        """Ask as the task would be asked."""
        self._asked.request()

    def check(self, where: str = "") -> None:
        """A safe point with nothing to save.

        Raises:
            InterruptedRun: a stop was requested.
            BoundReached: the budget is spent.
        """
        self._asked.check(where)
        self._budget.check()
