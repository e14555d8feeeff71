"""What finished conditions cost is read from a few of the newest records, in a folder and in a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pastrecords import commit, record
from s3servers import Place

from crossad.results import past as room
from crossad.results.home import BucketHome, FolderHome, Home
from crossad.results.past import cost, past


@pytest.fixture(params=["folder", "versitygw"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    if request.param == "folder":
        return FolderHome(tmp_path / "results")
    place: Place = request.getfixturevalue("versitygw")
    return BucketHome(place.open(), tmp_path / "results")


def test_the_newest_records_of_the_models_that_are_asked_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        commit(home, record(f"d{index}", peak_memory_bytes=index + 1))
    commit(home, record("p", "patchcore"))
    found = past(home, {"draem"}, {})
    assert {one.model for one in found} == {"draem"}
    assert len(found) == 4
    assert found[0].bytes == 1000
    assert found[0].device == "H100"
    monkeypatch.setattr(room, "EACH", 2)
    assert len(past(home, {"draem", "patchcore", "dinomaly"}, {})) == 3


def test_no_more_commits_are_looked_at_than_said_and_known_ones_first(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(home, record("known"))
    for index in range(3):
        commit(home, record(f"p{index}", "patchcore"))
    monkeypatch.setattr(room, "LOOKED", 1)
    assert [one.model for one in past(home, {"draem", "patchcore"}, {"known": "draem"})] == ["draem"]


def test_what_cannot_be_read_is_left_out(home: Home) -> None:
    commit(home, record("good"))
    for name, damage in (("gone", None), ("changed", b"{}"), ("other", b"")):
        commit(home, record(name))
        key = f"attempts/a-{name}/record.json"
        if home.remote:
            home.state.delete(key) if damage is None else home.state.put(key, damage)
        else:
            (home.results / key).unlink() if damage is None else (home.results / key).write_bytes(damage)
    home.state.put("commits/condition-broken.json", b"not json")
    home.state.put("commits/condition-strange.json", json.dumps({"format": 2, "record": {"ref": 3}}).encode())
    assert len(past(home, {"draem"}, {})) == 1


def test_an_empty_store_has_no_past(home: Home) -> None:
    assert past(home, {"draem"}, {}) == []


def test_what_a_record_tells() -> None:
    one = cost(record("a"), 5)
    assert one is not None
    assert (one.fit_seconds, one.fit_work) == (30.0, 50 * 4 * 200)
    assert (one.score_seconds, one.score_work) == (9.0, 80 * 200)
    assert (one.other_seconds, one.batch_work, one.memory, one.device_memory, one.bytes) == (6.0, 800, 7, None, 5)


def test_a_memory_bank_sees_each_image_once() -> None:
    info = {"max_epochs_configured": 1, "last_trained_epoch": 0, "total_steps": 0, "training_images": 100}
    one = cost(record("a", "patchcore", training_info=info), None)
    assert one is not None
    assert (one.fit_work, one.batch_work) == (100 * 200, 100 * 200)


@pytest.mark.parametrize("key", ["shared_with", "resumed_from_step"])
def test_a_training_that_was_not_all_its_own_tells_no_time(key: str) -> None:
    info = record("a").training_info
    assert info is not None
    changed = {**info.model_dump(), key: "a" if key == "shared_with" else 7}
    one = cost(record("a", training_info=changed), None)
    assert one is not None
    assert (one.fit_seconds, one.score_seconds) == (None, 9.0)


def test_scores_that_were_there_already_tell_no_time() -> None:
    one = cost(record("a", timings_seconds={"fit": 30.0, "score": 1.0, "total": 32.0}), None)
    assert one is not None
    assert (one.fit_seconds, one.score_seconds) == (30.0, None)


def test_a_record_without_a_model_tells_nothing() -> None:
    assert cost(record("a", condition={"name": "a", "config": {}}), None) is None
