"""One judgement behind three pieces: whatever is seen of a condition, what is done, reported and shown agree."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from crossad.control import observe
from crossad.control.census import NEVER, Grace, Lot, census
from crossad.control.decide import GONE, Facts, decide
from crossad.control.facts import Told
from crossad.control.jobs import SeenJob
from crossad.control.judgement import OVER, Judge, Judgement, Stand
from crossad.kube.endings import RETRY
from crossad.kube.verdicts import Cause, State, Verdict
from crossad.launch import state as closed
from crossad.launch.afar import Sighting, View
from crossad.results.beacons import Beacon
from crossad.results.plan import Plan, PlanEntry
from crossad.results.progress import Progress

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
EMPTY = View({}, {}, {}, {}, {})
LOCK, OTHER = "a" * 64, "b" * 64
ENTRY = PlanEntry(experiment_id=0, name="a b", config={}, condition_id="a", training_key="t")
PLAN = Plan(run="n", suite="s", created="", data="d", conditions=(ENTRY,))
FAILED = Verdict(State.FAILED, Cause.EXIT, "exit code 65: bad", RETRY, exit_code=65)
RUNS = Verdict(State.RUNNING, Cause.NONE, "it runs on node n1", node="n1")
ENDED = Verdict(State.COMPLETE, Cause.NONE, "its pod ended with 0", exit_code=0)


def job(verdict: Verdict, *conditions: str, generation: int = 1, age: float = 60) -> SeenJob:
    created = NOW - timedelta(seconds=age)
    ids = conditions or ("a",)
    return SeenJob(f"job-{generation}", "uid", "t", generation, ids, "spec", created, False, 0, None, verdict)


def sighting(*, working: bool, generation: int = 1) -> Sighting:
    progress = Progress(phase="fitting", started=clock.time(), updated=clock.time(), pid=1)
    return Sighting(Beacon(attempt="x", every=30, progress=progress, generation=generation), NOW, 1, working, 5.0)


def failure(code: int) -> dict[str, Any]:
    return {"failures": [{"message": "no domain C", "hint": "add it", "exit_code": code, "step": "fit"}]}


def view(**seen: Any) -> View:
    told: dict[str, Any] = {"committed": {}, "verdicts": {}, "sightings": {}, "failures": {}, "retries": {}}
    return View(**{**told, **{kind: {"a": value} for kind, value in seen.items()}})


def judge(found: View = EMPTY, *jobs: SeenJob, gone: str = "", lock: str | None = None) -> Judgement:
    return Judge([ENTRY], found, jobs, {"a": lock}).of(ENTRY, gone)


def everything() -> Iterator[tuple[View, tuple[SeenJob, ...] | None]]:
    """All combinations of what can be seen of one condition."""
    jobs: list[tuple[SeenJob, ...] | None] = [None, ()]
    jobs += [(job(Verdict(state, Cause.NONE, f"it is {state}")),) for state in State]
    verdict = {kind: closed.Verdict(kind=kind, reason="so", generation=1, at="") for kind in ("failed", "cancelled")}  # type: ignore[arg-type]
    for told, commit, kind, works, code, retries in product(
        jobs, (None, LOCK, OTHER), (None, "failed", "cancelled"), (None, True, False), (None, 65, 1), (0, 1)
    ):
        seen = {
            "committed": {commit[:12]} if commit else None,
            "verdicts": verdict[kind] if kind else None,
            "sightings": None if works is None else sighting(working=works),
            "failures": failure(code) if code else None,
            "retries": retries or None,
        }
        yield view(**{name: value for name, value in seen.items() if value is not None}), told


def test_whatever_is_seen_a_condition_stands_somewhere_with_a_reason_and_what_is_over_has_a_next_step() -> None:
    for seen, jobs in everything():
        for gone in ("", "its Job is gone"):
            found = Judge([ENTRY], seen, jobs, {"a": LOCK}).of(ENTRY, gone)
            assert found.reason
            done = LOCK[:12] in seen.committed.get("a", ())
            assert (found.stand is Stand.COMMITTED) == done
            assert found.stand not in OVER or done or found.step("night").endswith("crossad retry night 'a b'")
            assert found.stand is not Stand.ABSENT or not gone or jobs is None
            assert found.stand is not Stand.LOST or jobs is not None, "nobody is lost who was not looked for"


def test_what_is_done_reported_and_shown_follows_from_where_a_condition_stands() -> None:
    """For everything that can be seen: an act of the controller and a lot of the report, each by its one table."""
    acts = {
        Stand.COMMITTED: "nothing", Stand.STALE: "nothing", Stand.CANCELLED: "nothing", Stand.FAILED: "close",
        Stand.LOST: "close", Stand.AT_WORK: "nothing", Stand.HELD: "nothing", Stand.ABSENT: "create",
    }  # fmt: skip
    lots = {
        Stand.COMMITTED: Lot.COMMITTED, Stand.STALE: Lot.STALE, Stand.CANCELLED: Lot.CANCELLED,
        Stand.FAILED: Lot.FAILED, Stand.LOST: Lot.LOST, Stand.AT_WORK: Lot.RUNNING, Stand.HELD: Lot.WAITING,
        Stand.ABSENT: Lot.WAITING,
    }  # fmt: skip
    locks = {"a": LOCK}
    for seen, jobs in everything():
        for known in (set(), {(1 + len(seen.retries), ("a",))}):
            alive = [one for one in jobs or () if not one.verdict.over]
            stand = Judge([ENTRY], seen, jobs or (), locks).of(ENTRY, GONE if known and not alive else "").stand
            told = Facts([(ENTRY,)], Told(seen, locks), known, jobs or (), NOW, 10)
            found = decide(told, lambda piece: "spec")
            act = "close" if found.close else "create" if found.create else "nothing"
            assert act == ("nothing" if seen.verdicts else acts[stand])
        for span in (timedelta(), timedelta(days=1)):
            late = jobs is not None and not span
            stand = Judge([ENTRY], seen, jobs, locks).of(ENTRY, NEVER if late else "").stand
            (fate,) = census(PLAN, seen, jobs, NOW, Grace(NOW - timedelta(minutes=5), span), locks)
            assert fate.lot is lots[stand]
    assert set(acts) == set(lots) == set(Stand) == set(observe._STATES)


def test_a_job_that_lives_is_never_over_unless_the_store_says_so() -> None:
    for seen, jobs in everything():
        if jobs and not jobs[0].verdict.over and not seen.verdicts and LOCK[:12] not in seen.committed.get("a", ()):
            assert Judge([ENTRY], seen, jobs, {"a": LOCK}).of(ENTRY).stand in (Stand.AT_WORK, Stand.HELD)


def test_a_commit_counts_only_under_the_lock_of_the_data_where_they_have_one() -> None:
    done = view(committed={LOCK[:12]})
    assert judge(done, lock=LOCK).stand is judge(done).stand is Stand.COMMITTED
    assert judge(done, lock=OTHER).stand is Stand.ABSENT, "somebody may still do it with these data"
    assert judge(done, job(RUNS), lock=OTHER).stand is Stand.AT_WORK
    for found in (judge(done, lock=OTHER, gone="gone"), judge(done, job(ENDED), lock=OTHER)):
        assert (found.stand, found.reason) == (Stand.STALE, "done, but the data are others now")
    unlocked = view(committed={""})
    assert judge(unlocked, lock=OTHER, gone="gone").stand is Stand.STALE


def test_what_was_lost_stays_lost_after_its_verdict() -> None:
    lost = closed.Verdict(kind="failed", reason="its Job is gone", generation=1, at="", lost=True)
    found = judge(view(verdicts=lost))
    assert (found.stand, found.reason, found.step("n")) == (Stand.LOST, "its Job is gone", "crossad retry n 'a b'")
    assert census(PLAN, view(verdicts=lost), [], NOW, Grace(NOW, timedelta()))[0].next_step == found.step("n")
    old = closed.Verdict.model_validate_json(lost.model_copy(update={"lost": False}).model_dump_json(exclude={"lost"}))
    assert judge(view(verdicts=old)).stand is Stand.FAILED, "a verdict that an earlier version gave"


def test_commands_in_a_hint_name_the_condition() -> None:
    found = judge(EMPTY, job(FAILED))
    assert found.step("night") == (
        "read its log (crossad logs night 'a b'), remove the cause; then crossad retry night 'a b'"
    )
    assert judge(view(failures=failure(65)), job(FAILED)).step("night") == "add it; then crossad retry night 'a b'"
    heard = judge(view(sightings=sighting(working=True)))
    assert heard.step("night") == "crossad logs night 'a b' -f"


def test_of_a_shared_job_that_ended_with_the_gravest_code_each_condition_has_its_own_reason() -> None:
    found = judge(view(failures=failure(66)), job(FAILED, "a", "b"))
    assert (found.stand, found.reason) == (Stand.FAILED, "exit code 65: bad: no domain C")
    alone = judge(view(failures=failure(66)), job(FAILED))
    assert alone.reason == "exit code 65: bad", "an older attempt's"


@pytest.mark.parametrize("verdict", [FAILED, ENDED])
def test_a_job_that_is_over_speaks_until_a_retry_and_one_that_lives_always(verdict: Verdict) -> None:
    again = view(retries=1)
    assert judge(again, job(verdict)).stand is Stand.ABSENT
    assert judge(again, job(RUNS)).stand is Stand.AT_WORK
    assert judge(again, job(RUNS), job(verdict, generation=2, age=10)).stand is Stand.AT_WORK


def test_whether_a_trainer_has_begun_is_asked_of_the_present_try() -> None:
    told = Judge([ENTRY], view(sightings=sighting(working=False), retries=1), ())
    assert told.begun("a") is None
    assert Judge([ENTRY], view(sightings=sighting(working=False)), ()).begun("a") is not None
