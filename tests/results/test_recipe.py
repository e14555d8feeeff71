"""From a record back to the very same work."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from pastrecords import record

from crossad.conditions.identity import condition_id
from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import load_suite
from crossad.errors import DataError, MissingInputError
from crossad.results.recipe import Now, command_line, differences, facts, parse_record, read_record, suite_text
from crossad.results.record import Record

ROOT = Path(__file__).parents[2]
SUITES = ("base", "smoke")
DOMAINS = ("domain_A", "domain_B", "domain_C", "domain_D")
NOW = Now("1.0", "abc", "3.11", "CPU X", {"torch": "2.1"})
MADE: dict[str, Any] = {
    "crossad_version": "1.0", "crossad_commit": "abc", "python": "3.11", "cpu": "CPU X", "libraries": {"torch": "2.1"},
    "device": "cpu", "threads": 3, "weights": {"resnet18": "aa", "drawn": "random"}, "data_lock": "lock",
}  # fmt: skip


def of(config: dict[str, Any], identity: str = "", **made: Any) -> Record:
    found = record("c", condition={"name": "c", "description": "d", "config": config}, provenance={**MADE, **made})
    return found.model_copy(update={"condition_id": identity}) if identity else found


def entries() -> list[dict[str, Any]]:
    suites = [load_suite(ROOT / f"conditions/{name}.json").conditions for name in SUITES]
    return [plan_entry(condition, DOMAINS) for conditions in suites for condition in conditions]


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["name"])
def test_the_suite_file_of_a_record_is_the_same_work(entry: dict[str, Any], tmp_path: Path) -> None:
    made = of(entry["config"], entry["condition_id"])
    file = tmp_path / "repro.json"
    file.write_text(suite_text(made))
    (condition,) = load_suite(file).conditions
    assert condition_id(condition.config) == entry["condition_id"]
    assert (condition.name, condition.description) == ("c", "d")
    assert [one for one in differences(made, NOW) if one.what == "condition id"] == []


def test_an_overridden_run_needs_no_override_any_more(tmp_path: Path) -> None:
    whole, short = (
        plan_entry(load_suite(ROOT / "conditions/smoke.json", limit_images=limit).conditions[0], DOMAINS)
        for limit in (None, 7)
    )
    (tmp_path / "repro.json").write_text(suite_text(of(short["config"])))
    (again,) = load_suite(tmp_path / "repro.json").conditions
    assert condition_id(again.config) == short["condition_id"] != whole["condition_id"]


def config() -> dict[str, Any]:
    found: dict[str, Any] = entries()[0]["config"]
    return found


def test_the_command_names_threads_device_images_and_weights_as_recorded() -> None:
    inputs = ["--weights", "my weights", "--precision", "bf16-mixed"]
    images = ["--data", "s3://b/images", "--data-option", "region=x"]
    typed = ["crossad", "train", "--config", "x", *images, "--gpu-id", "3", *inputs, "--store", "s3://b/r"]
    made = of(config(), device="NVIDIA H100", command=typed)
    line = command_line(made, "a b.json", [], "again")
    assert line.startswith("OMP_NUM_THREADS=3 crossad train --config 'a b.json' --experiment-id 0 --gpu-id 0 ")
    assert shlex.split(line)[9:] == [*images, *inputs, "--results-dir", "again"]
    other = command_line(made, "f", ["--data", "here"], "again")
    assert shlex.split(other)[9:] == ["--data", "here", *inputs, "--results-dir", "again"]
    assert "--gpu-id cpu" in command_line(of(config()), "f", [], "again")


def test_nothing_differs_where_all_is_as_it_was() -> None:
    entry = entries()[0]
    made = of(entry["config"], entry["condition_id"])
    same = Now(**{**vars(NOW), "data_lock": "lock", "weights": {"resnet18": "aa", "drawn": None}})
    assert differences(made, same) == []
    assert differences(of(entry["config"], f"{entry['condition_id']}r2"), same) == []  # a repeat is the same work


@pytest.mark.parametrize(
    ("change", "what", "decides"),
    [
        ({"data_lock": "other"}, "data lock", "numbers"),
        ({"weights": {"resnet18": "bb"}}, "weights resnet18", "numbers"),
        ({"weights": {}}, "weights resnet18", "numbers"),
        ({"libraries": {"torch": "2.2"}}, "torch", "digits"),
        ({"libraries": {}}, "torch", "digits"),
        ({"crossad_commit": "def"}, "crossad commit", "digits"),
        ({"cpu": "CPU Y"}, "processor", "digits"),
        ({"python": "3.12"}, "python", "none"),
    ],
)
def test_what_differs_is_named_with_what_it_decides(change: dict[str, Any], what: str, decides: str) -> None:
    entry = entries()[0]
    (found,) = differences(of(entry["config"], entry["condition_id"]), Now(**{**vars(NOW), **change}))
    assert (found.what, found.decides) == (what, decides)


def test_a_condition_that_means_something_else_now_comes_first() -> None:
    found = differences(of(config(), "0123456789abcdef"), Now(**{**vars(NOW), "python": "3.12"}))
    assert [one.what for one in found] == ["condition id", "python"]
    broken = of({"model_type": "no such model"}, "0123456789abcdef")
    assert differences(broken, NOW)[0].decides == "numbers"


def test_the_facts_hold_every_hash() -> None:
    told = facts(of(config(), image_digest="sha256:1", textures={"dtd:x": "tt"}))
    assert told["data lock"] == "lock"
    assert told["weights resnet18"] == "aa"
    assert told["textures dtd:x"] == "tt"
    assert told["image"] == "sha256:1"
    assert told["crossad"] == "1.0 (abc)"


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot read record"):
        read_record(tmp_path / "none.json")
    with pytest.raises(DataError, match="not a record of this crossad version"):
        parse_record(json.dumps({"format": 1}).encode(), "x")
