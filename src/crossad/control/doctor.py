"""Checks of everything that a run needs, before one is started: all at once, each bounded, each on its own.

A check looks and tells; it never raises for what it looks for. One that crashes or hangs is itself a finding, and the
others stand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from crossad.errors import CrossadError
from crossad.kube.reading import one_line

Verdict = Literal["ok", "warning", "wrong", "left out"]
SECONDS = 60.0
SHORT = 600  # characters of a sentence: servers name every resource in theirs


@dataclass(frozen=True)
class Told:
    """What a check says of one thing, and what to do about it."""

    verdict: Verdict
    sentence: str
    step: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at."""

    area: str  # cluster, store, data, weights, machine
    name: str
    work: Callable[[], Iterable[Told]]
    after: Check | None = None  # where that one is wrong, there is no point in this one


@dataclass(frozen=True)
class Finding:
    """What a check told."""

    area: str
    check: str
    verdict: Verdict
    sentence: str
    next_step: str


def ok(sentence: str) -> Told:
    """It is as it should be."""
    return Told("ok", sentence)


def warning(sentence: str, step: str = "") -> Told:
    """A run can start, and may not come out as wanted."""
    return Told("warning", sentence, step)


def wrong(sentence: str, step: str = "") -> Told:
    """A run would fail, or wait for ever."""
    return Told("wrong", sentence, step)


def left_out(sentence: str, step: str = "") -> Told:
    """It was not looked at, and why."""
    return Told("left out", sentence, step)


def refused(error: CrossadError, where: str = "") -> Told:
    """An error as something that is wrong; `where` is left out of its message."""
    return wrong(one_line(error.message.replace(where, ""), SHORT), one_line(error.hint or ""))


def skipped(area: str, name: str, why: str, step: str = "") -> Check:
    """A check that is not done."""
    return Check(area, name, lambda: [left_out(why, step)])


def examine(checks: Sequence[Check], seconds: float = SECONDS) -> list[Finding]:
    """Do all checks at once and tell what they found, in their order.

    Args:
        checks: what to look at; one comes after the check that it waits for.
        seconds: when to give up on those that have not ended.
    """
    until = time.monotonic() + seconds
    running: dict[int, Future[list[Told]]] = {}
    for check in checks:
        first = None if check.after is None else running[id(check.after)]
        running[id(check)] = future = Future()
        # a thread that nobody waits for: what hangs must not hold the end of the process up
        threading.Thread(target=_work, args=(check, first, future), name="crossad-doctor", daemon=True).start()
    found = []
    for check in checks:
        for told in _outcome(running[id(check)], until, seconds):
            found.append(Finding(check.area, check.name, told.verdict, told.sentence, told.step))
    return found


def _work(check: Check, first: Future[list[Told]] | None, future: Future[list[Told]]) -> None:
    try:
        if first is not None and any(told.verdict == "wrong" for told in first.result()):
            future.set_result([left_out(f"not tried: {check.after.name if check.after else ''} is wrong")])
        else:
            future.set_result(list(check.work()))
    except Exception as error:  # noqa: BLE001 - becomes a finding: the crash of one check hides no other
        future.set_exception(error)


def _outcome(future: Future[list[Told]], until: float, seconds: float) -> list[Told]:
    try:
        error = future.exception(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return [wrong(f"no answer within {seconds:.0f} s", "run again with a longer --timeout; is the way there slow?")]
    if error is None:
        return future.result()
    if isinstance(error, CrossadError):
        return [refused(error)]
    told = f"this check itself failed: {type(error).__name__}: {one_line(str(error))}"
    return [wrong(told, "please report it; what the other checks say stands")]


def count(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """How many findings there are of each verdict."""
    kinds: tuple[Verdict, ...] = ("ok", "warning", "wrong", "left out")
    return {kind: sum(finding.verdict == kind for finding in findings) for kind in kinds}
