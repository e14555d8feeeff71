"""Print a log, and go on while somebody writes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
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


def lines(observer: Observer, entry: PlanEntry | None, *, detail: bool, follow: bool) -> Iterator[str]:
    """The lines of the log so far; with `follow`, those to come, until nobody works on it."""
    tail: Tail | None = None
    while True:
        working = follow and _working(observer, entry)  # before reading: what is written last is still read
        path = log_file(observer, entry, detail=detail)
        if path is not None and (tail is None or tail.path != path):
            tail = Tail(path, from_start=True)
        if tail is not None:
            yield from tail.lines()
        if not working:
            return
        time.sleep(POLL_SECONDS)


def far_lines(observer: Observer, entry: PlanEntry, *, detail: bool, follow: bool) -> Iterator[str]:
    """The same of a condition that other machines work on: its attempts' logs one after the other, piece by piece."""
    state, name = observer.home.state, DETAILS if detail else FACTS
    shown: set[str] = set()
    rest: dict[str, bytes] = {}  # attempt -> its unfinished line
    while True:
        working = follow and _working(observer, entry)
        for attempt in attempts_of(state, observer.plan.run, entry.condition_id):
            for piece in state.list(log_folder(attempt, name)):
                if piece.key not in shown:
                    shown.add(piece.key)
                    *whole, rest[attempt] = (rest.get(attempt, b"") + state.get(piece.key)).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in whole)
        if not working:
            yield from (line.decode("utf-8", "replace") for line in rest.values() if line)
            return
        time.sleep(observer.home.look_seconds)


def _working(observer: Observer, entry: PlanEntry | None) -> bool:
    if entry is None:
        return observer.state.holder() is not None
    state = next(one.state for one in observer.all() if one.experiment_id == entry.experiment_id)
    return state in ("running", "waiting")
