"""The lot of a condition, from what a store and a cluster tell of it."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from crossad.control.census import Fate, Grace, Lot, census, counts
from crossad.control.jobs import SeenJob
from crossad.kube import endings
from crossad.kube.verdicts import Cause, State, Verdict
from crossad.launch import state as closed
from crossad.launch.afar import Sighting, View
from crossad.results.beacons import Beacon
from crossad.results.plan import Plan, PlanEntry
from crossad.results.progress import Progress

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GRACE = Grace(NOW - timedelta(hours=1), timedelta(minutes=10))
EMPTY = View({}, {}, {}, {}, {})
FAILED = Verdict(State.FAILED, Cause.EXIT, endings.by_code(65).sentence, endings.RETRY, exit_code=65)
RUNS = Verdict(State.RUNNING, Cause.NONE, "it runs on node n1", node="n1")
ENDED = Verdict(State.COMPLETE, Cause.NONE, "its pod ended with 0", exit_code=0)


def plan(*names: str) -> Plan:
    entries = tuple(
        PlanEntry(experiment_id=number, name=name, config={}, condition_id=f"id-{name}", training_key="t")
        for number, name in enumerate(names)
    )
    return Plan(run="night 1", suite="s", created="2026-11-25T00:00:00Z", data="d", conditions=entries)


def job(verdict: Verdict, *names: str, age: float = 3600, **more: Any) -> SeenJob:
    told = {"generation": 1, "spec": "s", "leaving": False, "failed": 0, "pod": None, "training": "t", **more}
    name = f"job-{'-'.join(names)}-{verdict.state}-{told['generation']}"
    ids = tuple(f"id-{one}" for one in names)
    return SeenJob(name=name, uid=name, conditions=ids, created=NOW - timedelta(seconds=age), verdict=verdict, **told)


def sighting(working: bool) -> Sighting:
    now = clock.time()
    beacon = Beacon(attempt="a", every=30, progress=Progress(phase="fitting", started=now, updated=now, pid=1))
    return Sighting(beacon, NOW, 1, working, 5.0)


def failure(code: int, message: str = "domain B has no fault images", hint: str | None = "add some") -> dict[str, Any]:
    return {"failures": [{"kind": "DataError", "message": message, "hint": hint, "exit_code": code}], "record": None}


def verdict(kind: closed.VerdictKind, **more: Any) -> closed.Verdict:
    return closed.Verdict(kind=kind, reason="somebody said so", generation=1, at="2026-11-25T00:00:00Z", **more)


def fate(view: View = EMPTY, *jobs: SeenJob, grace: Grace = GRACE) -> Fate:
    """The fate of the condition "a", the only one of its plan."""
    (found,) = census(plan("a"), view, jobs, NOW, grace)
    return found


def test_a_commit_decides_whatever_else_is_told() -> None:
    view = View({"id-a": {""}}, {"id-a": verdict("failed")}, {}, {"id-a": failure(65)}, {})
    for told in ((), (job(FAILED, "a"),), (job(RUNS, "a"),)):
        assert fate(view, *told).lot is Lot.COMMITTED


def test_a_verdict_decides_over_jobs_and_trainers() -> None:
    told = replace(EMPTY, sightings={"id-a": sighting(True)})
    found = fate(replace(told, verdicts={"id-a": verdict("cancelled")}), job(RUNS, "a"))
    assert (found.lot, found.reason, found.next_step) == (
        Lot.CANCELLED, "somebody said so", "crossad retry 'night 1' a",
    )  # fmt: skip
    found = fate(replace(told, verdicts={"id-a": verdict("failed", hint="buy a GPU")}), job(RUNS, "a"))
    assert (found.lot, found.next_step) == (Lot.FAILED, "buy a GPU; then crossad retry 'night 1' a")


@pytest.mark.parametrize("state", [state for state in State if state not in (State.COMPLETE, State.FAILED)])
def test_a_job_that_lives_is_waited_for_with_the_clusters_reason(state: State) -> None:
    found = fate(EMPTY, job(Verdict(state, Cause.LABEL, "no node has it", "label one"), "a"))
    assert found.open
    assert (found.lot is Lot.RUNNING) == (state in (State.STARTING, State.RUNNING, State.ENDING))
    assert (found.reason, found.next_step) == ("no node has it", "label one")
    assert found.job is not None


@pytest.mark.parametrize("code", [64, 65, 66, 70, 78, 1, 137])
def test_a_failed_job_is_told_by_its_exit_code_and_in_the_trainers_words(code: int) -> None:
    seen = replace(FAILED, sentence=endings.by_code(code).sentence, exit_code=code)
    alone = fate(EMPTY, job(seen, "a"))
    assert (alone.lot, alone.reason) == (Lot.FAILED, seen.sentence)
    again = "read its log (crossad logs 'night 1' a), remove the cause; then crossad retry 'night 1' a"
    assert alone.next_step == again, "as status says it: the commands name the condition"
    both = fate(replace(EMPTY, failures={"id-a": failure(code)}), job(seen, "a"))
    assert both.reason == f"{seen.sentence}: domain B has no fault images"
    assert both.next_step == "add some; then crossad retry 'night 1' a"


def test_a_failure_with_another_exit_code_does_not_explain_a_failed_job() -> None:
    found = fate(replace(EMPTY, failures={"id-a": failure(70, "out of memory")}), job(FAILED, "a"))
    assert "out of memory" not in found.reason


@pytest.mark.parametrize("left", [{}, {"id-a": {"error": {"message": "not a commit"}}}])
def test_a_failed_job_without_an_exit_code_is_explained_by_no_failure_that_has_none(left: dict[str, Any]) -> None:
    """Its pods are gone, and with them the code."""
    found = fate(replace(EMPTY, failures=left), job(replace(FAILED, exit_code=None), "a"))
    assert (found.lot, found.reason) == (Lot.FAILED, FAILED.sentence)


def test_complete_without_a_commit_is_lost() -> None:
    found = fate(EMPTY, job(ENDED, "a"))
    assert found.lot is Lot.LOST
    assert "ended with 0 and left no commit" in found.reason
    assert "crossad retry 'night 1' a" in found.next_step


def test_complete_without_a_commit_is_not_over_while_another_trainer_is_heard_of() -> None:
    assert fate(replace(EMPTY, sightings={"id-a": sighting(True)}), job(ENDED, "a")).lot is Lot.RUNNING
    assert fate(replace(EMPTY, sightings={"id-a": sighting(False)}), job(ENDED, "a")).lot is Lot.LOST


def test_a_failed_job_is_failed_though_its_last_beacon_is_fresh() -> None:
    """A trainer that is killed tells nothing more; its last word still looks alive for a minute."""
    assert fate(replace(EMPTY, sightings={"id-a": sighting(True)}), job(FAILED, "a")).lot is Lot.FAILED


@pytest.mark.parametrize(("waited", "newest", "lot"), [
    (5, None, Lot.WAITING), (60, None, Lot.LOST),
    (60, 5, Lot.WAITING), (60, 60, Lot.LOST), (5, 60, Lot.WAITING), (5, 5, Lot.WAITING),
])  # fmt: skip
def test_a_condition_without_a_job_is_lost_once_the_grace_is_over(waited: int, newest: int | None, lot: Lot) -> None:
    """Minutes since the waiting began and since the newest Job, of another condition, was created."""
    others = [job(ENDED, "b", age=60 * newest)] if newest is not None else []
    grace = Grace(NOW - timedelta(minutes=waited), timedelta(minutes=10))
    found = fate(EMPTY, *others, grace=grace)
    assert found.lot is lot
    assert found.job is None
    if lot is Lot.LOST:
        assert "kubectl apply" in found.next_step


def test_a_trainer_without_a_job_counts_as_running_until_it_is_silent() -> None:
    found = fate(replace(EMPTY, sightings={"id-a": sighting(True)}))
    assert (found.lot, found.reason) == (Lot.RUNNING, "its Job is gone, and its trainer still tells of it")
    found = fate(replace(EMPTY, sightings={"id-a": sighting(False)}))
    assert (found.lot, found.reason) == (Lot.LOST, "its Job is gone, and its trainer is not heard of any more")


def test_a_job_that_was_removed_after_it_failed_for_good_is_still_failed() -> None:
    found = fate(replace(EMPTY, failures={"id-a": failure(66, "no domain C")}))
    assert (found.lot, found.reason) == (Lot.FAILED, "its Job is gone; no domain C")
    crashed = fate(replace(EMPTY, failures={"id-a": failure(1, "KeyError")}))
    assert crashed.lot is Lot.LOST, "a crash is tried again, and there is nobody to do so"


def test_a_condition_of_a_shared_job_is_judged_by_that_job() -> None:
    view = replace(EMPTY, committed={"id-a": {""}})
    lots = [one.lot for one in census(plan("a", "b"), view, [job(FAILED, "a", "b")], NOW, GRACE)]
    assert lots == [Lot.COMMITTED, Lot.FAILED]
    lots = [one.lot for one in census(plan("a", "b"), view, [job(RUNS, "a", "b")], NOW, GRACE)]
    assert lots == [Lot.COMMITTED, Lot.RUNNING]


def test_a_job_that_is_over_does_not_speak_after_a_retry() -> None:
    view = replace(EMPTY, retries={"id-a": 1})
    assert fate(view, job(FAILED, "a", age=5)).lot is Lot.WAITING
    assert fate(view, job(FAILED, "a")).lot is Lot.LOST
    assert fate(view, job(ENDED, "a", generation=2), job(FAILED, "a", age=5)).lot is Lot.LOST
    found = fate(view, job(FAILED, "a", age=5), job(RUNS, "a", generation=2))
    assert (found.lot, found.job) == (Lot.RUNNING, job(RUNS, "a", generation=2))
    old = replace(view, failures={"id-a": failure(65)})
    assert fate(old).lot is Lot.LOST, "the failure is the first generation's"


def test_a_job_that_lives_speaks_even_after_a_retry() -> None:
    """It may commit yet, and nobody makes a second one beside it."""
    assert fate(replace(EMPTY, retries={"id-a": 1}), job(RUNS, "a")).lot is Lot.RUNNING


def test_a_retry_of_one_condition_makes_the_jobs_of_its_training_history() -> None:
    """As the controller counts: a new Job whenever one of those that share a training is tried again."""
    told = [job(FAILED, "a", "b"), job(FAILED, "b", generation=2, age=100)]
    lots = [one.lot for one in census(plan("a", "b"), replace(EMPTY, retries={"id-b": 1}), told, NOW, GRACE)]
    assert lots == [Lot.WAITING, Lot.FAILED]
    lots = [one.lot for one in census(plan("a", "b"), replace(EMPTY, retries={"id-a": 1, "id-b": 1}), told, NOW, GRACE)]
    assert lots == [Lot.WAITING, Lot.WAITING]


def test_of_two_jobs_of_a_generation_the_one_that_lives_speaks() -> None:
    for one, other in product((10, 20), repeat=2):
        assert fate(EMPTY, job(FAILED, "a", age=one), job(RUNS, "a", age=other)).lot is Lot.RUNNING
    assert fate(EMPTY, job(FAILED, "a", age=10), job(ENDED, "a", age=20)).lot is Lot.FAILED


def test_without_a_look_at_jobs_the_store_alone_is_believed_and_nothing_is_lost() -> None:
    view = View(
        {"id-done": {""}}, {"id-off": verdict("cancelled")}, {"id-runs": sighting(True), "id-mute": sighting(False)},
        {"id-bad": failure(65)}, {},
    )  # fmt: skip
    found = census(plan("done", "off", "runs", "bad", "mute", "new"), view, None, NOW, GRACE)
    assert [one.lot for one in found] == [
        Lot.COMMITTED, Lot.CANCELLED, Lot.RUNNING, Lot.FAILED, Lot.WAITING, Lot.WAITING,
    ]  # fmt: skip
    assert found[3].reason == "domain B has no fault images"


def test_whatever_is_told_every_condition_has_one_lot_and_a_reason() -> None:
    """All combinations of what can be told of a condition: none is left without an answer."""
    sentences = [Verdict(state, Cause.NONE, f"it is {state}") for state in State]
    jobs: list[tuple[SeenJob, ...] | None] = [None, (), *((job(seen, "a"),) for seen in sentences)]
    for told, committed, kind, seen, failed, retries in product(
        jobs, (False, True), (None, "failed", "cancelled"), (None, True, False), (None, 65, 1, 75), (0, 1)
    ):
        view = View(
            {"id-a": {""}} if committed else {},
            {"id-a": verdict(kind)} if kind else {},
            {} if seen is None else {"id-a": sighting(seen)},
            {} if failed is None else {"id-a": failure(failed)},
            {"id-a": retries} if retries else {},
        )
        (found,) = census(plan("a"), view, told, NOW, GRACE)
        assert found.reason
        assert (found.lot is Lot.COMMITTED) == committed
        assert found.lot is not Lot.LOST or not (told is None or committed or kind or seen)


def test_the_lots_are_counted_in_one_order() -> None:
    view = replace(EMPTY, committed={"id-b": {""}, "id-c": {""}})
    found = census(plan("a", "b", "c"), view, [job(RUNS, "a")], NOW, GRACE)
    assert list(counts(found).items()) == [(Lot.COMMITTED, 2), (Lot.RUNNING, 1)]
