"""Endings that a cluster ignores are bounded: so much time, so many interruptions, then 70 with a record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bucketruns import keys

from crossad.errors import InterruptedRun
from crossad.launch.afar import observe
from crossad.launch.state import RunState
from crossad.results.bounds import BoundReached
from crossad.results.plan import Plan, PlanEntry
from crossad.results.record import Record
from crossad.trainer import run
from crossad.trainer.run import run_condition

RUN = "night"


@pytest.fixture
def clock(monkeypatch):
    """The seconds by which attempts measure their own time, in a list of one."""
    now, budget = [0.0], run.Budget
    monkeypatch.setattr(run, "Budget", lambda *given: budget(*given, lambda: now[0]))
    return now


def interrupted(task, quick, at):
    """One attempt that is stopped at a step."""
    quick.on_step = lambda step: task.interrupt.request() if step == at else None
    with pytest.raises(InterruptedRun):
        run_condition(task)
    quick.on_step = lambda step: None


def standing(task, condition_id):
    """How `crossad status` and `crossad explain` see it from another machine."""
    entry = PlanEntry(
        experiment_id=0, name=task.name, config=task.config.model_dump(mode="json"), condition_id=condition_id,
        training_key="t",
    )  # fmt: skip
    plan = Plan(run=RUN, suite="s", created="2026-11-25T00:00:00+00:00", data="d", conditions=(entry,))
    (one,) = observe(task.place, plan).all()
    return one


def test_interrupted_too_often_in_a_bucket_it_fails_with_a_record_and_a_retry_goes_on(task, on, store, quick):
    undisturbed = run_condition(task())
    for number in range(3):
        interrupted(on(f"pod {number}", where={"max_preemptions": 2}), quick, number)
    quick.steps.clear()
    last = on("pod 3", where={"max_preemptions": 2})
    with pytest.raises(BoundReached, match="max_preemptions: attempts were cut off 3 times, allowed 2") as caught:
        run_condition(last)
    assert (caught.value.exit_code, quick.steps) == (70, [])
    (failure,) = keys(store, "failures/")
    record = Record.model_validate_json(last.paths.records()[-1].read_bytes())
    assert failure == f"failures/{record.condition_id}/{record.attempt}.json"
    assert (record.status, record.error.kind, record.error.exit_code) == ("failed", "BoundReached", 70)
    assert "--max-preemptions" in record.error.hint
    assert keys(store, "commits/") == []

    seen = standing(on("laptop"), record.condition_id)
    assert seen.state == "failed"
    assert "max_preemptions: attempts were cut off 3 times, allowed 2" in seen.sentence
    assert f"crossad retry {RUN} tiny" in seen.next_step

    state = RunState(last.place, RUN)
    state.close(record.condition_id, "failed", "as the queue and the controller do after 70", exit_code=70)
    assert state.reopen(record.condition_id)
    again = run_condition(on("pod 4", where={"max_preemptions": 2}))
    assert again.stable() == undisturbed.stable()
    assert again.training_info.resumed_from_step == 3


def test_raised_it_goes_on_from_where_it_stood(on, quick):
    for number in range(2):
        interrupted(on(f"pod {number}"), quick, number)
    with pytest.raises(BoundReached):
        run_condition(on("pod 2", where={"max_preemptions": 1}))
    record = run_condition(on("pod 3", where={"max_preemptions": 2}))
    assert (record.status, record.training_info.resumed_from_step) == ("success", 2)


@pytest.mark.parametrize("moment", ["fit", "score"])
def test_out_of_time_while_it_works_it_saves_and_fails_and_with_more_time_goes_on(moment, on, store, quick, clock):
    def pass_time(_):
        clock[0] += 100

    if moment == "fit":
        quick.on_step = lambda step: pass_time(step) if step == 2 else None
    else:
        quick.on_score = lambda scored: pass_time(scored) if len(quick.steps) == 4 and scored > 60 else None
    mine = on("one", where={"max_runtime": 100.0})
    with pytest.raises(BoundReached, match=r"max_runtime: attempts have worked for .* allowed 100 s"):
        run_condition(mine)
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.error.kind, record.error.exit_code) == ("BoundReached", 70)
    assert record.error.step.startswith(moment)
    assert len(keys(store, "checkpoints/")) == (1 if moment == "fit" else 0)

    quick.on_step = quick.on_score = lambda _: None
    quick.steps.clear()
    again = run_condition(on("two", where={"max_runtime": 10_000.0}))
    assert again.status == "success"
    assert quick.steps == ([3] if moment == "fit" else [])


def test_time_that_is_spent_already_ends_an_attempt_before_it_begins(on, quick, monkeypatch):
    interrupted(on("one"), quick, 1)
    real = run.spent_before
    monkeypatch.setattr(run, "spent_before", lambda *given: replace(real(*given), seconds=3600.0))
    quick.steps.clear()
    with pytest.raises(BoundReached, match="have worked for 3600 s, allowed 60 s"):
        run_condition(on("two", where={"max_runtime": 60.0}))
    assert quick.steps == []


def test_a_stop_that_comes_with_the_bound_is_a_stop(on, store, quick, clock):
    mine = on("one", where={"max_runtime": 100.0})

    def both(_):
        clock[0] += 100
        mine.interrupt.request()

    quick.on_step = both
    with pytest.raises(InterruptedRun):
        run_condition(mine)
    assert keys(store, "failures/") == []


def test_in_a_folder_the_same_is_counted_where_a_bound_is_given(task, quick):
    def again():
        return task(place={"max_preemptions": 1})

    for number in range(2):
        interrupted(again(), quick, number)
    with pytest.raises(BoundReached, match="cut off 2 times, allowed 1"):
        run_condition(again())
    record = run_condition(task())
    assert (record.status, record.training_info.resumed_from_step) == ("success", 2)


def test_in_a_folder_without_bounds_nothing_is_noted(task, quick):
    mine = task()
    interrupted(mine, quick, 1)
    assert keys(mine.place.state, "runs/") == []


def test_what_is_done_is_done_whatever_it_cost(on, quick):
    for number in range(2):
        interrupted(on(f"pod {number}"), quick, number)
    done = run_condition(on("pod 2"))
    assert run_condition(on("pod 3", where={"max_preemptions": 1})) == done
