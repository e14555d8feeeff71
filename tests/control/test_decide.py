"""What is to be done about a run: every branch, from facts alone."""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossad.control.decide import CORRECT, GONE, Decision, Facts, Piece, decide
from crossad.control.facts import Told
from crossad.control.jobs import SeenJob
from crossad.control.judgement import generation_of
from crossad.kube.endings import RETRY
from crossad.kube.verdicts import Cause, State, Verdict
from crossad.launch import state as closed_state
from crossad.launch.afar import Sighting, View
from crossad.results.beacons import Beacon
from crossad.results.plan import PlanEntry
from crossad.results.progress import Progress

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PENDING = Verdict(State.PENDING, Cause.LABEL, "no node has it", "label one")
RUNS = Verdict(State.RUNNING, Cause.NONE, "it runs on node n1")
HELD = Verdict(State.SUSPENDED, Cause.QUEUE, "its queue holds it back")
ENDED = Verdict(State.COMPLETE, Cause.NONE, "its pod ended with 0", exit_code=0)
FAILED = Verdict(State.FAILED, Cause.EXIT, "exit code 65: bad", RETRY, exit_code=65)


def entry(name: str, training: str = "") -> PlanEntry:
    return PlanEntry(
        experiment_id=ord(name), name=name, config={}, condition_id=name, training_key=training or f"t-{name}"
    )


def spec(piece: Piece, settings: str = "s1") -> str:
    return f"{settings}:{'+'.join(one.condition_id for one in piece.entries)}:{piece.generation}"


def job(
    verdict: Verdict, *names: str, training: str = "", settings: str = "s1", age: float = 60, **more: Any
) -> SeenJob:
    """A Job as its controller under some settings would have made it."""
    generation = more.pop("generation", 1)
    training = training or f"t-{names[0]}"
    told = {"leaving": False, "failed": 0, "pod": None, **more}
    name = f"job-{'-'.join(names)}-{generation}"
    made = spec(Piece(tuple(entry(one, training) for one in names), generation), settings)
    created = NOW - timedelta(seconds=age)
    return SeenJob(
        name=name, uid=name, training=training, generation=generation, conditions=names, spec=made, created=created,
        verdict=verdict, **told,
    )  # fmt: skip


def facts(*jobs: SeenJob, groups: list[tuple[PlanEntry, ...]] | None = None, **more: Any) -> Facts:
    told: dict[str, Any] = {"known": set(), "max_active": 10, **more}
    verdicts = {
        one: closed_state.Verdict(kind=kind, reason="so", generation=1, at="")
        for one, kind in told.pop("closed", {}).items()
    }
    committed = {one: {""} for one in told.pop("committed", ())}
    sightings = {one: sighting(working) for one, working in told.pop("sightings", {}).items()}
    view = View(committed, verdicts, sightings, told.pop("failures", {}), told.pop("retries", {}))
    store = Told(view, told.pop("locks", {}))
    return Facts(groups=[(entry("a"),)] if groups is None else groups, told=store, jobs=jobs, now=NOW, **told)


def sighting(working: bool) -> Sighting:
    progress = Progress(phase="fitting", started=clock.time(), updated=clock.time(), pid=1)
    return Sighting(Beacon(attempt="x", every=30, progress=progress), NOW, 1, working, 5.0)


def judge(found: Facts) -> Decision:
    return decide(found, spec)


def created(found: Decision) -> list[tuple[tuple[str, ...], int]]:
    return [(tuple(one.condition_id for one in piece.entries), piece.generation) for piece in found.create]


def closed(found: Decision) -> list[tuple[str, str]]:
    return [(one.condition, one.reason) for one in found.close]


SHARED = [(entry("a", "t"), entry("b", "t"))]


def shared(verdict: Verdict, *names: str, **more: Any) -> SeenJob:
    return job(verdict, *names, training="t", **more)


def nothing(found: Decision) -> bool:
    return not (found.create or found.close or found.stop or found.blocked)


def test_what_is_not_there_is_created_in_the_plans_order() -> None:
    found = judge(facts(groups=[(entry("b"),), (entry("a"),)]))
    assert created(found) == [(("b",), 1), (("a",), 1)]
    assert not found.over


def test_what_lives_is_adopted() -> None:
    for verdict in (
        PENDING,
        RUNS,
        HELD,
        Verdict(State.RETRYING, Cause.OOM, "oom"),
        Verdict(State.ENDING, Cause.NONE, ""),
    ):
        assert nothing(judge(facts(job(verdict, "a"))))


