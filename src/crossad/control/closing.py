"""Makes it durable that conditions failed for good: their Jobs, and why these failed, are gone one day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from crossad.control.decide import Closing
from crossad.kube.verdicts import State
from crossad.launch.state import RunState
from crossad.results.home import Home
from crossad.results.ledger import Ledger, fault_of

THREADS = 16


def close(home: Home, run: str, closings: Sequence[Closing]) -> list[Closing]:
    """Give conditions their verdicts; an earlier one, such as a cancel that was just given, stands.

    Returns:
        The same closings, in the trainers' words where those left some.
    """
    if not closings:
        return []
    state = RunState(home, run)

    def one(closing: Closing) -> None:
        code = closing.exit_code
        state.close(closing.condition, "failed", closing.reason, hint=closing.hint, exit_code=code)

    told = _in_their_words(home.ledger, closings)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, told))
    return told


def _in_their_words(ledger: Ledger, closings: Sequence[Closing]) -> list[Closing]:
    """What a trainer said of its end, where it goes with its Job's exit code: a code alone names no domain, no key."""
    failed = [one.condition for one in closings if one.job is not None and one.job.verdict.state is State.FAILED]
    names = ledger.failed(failed) if failed else {}
    with ThreadPoolExecutor(THREADS) as pool:
        bodies = dict(zip(names, pool.map(lambda found: ledger.read(found[-1]), names.values()), strict=True))
    return [_worded(closing, bodies.get(closing.condition)) for closing in closings]


def _worded(closing: Closing, body: Mapping[str, Any] | None) -> Closing:
    failure = fault_of(body or {}, closing.exit_code)
    if failure is None:
        return closing
    return replace(
        closing, reason=f"{closing.reason}: {failure.get('message')}", hint=failure.get("hint") or closing.hint
    )
