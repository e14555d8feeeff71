"""Threads that one can leave: a transfer that hangs keeps neither Ctrl-C nor the first error waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
GRACE = 1.0  # seconds that threads get to end what they do, once nobody waits for it any more
_Ended = tuple[tuple[T, R] | None, BaseException | None]


@contextmanager
def spread(function: Callable[[T], R], things: Iterable[T], threads: int) -> Iterator[Iterator[tuple[T, R]]]:
    """Call a function for each of some things, in threads.

    Args:
        function: what is to be called.
        things: its arguments; asked for one by one, as threads become free.
        threads: calls at once.

    Yields:
        An iterator of (thing, value) as the calls end; it raises the first error of a call at once.
    """
    source, taking, stop = iter(things), threading.Lock(), threading.Event()
    ended: SimpleQueue[_Ended[T, R]] = SimpleQueue()

    def take() -> list[T]:
        with taking:
            return [] if stop.is_set() else list(islice(source, 1))

    def work() -> None:
        try:
            while found := take():
                ended.put(((found[0], function(found[0])), None))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread of whoever asked
            ended.put((None, error))
        else:
            ended.put((None, None))

    def values() -> Iterator[tuple[T, R]]:
        running = len(crew)
        while running:
            value, error = ended.get()
            if error is not None:
                raise error
            if value is None:
                running -= 1
            else:
                yield value

    crew = [threading.Thread(target=work, name="crossad-fetch", daemon=True) for _ in range(threads)]
    for thread in crew:
        thread.start()
    try:
        yield values()
    finally:
        stop.set()
        until = time.monotonic() + GRACE
        for thread in crew:
            thread.join(max(0.0, until - time.monotonic()))
