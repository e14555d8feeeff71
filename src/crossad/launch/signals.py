"""Ctrl-C, SIGTERM and a closed terminal as one polite request that a loop looks at."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

# set with the first signal: ends a wait for a store that does not answer, in which no loop looks at the count
STOPPED = threading.Event()


class StopRequest:
    """Counts stop signals while it is entered. Once: save and end. Twice: end now."""

    def __init__(self) -> None:
        """Begin with no request."""
        self.count = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequest:
        STOPPED.clear()
        if threading.current_thread() is not threading.main_thread():
            return self  # signals belong to the main thread; a caller elsewhere raises the count itself
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: the terminal may go
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal.signal itself returned

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        STOPPED.set()