def test_committed_conditions_are_skipped_and_the_run_is_over_then() -> None:
    found = judge(facts(committed={"a"}))
    assert nothing(found)
    assert found.over
    assert nothing(judge(facts(job(RUNS, "a"), committed={"a"}))), "a Job that is about to end by itself"


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
def test_what_is_closed_is_never_made_again(kind: str) -> None:
    for known in (set(), {(1, ("a",))}):
        found = judge(facts(closed={"a": kind}, known=known))
        assert nothing(found)
        assert found.over


def test_a_retry_makes_another_one_though_the_old_one_is_still_there() -> None:
    found = judge(facts(job(FAILED, "a"), retries={"a": 1}, known={(1, ("a",))}))
    assert created(found) == [(("a",), 2)]
    assert not found.close


def test_a_failed_job_closes_its_conditions_with_its_reason() -> None:
    found = judge(facts(job(FAILED, "a")))
    (closing,) = found.close
    assert (closing.condition, closing.reason, closing.exit_code) == ("a", "exit code 65: bad", 65)
    assert closing.hint == "read its log (crossad logs), remove the cause", "whoever shows it names the retry himself"
    assert not found.create


def test_a_failed_job_keeps_a_next_step_that_is_more_than_a_retry() -> None:
    oom = Verdict(State.FAILED, Cause.OOM, "out of memory", "raise memory", exit_code=137)
    assert judge(facts(job(oom, "a"))).close[0].hint == "raise memory"


def test_complete_without_a_commit_is_closed_not_repeated() -> None:
    assert closed(judge(facts(job(ENDED, "a")))) == [("a", "its Job job-a-1 ended with 0 and left no commit")]
    assert nothing(judge(facts(job(ENDED, "a"), committed={"a"})))


def test_a_job_that_was_there_once_is_not_made_again() -> None:
    found = judge(facts(known={(1, ("a",))}))
    assert closed(found) == [("a", GONE)]
    assert not found.create


def test_a_job_of_an_earlier_generation_that_is_gone_says_nothing() -> None:
    assert created(judge(facts(known={(1, ("a",))}, retries={"a": 1}))) == [(("a",), 2)]


def test_max_active_counts_what_lives_whatever_its_state() -> None:
    groups = [(entry(name),) for name in "abcdef"]
    jobs = [job(RUNS, "a"), job(PENDING, "b", leaving=True), job(ENDED, "c")]
    found = judge(facts(*jobs, groups=groups, committed={"c"}, max_active=3))
    assert created(found) == [(("d",), 1)]
    assert (found.held_back, found.at_work) == (2, 2)
    assert not judge(facts(*jobs, groups=groups, committed={"c"}, max_active=1)).create


def test_the_start_deadline_closes_and_then_stops() -> None:
    late = {"start_deadline": timedelta(minutes=10)}
    assert nothing(judge(facts(job(PENDING, "a", age=599), **late)))
    found = judge(facts(job(PENDING, "a", age=600), **late))
    assert closed(found) == [("a", "it did not start within 10 min: no node has it")]
    assert found.close[0].hint == "label one"
    assert [stop.job.name for stop in found.stop] == ["job-a-1"]
    for verdict in (RUNS, HELD):
        assert nothing(judge(facts(job(verdict, "a", age=6000), **late))), "it started, or its queue decides"
    assert found.doubtful == {"a"}, "whether it had started once is asked before anything is done"
    assert nothing(judge(facts(job(PENDING, "a", age=6000), sightings={"a": False}, **late))), "it had started once"


def test_a_late_job_whose_verdict_was_written_is_still_removed() -> None:
    """The controller was killed between the two."""
    found = judge(facts(job(PENDING, "a", age=600), closed={"a": "failed"}, start_deadline=timedelta(minutes=10)))
    assert [stop.job.name for stop in found.stop] == ["job-a-1"]
    assert found.over
    assert nothing(judge(facts(job(PENDING, "a", leaving=True), closed={"a": "failed"})))


def test_a_late_job_that_a_retry_overtook_is_removed_and_not_held_against_it() -> None:
    late = job(PENDING, "a", age=600)
    found = judge(facts(late, retries={"a": 1}, start_deadline=timedelta(minutes=10)))
    assert not found.close
    assert [stop.why for stop in found.stop] == ["a retry takes its place"]
    assert not found.create, "one training, one Job at a time"
    running = judge(facts(job(RUNS, "a"), retries={"a": 1}))
    assert nothing(running), "what already works is waited for"


