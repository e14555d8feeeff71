from __future__ import annotations

import base64
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.errors import CrossadError, DataError, MissingInputError
from crossad.results.payload import (
    UNDATED,
    carried,
    pack,
    pack_text,
    plan_from_environment,
    plan_from_shards,
    plan_json,
    unpack,
)
from crossad.results.plan import Plan, PlanEntry


def entry(index: int) -> PlanEntry:
    return PlanEntry(
        experiment_id=index,
        name=f"조건 {index}",
        description="",
        config={"model_type": "draem", "max_epochs": index},
        condition_id=f"{index:016x}",
        training_key=f"{index:016x}",
        evaluation_keys={},
        overrides={"max_epochs": index},
        resources={},
    )


@pytest.fixture
def plan() -> Plan:
    entries = tuple(entry(index) for index in range(3))
    return Plan(
        run="night", revision=4, repeat=2, suite="base", created="2026-11-25T00:00:00+00:00", data="/data",
        command=("crossad", "run"), overrides={"max_epochs": 2}, conditions=entries,
    )  # fmt: skip


def test_a_plan_survives_packing(plan):
    assert unpack(pack(plan_json(plan)), "here") == plan


def test_packing_twice_gives_the_same_bytes(plan):
    assert pack(plan_json(plan)) == pack(plan_json(plan))
    assert gzip.decompress(pack(plan_json(plan))).decode() == plan_json(plan)


def test_a_job_carries_its_conditions_and_nothing_of_when_and_how(plan):
    part = carried(plan, plan.conditions[1:2])
    assert part.conditions == plan.conditions[1:2]
    assert (part.run, part.repeat, part.suite, part.data) == ("night", 2, "base", "/data")
    assert (part.created, part.command, part.revision, part.overrides) == (UNDATED, (), 1, {"max_epochs": 1})


def test_the_environment_gives_the_plan(plan, monkeypatch):
    monkeypatch.setenv("CROSSAD_PLAN", pack_text(plan_json(plan)))
    assert plan_from_environment("CROSSAD_PLAN") == plan


def test_shards_are_joined_in_the_order_of_their_names(plan, tmp_path):
    packed = pack(plan_json(plan))
    for index in (2, 0, 1):
        (tmp_path / f"plan-{index:03d}").write_bytes(packed[index * 100 : (index + 1) * 100 if index < 2 else None])
    (tmp_path / "..data").mkdir()  # what kubelet puts beside them
    assert plan_from_shards(tmp_path) == plan


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not base64 !", "not a packed plan: environment variable X"),
        (base64.b64encode(b"no gzip").decode(), "not a packed plan"),
        (base64.b64encode(gzip.compress(b"{}")).decode(), "not a plan of this crossad version"),
        (base64.b64encode(gzip.compress(b"[1]")[:-9]).decode(), "it ends too early"),
        ("", "it ends too early"),
    ],
)
def test_what_is_no_plan_is_told(text, told, monkeypatch):
    monkeypatch.setenv("X", text)
    with pytest.raises(DataError, match=told):
        plan_from_environment("X")


def test_what_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("X", raising=False)
    with pytest.raises(MissingInputError, match="env:X: no such environment variable"):
        plan_from_environment("X")
    with pytest.raises(MissingInputError, match="no plan in"):
        plan_from_shards(tmp_path)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data):
    with pytest.raises(CrossadError):
        unpack(data, "here")
