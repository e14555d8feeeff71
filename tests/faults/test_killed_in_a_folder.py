"""The same where the store is a results folder: its commits, and the files of finished work that lie in it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from breakpoints import Strike, ended, wait_until_stopped
from nights import DAMAGED, DONE, FAILING, INTERRUPTED, cases

EVALUATION = "*/.crossad/evaluations/*"
FILES = [
    ("*/state/*.safetensors", 1),
    ("*/state/*.safetensors", 3),
    ("*/checkpoints/weights-*.safetensors", 1),
    (f"{EVALUATION}/predictions.parquet", 1),
    (f"{EVALUATION}/predictions.parquet", 3),
    (f"{EVALUATION}/predictions.csv", 1),
    ("*/visualizations/*.jpg", 1),
    ("*/tiny_night/predictions.parquet", 1),
    ("*/tiny_night/predictions.csv", 1),
    ("*/result_*.json", 1),
    ("*/manifest.json", 1),
]


def ends_well(night, wanted) -> None:
    """Another trainer does the rest, and nothing shows that one was disturbed."""
    assert night.train("pod") == DONE, night.said("pod")
    assert (night.torn(), night.doubled()) == ([], [])
    assert night.fetched() == wanted


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("step", "time"), cases("anywhere"))
def test_killed_at_a_write_to_the_ledger(prepare, wanted, step, time, moment):
    night = prepare(step, "folder")
    assert night.train("pod", Strike(step, time, moment, signal.SIGKILL)) == -signal.SIGKILL, night.said("pod")
    if step not in DAMAGED:
        assert night.torn() == []
    night.repair_data()
    ends_well(night, wanted)


@pytest.mark.parametrize(("file", "time"), FILES)
def test_killed_before_a_file_is_in_its_place(prepare, wanted, file, time):
    night = prepare("nothing", "folder")
    strike = Strike("", time, "before", signal.SIGKILL, file)
    assert night.train("pod", strike) == -signal.SIGKILL, night.said("pod")
    assert night.torn() == []
    ends_well(night, wanted)


@pytest.mark.parametrize(("step", "time"), cases("anywhere"))
def test_sigterm_ends_with_75_or_with_the_commit(prepare, wanted, step, time):
    night = prepare(step, "folder")
    code = night.train("pod", Strike(step, time, "before", signal.SIGTERM))
    assert code == (DONE if night.done() else INTERRUPTED), night.said("pod")
    assert night.failed() == (step in FAILING)
    night.repair_data()
    ends_well(night, wanted)


@pytest.mark.parametrize(("step", "time"), cases("anywhere"))
def test_one_that_comes_to_life_after_another_run_has_committed_changes_nothing(prepare, wanted, step, time):
    """In its own visible folder a second trainer is refused; another run of the same condition is not."""
    night = prepare(step, "folder")
    other = replace(night, run="other")
    other.plan()
    held = night.start("pod", Strike(step, time, "before", signal.SIGSTOP))
    wait_until_stopped(held)
    night.repair_data()
    assert other.train("pod") == DONE, night.said("pod")
    commits = night.commits()
    os.kill(held.pid, signal.SIGCONT)
    assert ended(held) == DONE, night.said("pod")
    if step != "commit withdrawn":  # past its last look: what it removes there is committed again, from the same parts
        assert night.commits() == commits
    assert (night.torn(), night.doubled()) == ([], [])
    # weights of another run's training stay where they are in a folder, and `torn` has looked at them
    assert night.fetched() | {"weights": wanted["weights"]} == wanted
