"""Threads that one can leave: a call that hangs keeps neither Ctrl-C nor the first error waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
GRACE = 1.0  # seconds that threads get to end what they do, once nobody waits for it any more
AHEAD = 2  # things a thread that are asked for before results are taken: no thread waits, and memory is bounded
_Ended = tuple[tuple[T, R] | None, BaseException | None]


@contextmanager
def spread(function: Callable[[T], R], things: Iterable[T], threads: int) -> Iterator[Iterator[tuple[T, R]]]:
    """Call a function for each of some things, in threads.

    Args:
        function: what is to be called.
        things: its arguments; asked for a few at a time, by the thread that takes the results and by no other.
        threads: calls at once.

    Yields:
        An iterator of (thing, value) as the calls end; it raises the first error of a call at once, and no other call
        begins after that.
    """
    asked, ended, stop = SimpleQueue[list[T]](), SimpleQueue[_Ended[T, R]](), threading.Event()
    crew: list[threading.Thread] = []

    def work() -> None:
        while (found := asked.get()) and not stop.is_set():
            try:
                ended.put(((found[0], function(found[0])), None))
            except BaseException as error:  # noqa: BLE001 - raised again, in the thread of whoever asked
                stop.set()
                ended.put((None, error))

    def values() -> Iterator[tuple[T, R]]:
        open_ = 0
        for thing in things:
            if len(crew) < threads:
                crew.append(threading.Thread(target=work, name="crossad-crew", daemon=True))
                crew[-1].start()
            asked.put([thing])
            open_ += 1
            while open_ >= AHEAD * threads or not ended.empty():
                yield _value(ended)
                open_ -= 1
        for _ in range(open_):
            yield _value(ended)

    try:
        yield values()
    finally:
        stop.set()
        for _ in crew:
            asked.put([])
        until = time.monotonic() + GRACE
        for thread in crew:
            thread.join(max(0.0, until - time.monotonic()))


def begin(function: Callable[[], R]) -> Callable[[], R]:
    """Begin a call in a thread of its own; what is returned waits for its value, or raises its error."""
    ended = SimpleQueue[_Ended[None, R]]()

    def work() -> None:
        try:
            ended.put(((None, function()), None))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread of whoever waits
            ended.put((None, error))

    threading.Thread(target=work, name="crossad-crew", daemon=True).start()
    return lambda: _value(ended)[1]


def _value(ended: SimpleQueue[_Ended[T, R]]) -> tuple[T, R]:
    value, error = ended.get()
    if error is not None:
        raise error
    assert value is not None  # noqa: S101 - one of the two is there
    return value
