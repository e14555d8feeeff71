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

    def one(how: Closing) -> None:
        state.close(how.condition, "failed", how.reason, hint=how.hint, exit_code=how.exit_code, lost=how.lost)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, closings))