def test_cancelled_work_is_stopped_whatever_its_state() -> None:
    for verdict in (RUNS, PENDING, HELD):
        found = judge(facts(job(verdict, "a"), closed={"a": "cancelled"}))
        assert [stop.why for stop in found.stop] == ["cancelled"]
        assert found.over
    assert nothing(judge(facts(job(RUNS, "a"), closed={"a": "cancelled"}, committed={"a"})))
    assert nothing(judge(facts(job(RUNS, "a"), closed={"a": "failed"}))), "it may yet commit"


def test_another_runs_living_job_is_refused_with_its_name_and_the_rest_goes_on() -> None:
    groups = [(entry("a"),), (entry("b"),)]
    found = judge(facts(groups=groups, others={"t-a": "Job x of run night2"}))
    (blocked,) = found.blocked
    assert "Job x of run night2" in blocked.why
    assert [one.name for one in blocked.entries] == ["a"]
    assert created(found) == [(("b",), 1)]
    assert not found.over


def test_a_living_job_of_other_settings_is_refused_until_it_ends() -> None:
    found = judge(facts(job(RUNS, "a", settings="s0")))
    (blocked,) = found.blocked
    assert "job-a-1" in blocked.why
    assert "other settings" in blocked.why
    assert not found.create
    assert closed(judge(facts(job(FAILED, "a", settings="s0")))) == [("a", "exit code 65: bad")]
    assert nothing(judge(facts(job(RUNS, "a", settings="s0", leaving=True)))), "on its way out: waited for"


def test_a_server_that_takes_no_job_at_all_closes_nothing_and_nothing_more_is_expected() -> None:
    groups = [(entry("a"),), (entry("b"),)]
    found = judge(facts(groups=groups, refused={(1, ("a",)): "a policy forbids it"}))
    assert (found.blocked[0].why, found.refused) == ("a policy forbids it", {"a"})
    assert created(found) == [(("b",), 1)]
    assert not found.over
    both = judge(facts(groups=groups, refused={(1, ("a",)): "no", (1, ("b",)): "no"}))
    assert both.over
    assert not both.close, "mended settings are all it takes"


def test_a_job_that_a_server_refuses_which_takes_others_is_closed_with_its_reason_until_a_retry() -> None:
    groups, refused = [(entry("a"),), (entry("b"),)], {(1, ("a",)): "a policy forbids it"}
    for more in ({"committed": {"b"}}, {"closed": {"b": "failed"}}, {"known": {(1, ("b",))}, "committed": {"b"}}):
        found = judge(facts(groups=groups, refused=refused, **more))
        assert closed(found) == [("a", "its Job is refused: a policy forbids it")]
        assert found.close[0].hint == CORRECT
        assert not found.create
        assert not found.over, "not before the verdict is durable"
    assert closed(judge(facts(job(RUNS, "b"), groups=groups, refused=refused)))
    again = judge(facts(job(RUNS, "b"), groups=groups, refused=refused, retries={"a": 1}))
    assert created(again) == [(("a",), 2)]


@pytest.mark.parametrize("cause", list(Cause))
def test_the_start_deadline_is_for_what_cannot_start_not_for_what_queues(cause: Cause) -> None:
    waits = cause in (Cause.BUSY, Cause.QUEUE, Cause.QUOTA, Cause.NEW)
    seen = Verdict(State.PENDING, cause, "it is so", "do so")
    found = judge(facts(job(seen, "a", age=86_400), start_deadline=timedelta(minutes=10)))
    assert bool(found.close) != waits
    assert bool(found.stop) != waits


def test_nothing_is_closed_while_a_trainer_is_heard_of_that_may_commit() -> None:
    for jobs, known in (((job(ENDED, "a"),), set()), ((), {(1, ("a",))})):
        assert closed(judge(facts(*jobs, known=known)))
        assert nothing(judge(facts(*jobs, known=known, sightings={"a": True})))
        silent = judge(facts(*jobs, known=known, sightings={"a": False}))
        assert [one.lost for one in silent.close] == [True]
    assert not judge(facts(job(FAILED, "a"))).close[0].lost


