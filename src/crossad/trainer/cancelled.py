"""Whether a condition was cancelled, asked now and then while it is worked on: a pod may hold others that were not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from crossad.errors import CrossadError
from crossad.interrupt import Interrupt
from crossad.store.faults import StoreUnreachable

Ask = Callable[[], bool]
Tell = Callable[[str], None]


class OwnStop(Interrupt):
    """The stop request of one condition: its process's, or its own cancellation; a context manager."""

    def __init__(self, process: Interrupt, ask: Ask, every: float, tell: Tell) -> None:
        """Ask for the first time now.

        Args:
            process: the request that stops everything.
            ask: whether the condition was cancelled.
            every: seconds between two questions.
            tell: hears why there are no answers.
        """
        super().__init__()
        self._process, self._ask, self._every, self._tell = process, ask, every, tell
        self._cancelled, self._left = threading.Event(), threading.Event()
        self._look()

    @property
    def cancelled(self) -> bool:
        """Whether the condition was cancelled, as far as is known."""
        return self._cancelled.is_set()

    @property
    def alone(self) -> bool:
        """Whether the condition is to stop and its process is not."""
        return self.cancelled and not self._process.requested

    @property
    def event(self) -> threading.Event:
        """The process's own."""
        return self._process.event

    @property
    def requested(self) -> bool:
        """True once the process or the condition is to stop."""
        return self._process.requested or self.cancelled

    def request(self) -> None:
        """Ask the whole process to stop."""
        self._process.request()

    def __enter__(self) -> OwnStop:
        # a thread that can be left: a store that is down is waited for, and nobody waits for the answer
        threading.Thread(target=self._watch, name="crossad-cancelled", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()

    def _watch(self) -> None:
        while not (self.cancelled or self._left.wait(self._every)):
            self._look()

    def _look(self) -> None:
        try:
            if self._ask():
                self._cancelled.set()
        except StoreUnreachable:
            return  # told by whoever needs an answer; asked again
        except CrossadError as error:
            self._tell(f"whether it was cancelled cannot be read, so it goes on: {error.message}")
            self._left.set()
