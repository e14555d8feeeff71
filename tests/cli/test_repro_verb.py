"""`crossad repro` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pastrecords import commit, record
from s3servers import Place

from crossad.cli.repro import command
from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import load_suite
from crossad.results.home import BucketHome, FolderHome, Home
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.surroundings import cpu, libraries

SUITE = Path(__file__).parents[2] / "conditions/smoke.json"


@pytest.fixture
def entry() -> dict[str, Any]:
    found = plan_entry(load_suite(SUITE).conditions[0], ())
    return {**found, "name": found["condition_id"]}  # `commit` names its commit after the condition


def run(home: Home, entry: dict[str, Any], **made: Any) -> None:
    """A run of one committed condition."""
    provenance = {"crossad_version": "0.0.1", "device": "cpu", "cpu": cpu(), "libraries": libraries(), **made}
    condition = {"name": entry["name"], "config": entry["config"]}
    done = record(
        "c", condition=condition, condition_id=entry["condition_id"], provenance=provenance, summary=["A: 0.9"]
    )
    commit(home, done)
    planned = PlanEntry.model_validate(entry)
    pin_plan(home, Plan(run="night1", suite="s", created="2026-01-01T00:00:00Z", data="d", conditions=(planned,)))


def repro(*words: object) -> Result:
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("kind", ["folder", "versitygw"])
def test_a_condition_of_a_run_and_its_file(
    kind: str, entry: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words: list[object] = ["night1", entry["name"], "--results-dir", tmp_path / "results"]
    home: Home = FolderHome(tmp_path / "results")
    if kind == "versitygw":
        place: Place = request.getfixturevalue("versitygw")
        home = BucketHome(place.open(), tmp_path / "results")
        words += ["--store", place.uri, "--store-option", f"endpoint={place.endpoint}"]
    run(home, entry)
    out = tmp_path / "again.json"
    for _ in range(2):  # the same file again is fine
        shown = repro(*words, "-o", out)
        assert shown.exit_code == 0, shown.output
    assert "A: 0.9" in shown.stdout
    assert f"crossad train --config {out} --experiment-id 0 --gpu-id cpu --results-dir repro" in shown.stdout
    assert load_suite(out).conditions[0].config == load_suite(SUITE).conditions[0].config
    out.write_text("mine")
    assert repro(*words, "-o", out).exit_code == 2
    assert out.read_text() == "mine"


def test_what_differs_is_told_and_ends_with_1(entry: dict[str, Any], tmp_path: Path) -> None:
    run(FolderHome(tmp_path / "results"), entry, libraries={"torch": "0.1"})
    words = ["night1", entry["name"], "--results-dir", tmp_path / "results"]
    shown = repro(*words, "--check")
    assert shown.exit_code == 1
    assert "differs: torch: 0.1 then, " in shown.stdout
    facts = json.loads(repro(*words, "--check", "--json").stdout)
    assert {"crossad", "torch"} <= {one["what"] for one in facts["differences"]}
    assert json.loads(repro(*words, "--json").stdout)["differences"] is None


def test_a_record_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "result_20260101_000000.json"
    file.write_text(record("c").model_dump_json())
    assert repro(file).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.json"], "cannot read record: none.json"),
        (["night1"], "got 0 conditions, allowed: one"),
        (["night1", "nobody"], "no such condition in run night1: nobody"),
        (["elsewhere", "x"], "no such run in"),
    ],
)
def test_bad_input_is_one_message(entry: dict[str, Any], tmp_path: Path, words: list[str], told: str) -> None:
    run(FolderHome(tmp_path / "results"), entry)
    result = repro(*words, "--results-dir", tmp_path / "results")
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_condition_that_is_not_done_or_whose_record_is_gone(entry: dict[str, Any], tmp_path: Path) -> None:
    home = FolderHome(tmp_path / "results")
    run(home, entry)
    words = ["night1", entry["name"], "--results-dir", tmp_path / "results"]
    (tmp_path / "results/attempts/a-c/record.json").write_text("{}")
    assert "its record is gone or changed" in repro(*words).stderr
    home.ledger.withdraw("condition", entry["condition_id"])
    assert f"condition {entry['name']} of run night1 is not done" in repro(*words).stderr
