"""What attempts at a condition may cost together, counted from what they left in a store."""

from __future__ import annotations

import json
import os

import pytest

from crossad.results.beacons import beacon_key, generation_of, lit, read_beacon
from crossad.results.bounds import BoundReached, Bounds, Budget, Spent, retry_command, spent_before
from crossad.results.layout import retries_key
from crossad.results.progress import Progress
from crossad.store.folder import FolderStore

RUN, CONDITION = "night1", "c1"


class Past:
    """A store with attempts of earlier hours in it."""

    def __init__(self, folder):
        self.folder, self.store = folder, FolderStore(folder)

    def attempt(self, name, seconds, phase="interrupted", run=RUN):
        """One that worked so long."""
        lamp = lit(self.store, run, CONDITION, name, 30.0)
        now = lamp.began.timestamp()
        lamp.light(Progress(phase=phase, started=now, updated=now, pid=1))
        ended = now + seconds
        os.utime(self.folder / lamp.key, (ended, ended))

    def retry(self):
        number = generation_of(self.store, RUN, CONDITION)
        self.store.create_once(f"{retries_key(RUN, CONDITION)}{number:04d}.json", b"{}")

    def spent(self):
        """What an attempt finds that begins now; it is gone again afterwards."""
        lamp = lit(self.store, RUN, CONDITION, "mine", 30.0)
        found = spent_before(self.store, RUN, CONDITION, lamp)
        self.store.delete(lamp.key)
        return found


@pytest.fixture
def past(tmp_path):
    return Past(tmp_path / "state")


def test_a_beacon_is_lit_when_an_attempt_begins_and_says_by_the_store_s_clock_when_that_was(past):
    before = past.store.now()
    lamp = lit(past.store, RUN, CONDITION, "one", 30.0)
    found = read_beacon(past.store, beacon_key(RUN, CONDITION, "one"))
    assert (found.progress.phase, found.generation, found.every) == ("starting", 1, 30.0)
    assert before <= found.began == lamp.began
    lamp.light(Progress(phase="fitting", started=0, updated=1, pid=1))
    assert read_beacon(past.store, lamp.key).began == found.began


def test_an_attempt_that_was_killed_at_once_counts_as_one_of_no_time(past):
    lit(past.store, RUN, CONDITION, "killed", 30.0)
    found = past.spent()
    assert found.preemptions == 1
    assert found.seconds < 60


def test_time_is_that_of_all_others_and_interruptions_are_those_cut_off(past):
    past.attempt("stopped", 100)
    past.attempt("silent", 20, phase="fitting")
    past.attempt("crashed", 7, phase="failed")
    past.attempt("partial", 3, phase="done")
    found = past.spent()
    assert found.seconds == pytest.approx(130, abs=5)
    assert found.preemptions == 2


def test_a_retry_and_another_run_count_anew(past):
    past.attempt("one", 100)
    past.attempt("elsewhere", 100, run="night2")
    assert past.spent().preemptions == 1
    past.retry()
    assert generation_of(past.store, RUN, CONDITION) == 2
    assert past.spent() == Spent(0.0, 0)
    past.attempt("two", 50)
    assert past.spent().preemptions == 1


def test_a_beacon_of_an_earlier_version_counts_as_an_interruption_without_time(past):
    old = {"attempt": "old", "every": 30, "progress": {"phase": "fitting", "started": 0, "updated": 9, "pid": 1}}
    past.store.put(beacon_key(RUN, CONDITION, "old"), json.dumps(old).encode())
    assert past.spent() == Spent(0.0, 1)


def test_a_clock_that_was_set_back_costs_nothing(past):
    past.attempt("one", -3600)
    assert past.spent().seconds == 0


def budget(spent, **bounds):
    clock = [0.0]
    return Budget(Bounds(**bounds), spent, "crossad retry night1 c1", lambda: clock[0]), clock


def test_without_bounds_nothing_is_ever_reached():
    assert not Bounds().given
    found, clock = budget(Spent(1e9, 10**6))
    clock[0] = 1e9
    assert not found.reached
    found.check()


def test_as_many_interruptions_as_allowed_and_no_more():
    budget(Spent(preemptions=3), max_preemptions=3)[0].check()
    found, _ = budget(Spent(preemptions=4), max_preemptions=3)
    assert found.reached
    with pytest.raises(BoundReached) as caught:
        found.check()
    assert caught.value.exit_code == 70
    assert caught.value.message == ("max_preemptions: attempts were cut off 4 times, allowed 3; progress is saved")
    for word in ("--max-preemptions", "job.maxPreemptions", "crossad retry night1 c1"):
        assert word in caught.value.hint


def test_time_runs_on_while_an_attempt_works():
    found, clock = budget(Spent(seconds=50.0), max_runtime=60.0)
    clock[0] = 9.9
    found.check()
    clock[0] = 10.0
    assert found.reached
    with pytest.raises(BoundReached, match=r"max_runtime: attempts have worked for 60 s, allowed 60 s") as caught:
        found.check()
    for word in ("--max-runtime", "job.maxRuntimeSeconds"):
        assert word in caught.value.hint


def test_the_command_that_counts_anew_can_be_pasted():
    assert retry_command("night1", "to B; rm -r") == "crossad retry night1 'to B; rm -r'"
