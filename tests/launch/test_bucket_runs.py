"""The queue with its results in a bucket: what one machine did, another knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossad.launch.control import cancel, closed, find_run
from crossad.launch.prepare import RunRequest, prepare
from crossad.launch.state import RunState
from crossad.results.home import BucketHome
from crossad.store.folder import FolderStore

Make, Go = Callable[..., Any], Callable[..., Any]
Machine = Callable[[str], BucketHome]
SUITE = """{"suite": {"name": "s"}, "experiment_conditions": [{"name": "one", "config":
 {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_B"]}}]}"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One bucket, seen with a working folder of that name; its bytes lie in a folder, which nobody can tell."""
    return lambda name: BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / name)


def began(home: BucketHome) -> list[str]:
    trace = home.results / "trace.log"
    return [line for line in trace.read_text().splitlines() if line.startswith("begin")] if trace.exists() else []


def test_another_machine_finds_the_run_and_does_only_what_is_missing(job: Make, run: Go, machine: Machine) -> None:
    assert run(job(["ok-a", "exit65-b"], home=machine("one"))).failed == ("exit65-b",)
    second = machine("two")
    plan = find_run(second, "night")
    assert [entry.name for entry in plan.conditions] == ["ok-a", "exit65-b"]
    summary = run(job(["ok-a", "exit65-b"], home=second))
    assert (summary.done, summary.failed) == (("ok-a",), ("exit65-b",))
    assert began(second) == []
    assert (second.results / "night/plan.json").is_file()


def test_a_failure_is_tried_again_from_any_machine_on_request(job: Make, run: Go, machine: Machine) -> None:
    run(job(["ok-a", "exit70-b"], home=machine("one")))
    second = machine("two")
    plan = find_run(second, None)
    entries = closed(second, plan, plan.conditions, ("failed",))
    assert [entry.name for entry in entries] == ["exit70-b"]
    assert run(job(["ok-a", "exit70-b"], home=second), retry=True, entries=entries).failed == ("exit70-b",)
    assert len(began(second)) == 1
    state = RunState(machine("three"), "night")
    assert (state.generation("c-exit70-b"), state.generation("c-ok-a")) == (2, 1)


def test_a_run_is_cancelled_from_another_machine(job: Make, run: Go, machine: Machine, monkeypatch: Any) -> None:
    monkeypatch.setattr(BucketHome, "look_seconds", 0.2)
    mine = job(["sleep-a", "ok-b"], home=machine("one"))

    def from_elsewhere() -> None:
        home = machine("two")
        deadline = time.monotonic() + 60
        while not began(mine.home) and time.monotonic() < deadline:
            time.sleep(0.05)
        cancel(home, mine.plan, mine.plan.conditions[:1])

    other = threading.Thread(target=from_elsewhere)
    other.start()
    summary = run(mine)
    other.join()
    assert (summary.cancelled, summary.done) == (("sleep-a",), ("ok-b",))


def test_the_newest_run_of_a_suite_is_continued_and_fresh_work_gets_keys_of_its_own(
    machine: Machine, tmp_path: Path
) -> None:
    from crossad.results.plan import pin_plan

    (tmp_path / "suite.json").write_text(SUITE)
    for domain in ("domain_A", "domain_B"):
        (tmp_path / "data" / domain / "train" / "good").mkdir(parents=True)
    ask = {"suite": tmp_path / "suite.json", "data": tmp_path / "data", "gpus": "cpu"}
    first, _ = prepare(RunRequest(**ask, home=machine("one")))
    pin_plan(first.home, first.plan)
    again, entries = prepare(RunRequest(**ask, home=machine("two")))
    assert again.plan.run == first.plan.run
    fresh, repeated = prepare(RunRequest(**ask, home=machine("two"), fresh=True))
    assert (fresh.plan.repeat, fresh.plan.run != first.plan.run) == (2, True)
    assert repeated[0].condition_id == f"{entries[0].condition_id}r2"
