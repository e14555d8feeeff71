from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.launch.queue import CRASH_RETRIES, FOR_GOOD, Queue
from crossad.launch.slots import Slot
from crossad.results.plan import PlanEntry


def entries(*trainings: str) -> list[PlanEntry]:
    return [
        PlanEntry(experiment_id=index, name=f"n{index}", config={}, condition_id=f"c{index}", training_key=key)
        for index, key in enumerate(trainings)
    ]


def test_a_freed_slot_takes_the_next_condition() -> None:
    queue = Queue(entries("a", "b", "c"), [Slot("0"), Slot("1")])
    first, second = queue.start_next(), queue.start_next()
    assert queue.start_next() is None
    assert first and second
    assert (first.slot, second.slot) == (Slot("0"), Slot("1"))
    queue.ended(second, 0)
    third = queue.start_next()
    assert third and (third.entry.name, third.slot) == ("n2", Slot("1"))


def test_conditions_that_share_a_training_run_one_after_the_other_and_block_nobody() -> None:
    queue = Queue(entries("same", "same", "other"), [Slot("0"), Slot("1")])
    first, second = queue.start_next(), queue.start_next()
    assert first and second
    assert (first.entry.name, second.entry.name) == ("n0", "n2")
    assert queue.waits_for(queue.tasks[1]) is first
    queue.ended(first, 70, "no")
    third = queue.start_next()
    assert third is queue.tasks[1]  # even after a failure: what failed may have been a target


@pytest.mark.parametrize("code", sorted(FOR_GOOD))
def test_what_fails_for_good_is_not_tried_again(code: int) -> None:
    queue = Queue(entries("a"), [Slot("cpu")])
    task = queue.start_next()
    assert task
    assert queue.ended(task, code, "why") == "failed"
    assert (queue.finished, task.reasons) == (True, ["why"])


@pytest.mark.parametrize("code", [1, 2, 134, 137, 139])
def test_a_crash_goes_to_the_end_of_the_line_until_its_retries_are_used_up(code: int) -> None:
    queue = Queue(entries("a", "b"), [Slot("cpu")])
    order = []
    while (task := queue.start_next()) is not None:
        order.append(task.entry.name)
        queue.ended(task, code if task.entry.name == "n0" else 0, f"crash {task.attempts}")
    assert order == ["n0", "n1"] + ["n0"] * CRASH_RETRIES
    assert queue.tasks[0].state == "failed"
    assert queue.tasks[0].reasons == ["crash 1", "crash 2", "crash 3"]


def test_interrupted_is_not_failed_and_not_tried_again() -> None:
    queue = Queue(entries("a", "b"), [Slot("cpu")])
    task = queue.start_next()
    assert task
    assert queue.ended(task, 75) == "interrupted"
    assert queue.start_next() is queue.tasks[1]


def test_after_a_stop_nothing_starts_and_a_crash_is_our_doing() -> None:
    queue = Queue(entries("a", "b", "c"), [Slot("0"), Slot("1")])
    first, second = queue.start_next(), queue.start_next()
    assert first and second
    queue.stop()
    assert queue.start_next() is None
    assert queue.ended(first, 137) == "interrupted"
    assert queue.ended(second, 66) == "failed"
    assert queue.tasks[2].state == "interrupted"
    assert queue.finished


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from([0, 1, 66, 75, 137]), min_size=3, max_size=3))),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_whatever_ends_whenever_all_conditions_end_once_and_no_slot_is_used_twice(
    work: list[tuple[str, list[int]]], lanes: int, chance: object
) -> None:
    queue = Queue(entries(*(key for key, _ in work)), [Slot("cpu", lane) for lane in range(lanes)])
    for _ in range(4 * len(work) + 1):
        while queue.start_next() is not None:
            pass
        used = [task.slot for task in queue.running]
        trainings = [task.entry.training_key for task in queue.running]
        assert len(set(used)) == len(used) <= lanes
        assert len(set(trainings)) == len(trainings)
        if not queue.running:
            break
        task = chance.choice(queue.running)  # type: ignore[attr-defined]
        queue.ended(task, work[task.entry.experiment_id][1][task.attempts - 1])
    assert queue.finished
