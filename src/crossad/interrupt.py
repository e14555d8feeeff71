"""SIGTERM and Ctrl-C, served by a thread of their own.

The main thread may sit in a long native call (a coreset pick, a convolution) where no Python handler would run. So the
signals are blocked in every thread and a waiter takes them: it raises a flag that the loop reads at safe points, and
if none comes in time it ends the process with 75 itself, while the platform's grace period still has a margin.
"""

from __future__ import annotations

import os
import signal
import threading
from types import TracebackType

from crossad.errors import InterruptedRun

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
LAST = signal.SIGURG  # ignored by default; `__exit__` sends it to the waiter, and nobody else does
CONTINUES = "the same command continues from here"


class Interrupt:
    """A stop request. Without `serve` it is a flag that nobody raises (the Python call in a notebook)."""

    def __init__(self, grace_seconds: float = 25.0) -> None:
        """Take the seconds that a safe point may take after a signal, the margin already subtracted."""
        self._grace = grace_seconds
        self._requested = threading.Event()
        self._finished = threading.Event()
        self._waiter: threading.Thread | None = None

    @property
    def event(self) -> threading.Event:
        """Set once somebody asked this process to stop; for waits that must end then."""
        return self._requested

    @property
    def requested(self) -> bool:
        """True once somebody asked this process to stop."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ask to stop, as a signal would."""
        self._requested.set()

    def check(self, where: str = "") -> None:
        """A safe point with nothing to save, or nothing more.

        Args:
            where: " at step 3 of 8", for the message.

        Raises:
            InterruptedRun: a stop was requested.
        """
        if self.requested:
            raise InterruptedRun(f"stopped from outside{where}; progress is saved", hint=CONTINUES)

    def serve(self) -> Interrupt:
        """Block the signals (call it before libraries start threads: they inherit the mask) and start the waiter."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, LAST})
        self._waiter = threading.Thread(target=self._wait, name="crossad-signals", daemon=True)
        self._waiter.start()
        return self

    def __enter__(self) -> Interrupt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        if self._waiter is not None:
            signal.pthread_kill(self._waiter.ident or 0, LAST)
            self._waiter.join()
            while signal.sigtimedwait(SIGNALS, 0) is not None:  # a second signal must not kill what is ending well
                self._requested.set()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, LAST})
        if self.requested and isinstance(error, Exception) and not isinstance(error, InterruptedRun):
            raise InterruptedRun(
                f"stopped from outside; on the way out: {type(error).__name__}: {error}", hint=CONTINUES
            ) from error

    def _wait(self) -> None:
        """Take signals until `__exit__` sends the last one.

        Without a time-out: in a process that was held meanwhile (SIGSTOP, SIGCONT), sigtimedwait of CPython 3.11 tells
        of a signal that never came.
        """
        while signal.sigwaitinfo({*SIGNALS, LAST}).si_signo != LAST:
            self._requested.set()
            if not self._finished.wait(self._grace):
                os._exit(InterruptedRun.exit_code)
