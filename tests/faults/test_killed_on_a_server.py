"""The most telling of it on a real server, with conditional writes and without."""

from __future__ import annotations

import os
import signal

import pytest
from breakpoints import Strike, ended, wait_until_stopped
from nights import DAMAGED, DONE

KILLED = [
    ("server", "pointer", 3),
    ("server", "training commit", 1),
    ("server", "evaluation commit", 3),
    ("server", "condition commit", 1),
    ("server", "second trial", 1),
    ("plain server", "claim", 1),  # of the training
    ("plain server", "claim settled", 5),  # of the condition
    ("plain server", "claim withdrawn", 1),
]
HELD = [
    ("server", "training commit", 1),
    ("server", "condition commit", 1),
    ("plain server", "claim", 5),
    ("plain server", "claim settled", 1),
]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("kind", "step", "time"), KILLED)
def test_nothing_is_lost_torn_or_doubled(prepare, wanted, kind, step, time, moment):
    night = prepare(step, kind)
    assert night.train("first", Strike(step, time, moment, signal.SIGKILL)) == -signal.SIGKILL, night.said("first")
    if step not in DAMAGED:
        assert night.torn() == []
    assert night.train("second") == DONE, night.said("second")
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted


@pytest.mark.parametrize(("kind", "step", "time"), HELD)
def test_one_that_comes_to_life_after_another_has_committed_changes_nothing(prepare, wanted, kind, step, time):
    night = prepare(step, kind)
    held = night.start("first", Strike(step, time, "before", signal.SIGSTOP))
    wait_until_stopped(held)
    assert night.train("second") == DONE, night.said("second")
    commits = night.commits()
    os.kill(held.pid, signal.SIGCONT)
    assert ended(held) == DONE, night.said("first")
    assert night.commits() == commits
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted
