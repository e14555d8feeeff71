"""Long work in the foreground: its progress on stderr, and an orderly end when it is told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Task

Advance = Callable[[str, int, int], None]  # (what is done, how many more are, of how many in all)
EVERY = 5.0  # seconds between plain lines
BYTES = "bytes"  # the stage that counts bytes: shown in MiB, with the rate


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
            told = f"{done}/{total}"
            if stage == BYTES:
                told = f"{_mib(done)} of {_mib(total)}, {_mib(done / max(now - began, 0.001))}/s"
            click.echo(f"{stage}: {told} ({done / total:.0%}), ETA {left:.0f} s", err=True)


def _mib(count: float) -> str:
    return f"{count / 2**20:.1f} MiB"


@contextmanager
def progress() -> Iterator[Advance]:
    """Show the stages of some work while it lasts."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines().advance
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    class Count(ProgressColumn):
        """How much of how much: bytes with their rate, anything else as numbers."""

        whole, size, speed = MofNCompleteColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn()

        def render(self, task: Task) -> RenderableType:
            if task.description != BYTES:
                return self.whole.render(task)
            return Text(" ").join([self.size.render(task), self.speed.render(task)])

    columns = (TextColumn("{task.description}"), BarColumn(), Count(), TextColumn("ETA"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as shown:
        tasks = {}

        def advance(stage: str, count: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total)
            shown.advance(tasks[stage], count)

        yield advance
