"""The visible folder of a condition: one trainer at a time, nothing overwritten."""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from crossad.errors import EnvironmentFault
from crossad.results.layout import ConditionPaths


@contextmanager
def work_in(paths: ConditionPaths) -> Iterator[None]:
    """Hold the folder's lock while working in it; what a finished earlier attempt left there is moved aside first.

    The lock is the kernel's (flock), so it ends with the process, however that ends.

    Raises:
        EnvironmentFault: another process works in this folder.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise EnvironmentFault(
                f"another process ({lock.read().strip() or 'unknown'}) works on this condition: {paths.root}",
                hint="wait for it, or stop it with 'crossad cancel'",
            ) from error
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}")
        lock.flush()
        _set_aside(paths)
        yield


def _set_aside(paths: ConditionPaths) -> None:
    """Move the pictures and predictions of an attempt that wrote a record; logs and records are history and stay."""
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
