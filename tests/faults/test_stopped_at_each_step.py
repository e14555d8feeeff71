"""A trainer is asked to end at each write to the store, or held there until another one has committed."""

from __future__ import annotations

import os
import signal

import pytest
from breakpoints import Strike, ended, wait_until_stopped
from nights import DONE, FAILING, INTERRUPTED, cases


@pytest.mark.parametrize(("step", "time"), cases("anywhere", "bucket"))
def test_sigterm_ends_with_75_or_with_the_commit(prepare, wanted, step, time):
    night = prepare(step)
    code = night.train("first", Strike(step, time, "before", signal.SIGTERM))
    assert night.struck("first"), night.said("first")
    assert code == (DONE if night.done() else INTERRUPTED), night.said("first")
    assert night.failed() == (step in FAILING), "an interruption says nothing about the condition"
    night.repair_data()
    assert night.train("second") == DONE, night.said("second")
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted


@pytest.mark.parametrize(("step", "time"), cases("anywhere", "bucket"))
def test_one_that_comes_to_life_after_another_has_committed_changes_nothing(prepare, wanted, step, time):
    night = prepare(step)
    held = night.start("first", Strike(step, time, "before", signal.SIGSTOP))
    wait_until_stopped(held)
    night.repair_data()
    assert night.train("second") == DONE, night.said("second")
    assert night.fetched() == wanted
    commits = night.commits()
    os.kill(held.pid, signal.SIGCONT)
    assert ended(held) == DONE, night.said("first")
    if step != "commit withdrawn":  # past its last look: what it removes there is committed again, from the same parts
        assert night.commits() == commits
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted
