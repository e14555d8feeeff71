"""A trainer is killed just before and just after each write to the store; another one, elsewhere, ends its work."""

from __future__ import annotations

import signal

import pytest
from breakpoints import Strike
from nights import DAMAGED, DONE, cases


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("step", "time"), cases("anywhere", "bucket"))
def test_nothing_is_lost_torn_or_doubled(prepare, wanted, step, time, moment):
    night = prepare(step)
    assert night.train("first", Strike(step, time, moment, signal.SIGKILL)) == -signal.SIGKILL, night.said("first")
    if step not in DAMAGED:
        assert night.torn() == []
    night.repair_data()
    assert night.train("second") == DONE, night.said("second")
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted
