"""The visible folder of a condition: one trainer at a time, the others wait for it, nothing overwritten."""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from crossad.interrupt import Interrupt
from crossad.results.layout import ConditionPaths

ASK_SECONDS = 0.25  # between two tries to take a lock that another trainer holds


@contextmanager
def work_in(paths: ConditionPaths, stop: Interrupt, *, echo: bool) -> Iterator[bool]:
    """Hold the folder's lock while working in it; another trainer that holds it is waited for.

    The lock is the kernel's (flock), so it ends with the process, however that ends.

    Args:
        paths: the folder.
        stop: ends the waiting.
        echo: say on stderr whom we wait for.

    Yields:
        Whether another trainer was waited for: it may have finished the work.

    Raises:
        InterruptedRun: a stop was requested while another trainer worked here.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("a+") as lock:
        waited = not _taken(lock)
        if waited and echo:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            sys.stderr.write(
                f"another trainer ({holder}) works on this condition in {paths.root}: waiting for its end\n"
            )
        while waited and not _taken(lock):
            stop.check(" while another trainer worked on this condition")
            stop.event.wait(ASK_SECONDS)
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}")
        lock.flush()
        yield waited


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def set_aside(paths: ConditionPaths) -> None:
    """Move pictures and predictions of an attempt that wrote a record; logs and records are history and stay."""
    if not paths.manifest.exists():
        return
    aside = next(
        folder for number in itertools.count(1) if not (folder := paths.root / f"superseded-{number}").exists()
    )
    aside.mkdir()
    pictures = paths.tensorboard / "visualizations"
    for path in (pictures, paths.predictions, paths.predictions.with_suffix(".csv"), paths.manifest):
        if path.exists():
            path.rename(aside / path.name)
