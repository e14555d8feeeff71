"""Long work in the foreground: its progress on stderr, and an orderly end when it is told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

Advance = Callable[[str, int, int], None]  # (what is done, how many more are, of how many in all)
EVERY = 5.0  # seconds between plain lines


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, so that what it began is cleared away."""

    def interrupt(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # once: a second one must not break into the clearing away
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Lines:
    """Plain lines, at most one every few seconds and a stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count the time now."""
        self._clock = clock
        self._done: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._said = clock()

    def advance(self, stage: str, count: int, total: int) -> None:
        """Take note of work done; say so if the last line is old."""
        now = self._clock()
        began = self._began.setdefault(stage, now)
        done = self._done[stage] = self._done.get(stage, 0) + count
        if now - self._said >= EVERY and 0 < done < total:
            self._said = now
            left = (now - began) * (total - done) / done
            click.echo(f"{stage}: {done}/{total} ({done / total:.0%}), ETA {left:.0f} s", err=True)


@contextmanager
def progress() -> Iterator[Advance]:
    """Show the stages of some work while it lasts."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines().advance
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as shown:
        tasks = {}

        def advance(stage: str, count: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total)
            shown.advance(tasks[stage], count)

        yield advance