def test_what_trainers_left_explains_what_is_closed() -> None:
    left = {"a": {"failures": [{"message": "no domain C", "hint": "add it", "exit_code": 65}]}}
    found = judge(facts(job(FAILED, "a"), failures=left)).close[0]
    assert (found.reason, found.hint, found.exit_code) == ("exit code 65: bad: no domain C", "add it", 65)
    gone = judge(facts(known={(1, ("a",))}, failures=left)).close[0]
    assert (gone.reason, gone.hint, gone.exit_code) == ("its Job is gone; no domain C", "add it", 65)


def test_a_commit_of_other_data_is_no_commit() -> None:
    stale = {"committed": {"a"}, "locks": {"a": "c" * 64}}
    assert created(judge(facts(**stale))) == [(("a",), 1)]
    assert nothing(judge(facts(job(RUNS, "a"), **stale)))
    for told in (facts(known={(1, ("a",))}, **stale), facts(job(ENDED, "a"), **stale)):
        assert nothing(judge(told)), "its Job did its work: a retry makes another one"
        assert judge(told).over
    assert created(judge(facts(job(ENDED, "a"), retries={"a": 1}, **stale))) == [(("a",), 2)]


# conditions that share a training share a Job


def test_a_shared_job_carries_what_is_committed_so_it_stays_the_same() -> None:
    assert created(judge(facts(groups=SHARED))) == [(("a", "b"), 1)]
    assert created(judge(facts(groups=SHARED, committed={"a"}))) == [(("a", "b"), 1)]
    assert nothing(judge(facts(shared(RUNS, "a", "b"), groups=SHARED, committed={"a"})))


def test_a_shared_job_that_failed_closes_what_it_left() -> None:
    found = judge(facts(shared(FAILED, "a", "b"), groups=SHARED, committed={"b"}))
    assert closed(found) == [("a", "exit code 65: bad")]


def test_a_cancel_of_one_makes_a_new_job_of_the_others() -> None:
    cancelled = {"groups": SHARED, "closed": {"b": "cancelled"}}
    assert created(judge(facts(**cancelled))) == [(("a",), 1)]
    alive = judge(facts(shared(RUNS, "a", "b"), **cancelled))
    assert nothing(alive), "its trainer leaves out what was cancelled"
    both = judge(facts(shared(RUNS, "a", "b"), groups=SHARED, closed={"a": "failed", "b": "cancelled"}))
    assert [stop.why for stop in both.stop] == ["cancelled"]
    assert nothing(judge(facts(shared(RUNS, "a", "b", leaving=True), **cancelled)))
    gone = judge(facts(known={(1, ("a", "b"))}, **cancelled))
    assert created(gone) == [(("a",), 1)], "the cancel took the Job away, not its TTL"
    lost = judge(facts(known={(1, ("a", "b")), (1, ("a",))}, **cancelled))
    assert closed(lost) == [("a", GONE)]


def test_a_retry_of_one_gives_the_job_another_generation_and_waits_for_the_living_one() -> None:
    assert generation_of(SHARED[0], {"a": 1, "b": 2}) == 4
    again = {"groups": SHARED, "retries": {"b": 1}}
    assert created(judge(facts(shared(FAILED, "a", "b"), committed={"a"}, **again))) == [(("a", "b"), 2)]
    assert nothing(judge(facts(shared(RUNS, "a"), **again)))


def test_a_plan_that_grows_waits_for_the_job_of_its_training_and_then_adds_to_it() -> None:
    assert nothing(judge(facts(shared(RUNS, "a"), groups=SHARED)))
    done = judge(facts(shared(ENDED, "a"), groups=SHARED, committed={"a"}, known={(1, ("a",))}))
    assert created(done) == [(("a", "b"), 1)]
    failed = judge(facts(shared(FAILED, "a"), groups=SHARED))
    assert closed(failed) == [("a", "exit code 65: bad")]
    assert created(failed) == [(("b",), 1)]


def test_the_end_of_one_job_does_not_close_what_a_living_one_carries() -> None:
    found = judge(facts(shared(FAILED, "a"), shared(RUNS, "a", "b"), groups=SHARED))
    assert not found.close


def test_a_late_shared_job_closes_all_that_it_carries_and_nothing_else() -> None:
    late = {"groups": SHARED, "start_deadline": timedelta(minutes=10)}
    found = judge(facts(shared(PENDING, "a", age=700), **late))
    assert [one.condition for one in found.close] == ["a"]
    assert [stop.job.name for stop in found.stop] == ["job-a-1"]
    assert not found.create, "the other one follows when the slot is free"
