"""Makes it durable that conditions failed for good: their Jobs, and why these failed, are gone one day."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from crossad.control.decide import Closing
from crossad.launch.state import RunState
from crossad.results.home import Home

THREADS = 16


def close(home: Home, run: str, closings: Sequence[Closing]) -> None:
    """Give conditions their verdicts; an earlier one, such as a cancel that was just given, stands."""
    state = RunState(home, run)

    def one(closing: Closing) -> None:
        code = closing.exit_code
        state.close(closing.condition, "failed", closing.reason, hint=closing.hint, exit_code=code)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, closings))
