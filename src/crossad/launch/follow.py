"""Print a log, and go on while somebody writes it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from crossad.launch.afar import attempts_of
from crossad.launch.journal import Tail
from crossad.launch.standing import Observer
from crossad.results.logship import DETAILS, FACTS, log_folder
from crossad.results.plan import PlanEntry

POLL_SECONDS = 0.3


def log_file(observer: Observer, entry: PlanEntry | None, *, detail: bool) -> Path | None:
    """The log of a condition or of the run; what the process printed where it died without a log."""
    place = observer.paths.condition(entry.name) if entry else observer.paths
    wanted = place.detail_log if detail else place.log
    choices = [wanted, *([observer.state.output(entry.name)] if entry else [])]
    return next((path for path in choices if path.exists()), None)


def lines(
    observer: Observer, entry: PlanEntry | None, *, detail: bool, follow: bool, tail: int | None = None
) -> Iterator[str]:
    """The lines of the log so far, or the last of them; with `follow`, those to come, until nobody works on it."""
    log: Tail | None = None
    while True:
        working = follow and _working(observer, entry)  # before reading: what is written last is still read
        path = log_file(observer, entry, detail=detail)
        if path is not None and (log is None or log.path != path):
            log = Tail(path, from_start=True)
        if log is not None:
            yield from _last(log.lines(), tail)
        if not working:
            return
        tail = None
        time.sleep(POLL_SECONDS)


def far_lines(
    observer: Observer, entry: PlanEntry, *, detail: bool, follow: bool, tail: int | None = None
) -> Iterator[str]:
    """The same of a condition that other machines work on: its attempts' logs one after the other, piece by piece."""
    pieces = Pieces(observer, entry, DETAILS if detail else FACTS)
    while True:
        working = follow and _working(observer, entry)
        new = pieces.lines()
        yield from _last(new if working else chain(new, pieces.rest()), tail)
        if not working:
            return
        tail = None
        time.sleep(observer.home.look_seconds)


class Pieces:
    """The pieces of a condition's log in a store: each is read once."""

    def __init__(self, observer: Observer, entry: PlanEntry, name: str) -> None:
        """Name the condition and the log."""
        self._state, self._run, self._one, self._name = observer.home.state, observer.plan.run, entry.condition_id, name
        self._shown: set[str] = set()
        self._rest: dict[str, bytes] = {}  # attempt -> its unfinished line

    def lines(self) -> Iterator[str]:
        """The whole lines that are new, attempt after attempt."""
        for attempt in attempts_of(self._state, self._run, self._one):
            for piece in self._state.list(log_folder(attempt, self._name)):
                if piece.key not in self._shown:
                    self._shown.add(piece.key)
                    text = self._rest.get(attempt, b"") + self._state.get(piece.key)
                    *whole, self._rest[attempt] = text.split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in whole)

    def rest(self) -> Iterator[str]:
        """The lines that were never finished."""
        yield from (line.decode("utf-8", "replace") for line in self._rest.values() if line)


def _last(found: Iterable[str], tail: int | None) -> Iterable[str]:
    return found if tail is None else deque(found, maxlen=tail)


def _working(observer: Observer, entry: PlanEntry | None) -> bool:
    if entry is None:
        return observer.state.holder() is not None
    state = next(one.state for one in observer.all() if one.experiment_id == entry.experiment_id)
    return state in ("running", "waiting")
