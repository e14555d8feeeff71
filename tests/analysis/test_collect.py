from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from crossad.analysis.collect import collect, newest_run
from crossad.errors import MissingInputError
from crossad.files import write_json
from crossad.results.home import FolderHome
from crossad.results.progress import Progress, write_progress


def test_every_planned_condition_is_there_with_its_state(lab: Any) -> None:
    lab.run("night1", [lab.sim("one"), lab.sim("two", failed=("domain_D",))], holes=[lab.sim("three")])
    found = collect(lab.results, ["night1"])
    assert [(entry.name, entry.state) for entry in found.entries] == [
        ("one", "done"),
        ("two", "partial"),
        ("three", "not started"),
    ]
    assert not found.complete
    assert "no such domain: domain_D" in found.entries[1].problems[0].message


def test_a_damaged_record_is_named_and_the_older_one_is_shown(lab: Any) -> None:
    lab.run("night1", [lab.sim("one")])
    lab.paths("night1", "one").record("20270101_000000").write_text("{")
    found = collect(lab.results)
    assert found.entries[0].state == "done"
    assert found.unreadable[0].path.name == "result_20270101_000000.json"
    assert not found.complete


def test_a_record_of_another_condition_is_not_taken_for_this_one(lab: Any) -> None:
    paths = lab.run("night1", [lab.sim("one")])
    plan = json.loads(paths.plan.read_text())
    plan["conditions"][0]["condition_id"] = "other"
    write_json(paths.plan, plan)
    found = collect(lab.results)
    assert found.entries[0].record is None
    assert "of another condition" in found.unreadable[0].reason
    assert "of another condition" in found.entries[0].detail


def test_a_folder_without_a_plan_is_reported_too(lab: Any) -> None:
    lab.by_hand("hand", lab.sim("one"))
    assert [(entry.run, entry.name, entry.state) for entry in collect(lab.results).entries] == [("hand", "one", "done")]


def test_a_condition_in_two_runs_is_shown_once_and_a_hole_never_hides_a_result(lab: Any) -> None:
    lab.run("a", [lab.sim("one")])
    lab.run("b", [], holes=[lab.sim("one")])
    found = collect(lab.results)
    assert [(entry.run, entry.state) for entry in found.entries] == [("a", "done")]
    assert found.superseded == 1


def test_a_failure_on_the_ledger_says_why(lab: Any) -> None:
    lab.run("night1", [], holes=[lab.sim("one")])
    failure = {"kind": "killed", "message": "out of memory", "hint": "lower batch_size", "exit_code": 137}
    FolderHome(lab.results).ledger.record_failure("one-domain_A", "try1", {"error": failure})
    entry = collect(lab.results).entries[0]
    assert (entry.state, entry.problems[0].message) == ("failed", "out of memory")


@pytest.mark.parametrize(("pid", "state"), [(os.getpid(), "running"), (2**22 + 1, "lost")], ids=["alive", "gone"])
def test_a_trainer_without_a_record_is_running_or_lost(lab: Any, pid: int, state: str) -> None:
    lab.run("night1", [], holes=[lab.sim("one")])
    now = time.time()
    progress = Progress(phase="fitting", done=3, total=9, unit="steps", started=now, updated=now, pid=pid)
    write_progress(lab.paths("night1", "one").progress, progress)
    entry = collect(lab.results).entries[0]
    assert entry.state == state
    assert "fitting, 3 of 9 steps" in entry.detail


def test_an_unknown_run_names_those_that_exist(lab: Any) -> None:
    lab.run("night1", [lab.sim("one")])
    with pytest.raises(MissingInputError, match="night1"):
        collect(lab.results, ["night2"])


def test_an_empty_folder_is_bad_input(lab: Any) -> None:
    with pytest.raises(MissingInputError, match="no run"):
        newest_run(lab.results)


def test_a_broken_plan_is_named_and_its_records_are_still_read(lab: Any) -> None:
    paths = lab.run("night1", [lab.sim("one")])
    paths.plan.write_text('{"kind": "other"}')
    found = collect(lab.results)
    assert [entry.name for entry in found.entries] == ["one"]
    assert found.unreadable[0].path == paths.plan
