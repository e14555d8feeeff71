"""Checks of everything that a run needs, before one is started: all at once, each bounded, each on its own.

A check looks and tells; it never raises for what it looks for. One that crashes or hangs is itself a finding, and the
others stand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
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
    running: dict[int, _Running] = {}
    for check in checks:
        running[id(check)] = _Running(check, running[id(check.after)] if check.after else None)
    for one in running.values():
        # a thread that nobody waits for: what hangs must not hold the end of the process up
        threading.Thread(target=one.run, name="crossad-doctor", daemon=True).start()
    found = []
    for check in checks:
        for told in running[id(check)].wait(until, seconds):
            found.append(Finding(check.area, check.name, told.verdict, told.sentence, told.step))
    return found


class _Running:
    """A check in its thread: what it told so far, and whether that is all."""

    def __init__(self, check: Check, first: _Running | None) -> None:
        self._check, self._first = check, first
        self._told: list[Told] = []
        self._tried = first is None
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            self._tried = self._first is None or self._first.useful()
            if self._tried:
                for told in self._check.work():
                    self._told.append(told)
            elif self._first is not None:
                self._told.append(left_out(f"not tried: see {self._first.name}"))
        except CrossadError as error:
            self._told.append(refused(error))
        except Exception as error:  # noqa: BLE001 - becomes a finding: the crash of one check hides no other
            why = f"this check itself failed: {type(error).__name__}: {one_line(str(error))}"
            self._told.append(wrong(why, "please report it; what the other checks say stands"))
        finally:
            self._ended.set()

    @property
    def name(self) -> str:
        return self._check.name

    def useful(self) -> bool:
        """Whether there is a point in what comes after; known at its end."""
        self._ended.wait()
        return self._tried and all(told.verdict != "wrong" for told in self._told)

    def wait(self, until: float, seconds: float) -> list[Told]:
        ended, told = self._ended.wait(max(0.0, until - time.monotonic())), list(self._told)
        if not ended:
            step = "run again with a longer --timeout; is the way there slow?"
            told.append(wrong(f"no answer within {seconds:.0f} s", step))
        return told


def count(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """How many findings there are of each verdict."""
    kinds: tuple[Verdict, ...] = ("ok", "warning", "wrong", "left out")
    return {kind: sum(finding.verdict == kind for finding in findings) for kind in kinds}
