"""Two ways to show a run: a live table on a terminal, plain lines anywhere else (nohup, a log, a pipe)."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crossad.launch.board import Board, Row
from crossad.launch.words import aurocs, clock

PLAIN_SECONDS = 60.0  # between two lines of standing in a log
_STYLES = {
    "running": "cyan",
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "waiting": "dim",
}
_ORDER = (
    "running",
    "failed",
    "interrupted",
    "waiting",
    "done",
    "cancelled",
)  # what matters when rows must go


class Screen(Protocol):
    """Where a run shows itself."""

    def __enter__(self) -> Screen:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; the last standing stays visible."""

    def say(self, line: str) -> None:
        """An event."""

    def show(self, board: Board) -> None:
        """The standing now."""


class PlainScreen:
    """A line an event, and one with the standing now and then."""

    def __init__(self, stream: IO[str], *, now: Callable[[], float] = time.monotonic) -> None:
        """Write to `stream`, flushing each line: somebody follows it with tail -f."""
        self._stream = stream
        self._now = now
        self._shown = now()

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def say(self, line: str) -> None:
        """Print it."""
        print(line, file=self._stream, flush=True)

    def show(self, board: Board) -> None:
        """Print the standing, at most once a minute."""
        if self._now() - self._shown < PLAIN_SECONDS:
            return
        self._shown = self._now()
        self.say(f"{board.counts}; ETA {clock(board.eta_seconds)}")
        for row in board.rows:
            if row.state == "running":
                eta = row.progress.eta_seconds if row.progress else None
                self.say(f"  {row.name} on {row.device}: {row.phase}, phase ETA {clock(eta)}")


class LiveScreen:
    """A table that redraws itself below the events. Colour only repeats words; NO_COLOR is obeyed."""

    def __init__(self, console: Console) -> None:
        """Draw on this terminal."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print it above the table, as it is: names may hold brackets, which are no markup."""
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, board: Board) -> None:
        """Redraw."""
        self._live.update(table(board, self._console.height), refresh=True)


def table(board: Board, height: int) -> Table:
    """The standing as a table of at most `height` lines; what does not fit is counted in the caption."""
    room = max(3, height - 6)
    chosen = sorted(board.rows, key=lambda row: _ORDER.index(row.state))[:room]
    rows = [row for row in board.rows if row in chosen]
    hidden = len(board.rows) - len(rows)
    caption = f"{board.counts}; ETA {clock(board.eta_seconds)}" + (f"; {hidden} more not shown" if hidden else "")
    drawn = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, expand=True)
    for title, ratio in (
        ("condition", 4),
        ("state", 2),
        ("device", 1),
        ("phase", 4),
        ("", 2),
        ("ETA", 1),
        ("AUROC", 5),
    ):
        drawn.add_column(title, ratio=ratio, overflow="ellipsis", no_wrap=True)
    for row in rows:
        drawn.add_row(*_cells(row))
    return drawn


def _cells(row: Row) -> list[Text | ProgressBar]:
    one = row.progress
    bar = ProgressBar(total=one.total, completed=one.done) if one is not None and one.total else Text("")
    return [
        Text(row.name),
        Text(row.state, style=_STYLES[row.state]),
        Text(row.device),
        Text(row.phase or row.note),
        bar,
        Text(clock(one.eta_seconds) if one is not None else ""),
        Text(aurocs(row.auroc)),
    ]


def screen(stream: IO[str]) -> Screen:
    """The table where `stream` is a terminal that can redraw, else plain lines."""
    console = Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console)
    return PlainScreen(stream)
