"""The records of a run of many conditions: two requests each, every byte verified, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from faultproxy import Proxy
from fetchworld import LOCK, RECORD, RUN, World, entry, record
from s3servers import Place

from crossad.analysis.collect import Collection
from crossad.analysis.holes import Hole
from crossad.analysis.records import Packed, Unreadable
from crossad.cli.compare import command
from crossad.fetch import gather as gathering
from crossad.fetch.found import find_plan
from crossad.fetch.gather import gather
from crossad.fetch.records import Records, read_records
from crossad.results.home import BucketHome
from crossad.results.plan import Plan
from crossad.results.record import Record

DONE = ["one", "shared", "resumed"]


def silent(stage: str, count: int, total: int) -> None:
    """Nobody watches."""


def read(home: BucketHome, plan: Plan | None = None) -> Records:
    return read_records(home, plan or find_plan(home, RUN), Path("results"), silent)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run counts as one of many conditions."""
    monkeypatch.setattr(gathering, "PICTURED", 0)


def gathered(home: BucketHome) -> Collection:
    return gather(home, [RUN], silent)


def test_a_condition_costs_two_requests_and_nothing_is_written(
    night: World, place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    records = read(BucketHome(place.behind(proxy), work))
    assert records.damaged == {}
    assert {one: type(found) for one, found in records.found.items()} == {f"id-{name}": Packed for name in DONE}
    asked = [path.partition("?")[0] for method, path, _ in proxy.seen if method == "GET" and "list-type" not in path]
    assert not [path for path in asked if path.endswith("manifest.json")]
    assert len([path for path in asked if "/commits/" in path or "/result_" in path]) == 2 * len(DONE)
    assert not work.exists()


def test_what_a_report_shows_is_what_the_trainer_wrote(night: World) -> None:
    commit = night.home.ledger.committed("condition", "id-one", LOCK)
    assert commit is not None
    wrote = Record.model_validate_json(night.store.get(commit["record"]["ref"]))
    found = read(night.home).found["id-one"]
    assert isinstance(found, Packed)
    left_out = {"summary", "training_info", "provenance"}
    assert found.record.model_dump(exclude=left_out) == wrote.model_dump(exclude=left_out)


@pytest.mark.usefixtures("few")
def test_one_damaged_record_is_named_and_the_others_are_reported(night: World) -> None:
    night.store.put(f"attempts/att-one/{RECORD}", b"{}")
    damaged = next(one for one in gathered(night.home).entries if one.name == "one")
    assert (damaged.state, damaged.record) == ("lost", None)
    assert damaged.detail.startswith(f"damaged in the store: attempts/att-one/{RECORD}: got sha256 ")
    assert [one.name for one in gathered(night.home).entries if one.state == "done"] == DONE[1:]


@pytest.mark.usefixtures("few")
def test_a_committed_record_of_another_version_is_told_by_its_place_in_the_run(night: World) -> None:
    commit = night.home.ledger.committed("condition", "id-one", LOCK)
    assert commit is not None
    body = json.dumps({**json.loads(night.store.get(commit["record"]["ref"])), "format": 2}).encode()
    kept = night.kept(f"attempts/att-other/{RECORD}", body)
    night.home.ledger.withdraw("condition", "id-one", LOCK)
    night.home.ledger.commit("condition", "id-one", {**commit, "record": kept.model_dump()}, LOCK)
    found = gathered(night.home)
    (told,) = found.unreadable
    assert told.path.relative_to(found.results).as_posix() == f"{RUN}/one_{RUN}/{RECORD}"
    assert told.reason.startswith("not a record of this crossad version: ")
    assert next(one for one in found.entries if one.name == "one").detail == f"its record is {told.reason}"


def test_a_partial_condition_has_the_record_that_its_failure_names(night: World) -> None:
    body = record("late", "att-late", status="partial")
    kept = night.kept(f"attempts/att-late/{RECORD}", body).model_dump()
    manifest = night.kept("attempts/att-late/manifest.json", b"{}").model_dump()
    night.home.ledger.record_failure("id-late", "att-late", {"run": RUN, "record": kept, "manifest": manifest})
    found = read(night.home).found["id-late"]
    assert isinstance(found, Packed)
    assert found.record.status == "partial"


@pytest.mark.usefixtures("few")
def test_numbers_of_other_data_are_not_reported(night: World) -> None:
    why = Hole("stale", detail="done, but the data are others now", next_step="crossad retry")
    found = {one.name: one for one in gather(night.home, [RUN], silent, {"id-one": why}).entries}
    assert (found["one"].state, found["one"].record, found["one"].detail) == ("stale", None, why.detail)
    assert found["shared"].state == "done"


def test_a_record_of_another_condition_is_not_taken(night: World) -> None:
    plan = find_plan(night.home, RUN)
    commit = night.home.ledger.committed("condition", "id-one", LOCK)
    assert commit is not None
    night.home.ledger.commit("condition", "id-strange", commit, LOCK)
    strange = replace_id(plan, "one", "id-strange")
    found = read(night.home, strange).found["id-strange"]
    assert isinstance(found, Unreadable)
    assert found.reason == "of another condition: got id-one, the plan owes id-strange"


def replace_id(plan: Plan, name: str, condition_id: str) -> Plan:
    changed = [
        one.model_copy(update={"condition_id": condition_id}) if one.name == name else one for one in plan.conditions
    ]
    return plan.model_copy(update={"conditions": tuple(changed)})


def test_a_key_from_outside_is_refused(world: World) -> None:
    plan = world.plan(entry(0, "one"))
    world.done("one", "att-one")
    commit = world.home.ledger.committed("condition", "id-one", LOCK)
    assert commit is not None
    world.home.ledger.withdraw("condition", "id-one", LOCK)
    outside = {**commit["record"], "ref": "../elsewhere/result_20260101_000000.json"}
    world.home.ledger.commit("condition", "id-one", {**commit, "record": outside}, LOCK)
    (told,) = read(world.home, plan).damaged.values()
    assert "elsewhere" in told


@pytest.mark.usefixtures("few")
def test_a_report_of_everything_that_is_done_asks_nobody_where_the_rest_stands(
    world: World, place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    world.plan(entry(0, "one"))
    world.done("one", "att-one")
    found = gathered(BucketHome(place.behind(proxy), tmp_path / "work"))
    assert found.complete
    listed = [path for _, path, _ in proxy.seen if "list-type" in path]
    assert not [path for path in listed if "live" in path]


@pytest.mark.usefixtures("few")
def test_two_of_many_conditions_are_compared_by_their_scores(night: World, place: Place) -> None:
    words = ["--store", night.home.uri, "--results-dir", str(night.home.results)]
    words += ["--store-option", f"endpoint={place.endpoint}"]
    told = CliRunner().invoke(command, ["one", "shared", *words, "--json"])
    assert told.exit_code == 0, told.stderr
    assert [one["images"] for one in json.loads(told.stdout)["domains"]] == [120, 120]
