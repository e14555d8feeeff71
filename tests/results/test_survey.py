"""What may go, and everything that must not."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faultproxy
import pytest
from s3servers import Place, Servers
from storeworld import LOCK, PLAN, WEEK, World, dump, told

from crossad.results.beacons import Beacon, beacon_key
from crossad.results.janitor import clear
from crossad.results.progress import Progress
from crossad.results.survey import Rules, Survey, survey
from crossad.store.base import Entry
from crossad.store.folder import FolderStore
from crossad.store.s3 import S3Store

both = pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)


@both
def test_an_attempt_that_nothing_leads_to_goes_and_a_committed_one_stays(world: World) -> None:
    world.done("c1", "winner", world.manifest("winner", world.kept("winner", "predictions.parquet")))
    world.kept("winner", "a file that the manifest forgot")
    world.manifest("loser", world.kept("loser", "predictions.parquet", b"12345"))
    world.age()
    before = world.held()
    found = world.look()
    assert told(found) == {("attempt", "attempts/loser/", 2)}
    assert found.items[0].why.startswith("no commit, failure, checkpoint or manifest leads to it; last written 8 days")
    assert world.held() == before, "a survey changes nothing"
    (done,) = clear(world.store, found)
    assert (done.objects, done.bytes, done.stays, done.troubles) == (2, found.items[0].bytes, None, ())
    assert world.held() == {key for key in before if not key.startswith("attempts/loser/")}
    assert told(world.look()) == set()


@both
def test_an_attempt_with_any_young_object_is_left_alone(world: World) -> None:
    world.kept("working", "logs/facts-000001.log")
    world.kept("working", "checkpoints/step-000000001.safetensors")
    world.age()
    world.kept("working", "logs/facts-000002.log")
    before = world.held()
    assert world.tidy() == []
    assert world.held() == before


@both
def test_what_a_manifest_names_in_another_attempt_stays_and_the_rest_of_that_attempt_goes(world: World) -> None:
    weights, zipped = world.kept("other", "weights.safetensors"), world.kept("other", "evaluations/B/pictures.zip")
    log = world.kept("parent", "logs/facts-000001.log")
    state = world.kept("parent", "checkpoints/step-000000001.safetensors")
    world.kept("other", "predictions.parquet")
    world.done("c1", "winner", world.manifest("winner", weights, state, logs=(log,), zipped=zipped))
    world.age()
    assert told(world.look()) == {("attempt", "attempts/other/", 1)}
    world.tidy()
    assert {weights.ref, zipped.ref, log.ref, state.ref} <= world.held()
    assert "attempts/other/predictions.parquet" not in world.held()


@both
def test_a_failed_attempt_stays_with_its_record_and_its_logs(world: World) -> None:
    manifest = world.manifest("failed", log := world.kept("failed", "logs/facts-000001.log"))
    world.ledger.record_failure("c1", "failed", {"failures": [], "record": None, "manifest": dump(manifest)})
    crashed = world.kept("crashed", "logs/facts-000001.log")
    world.ledger.record_failure("c2", "crashed", {"failures": [], "record": None, "manifest": None})
    world.age()
    assert world.tidy() == []
    assert {log.ref, crashed.ref} <= world.held()


@both
def test_checkpoints_go_once_their_training_is_committed_for_as_long(world: World) -> None:
    state = world.kept("a", "checkpoints/step-000000120.safetensors", b"123")
    pointer = world.pointer("t1", "a", state, log := world.kept("a", "logs/facts-000001.log"))
    world.age()
    assert world.tidy() == [], "the training is not committed: somebody may continue it"
    commit = world.trained("t1", "a", weights := world.kept("a", "weights.safetensors"))
    world.age(8, "attempts/", "checkpoints/")
    assert world.tidy() == [], "committed a moment ago: a second trainer may be at work, with this one's logs"
    world.age()
    assert told(world.look()) == {("checkpoint", pointer, 1), ("states", "attempts/a/checkpoints/", 1)}
    assert [done.item.kind for done in world.tidy()] == ["checkpoint", "states"], "never a pointer at nothing"
    assert world.held() == {commit, weights.ref, log.ref}


@both
def test_a_pointer_of_a_trainer_at_work_keeps_its_parents_logs(world: World) -> None:
    log = world.kept("parent", "logs/facts-000001.log")
    world.pointer("t1", "parent", world.kept("parent", "checkpoints/step-000000001.safetensors"), log)
    world.trained("t1", "elsewhere", world.kept("elsewhere", "weights.safetensors"))
    world.age()
    own = world.kept("child", "checkpoints/step-000000002.safetensors")
    world.pointer("t1", "child", own, log)
    world.tidy()
    assert {log.ref, own.ref} <= world.held()
    assert "attempts/parent/checkpoints/step-000000001.safetensors" not in world.held()


@both
def test_a_manifest_whose_commit_is_on_the_way_and_a_lit_beacon_keep_what_they_name(world: World) -> None:
    shared, quiet = world.kept("old", "weights.safetensors"), world.kept("quiet", "logs/facts-000001.log")
    hurt = world.kept("hurt", "logs/facts-000001.log")
    world.age()
    world.manifest("new", shared)
    progress = Progress(phase="fitting", started=0.0, updated=0.0, pid=1)
    lit = Beacon(attempt="quiet", every=30.0, progress=progress)
    world.store.put(beacon_key("night1", "c2", "quiet"), lit.model_dump_json().encode())
    world.store.put(beacon_key("night1", "c2", "hurt"), b"cut")
    assert world.tidy() == []
    assert {shared.ref, quiet.ref, hurt.ref} <= world.held()
    world.age()
    assert {item.key for item in world.look().items} == {
        f"attempts/{name}/" for name in ("old", "new", "quiet", "hurt")
    }


@both
def test_what_is_unknown_is_named_and_stays(world: World) -> None:
    odd = {"attempts/loose", "checkpoints/x", "notes/todo.txt", "checkpoints/a/b/c.json"}
    known = {"archives/1.zip", "assets/1.zip", "assets/names/dtd.json", "crossad-data.json", "crossad-store.json"}
    for key in odd | known:
        world.store.put(key, b"x")
    world.age()
    found = world.look()
    assert set(found.unknown_names) == odd
    assert found.unknown == 4
    assert found.items == []
    assert found.objects == 10


@both
def test_commits_set_aside_stay_unless_asked_for_and_keep_their_evidence(world: World) -> None:
    weights = world.kept("a", "weights.safetensors")
    world.trained("t1", "a", weights)
    world.ledger.withdraw("training", "t1", LOCK)
    world.age()
    assert world.tidy() == []
    kinds = {item.kind for item in world.look(Rules(timedelta(days=7), withdrawn=True)).items}
    assert kinds == {"withdrawn", "attempt"}
    world.tidy(Rules(timedelta(days=7), withdrawn=True))
    assert world.held() == set()


@both
def test_leavings_of_probes_go_when_they_are_old(world: World) -> None:
    world.store.put("probe/old/x", b"x")
    world.age()
    world.store.put("probe/new/x", b"x")
    assert told(world.look()) == {("probe", "probe/old/x", 1)}
    world.tidy()
    assert world.held() == {"probe/new/x"}


def test_claims_go_once_settled_and_one_that_would_still_bring_a_commit_keeps_what_it_names(versitygw: Place) -> None:
    world = World(versitygw, commit="plain", settle_seconds=0.0)
    manifest = world.manifest("settled", world.kept("settled", "x"))
    commit = world.done("c1", "settled", manifest)
    body = json.dumps({"format": 2, "attempt": "claimed", "weights": dump(world.kept("claimed", "weights"))}).encode()
    claim = f"claims/commits/training-t1.json/{'f' * 32}"
    world.store.put(claim, body)
    world.store.put(f"claims/{commit}/{'e' * 32}", b'{"format": 2, "attempt": "late loser"}')
    world.kept("late loser", "x")
    world.age()
    found = world.look()
    assert {(item.kind, item.key.rpartition("/")[0]) for item in found.items} == {
        ("claim", f"claims/{commit}"),
        ("attempt", "attempts/late loser"),
    }
    assert [item.kind for item in found.items].count("claim") == 2
    list(clear(world.store, found))
    assert {claim, commit, "attempts/claimed/weights"} <= world.held()
    assert world.store.read_once("commits/training-t1.json") == body, "a reader brings it, after the janitor too"
    assert world.ledger.committed("condition", "c1", LOCK) is not None


def test_uploads_that_were_left_are_given_up_when_they_are_old(
    versitygw: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = versitygw.open(commit="conditional")
    assert isinstance(store, S3Store)
    upload = store.bucket.begin_upload("attempts/a/weights", None)
    store.bucket.send_part("attempts/a/weights", upload, 1, bytes(1000))
    assert survey(store, WEEK).items == []
    week_later = store.now() + timedelta(days=8)
    monkeypatch.setattr(store, "now", lambda: week_later)
    (item,) = survey(store, WEEK).items
    assert (item.kind, item.key, item.bytes) == ("upload", "attempts/a/weights", 1000)
    assert "begun 8 days ago and never ended" in item.why
    list(clear(store, survey(store, WEEK)))
    assert survey(store, WEEK).items == []


def test_uploads_that_may_not_be_listed_are_told_and_the_rest_is_done(versitygw: Place, servers: Servers) -> None:
    world = World(versitygw)
    world.store.put("probe/left", b"x")
    world.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        proxy.add("refuse", "GET", "uploads", times=99, status=403, code="AccessDenied")
        found = survey(versitygw.behind(proxy, patience_seconds=0), WEEK)
    assert [item.key for item in found.items] == ["probe/left"]
    (trouble,) = found.leads.troubles
    assert trouble.told.startswith("unfinished uploads: s3://")
    assert "access denied" in trouble.told


@both
def test_attempts_without_any_run_or_commit_are_not_taken_for_garbage(place: Place) -> None:
    world = World(place)
    world.kept("a", "x")
    world.store.delete(PLAN)
    world.age()
    found = world.look()
    assert found.items == []
    assert "the address of another thing" in found.leads.troubles[0].told


def test_an_upload_in_an_attempt_at_work_is_left_alone(moto: Place) -> None:
    """On moto, whose uploads were all begun in 2010."""
    store = moto.open(commit="conditional")
    assert isinstance(store, S3Store)
    store.bucket.begin_upload("attempts/idle/weights", None)
    store.bucket.begin_upload("attempts/working/weights", None)
    store.put("attempts/working/log", b"x")
    store.put(PLAN, b"{}")
    assert [item.key for item in survey(store, WEEK).items] == ["attempts/idle/weights"]


class Crowded(FolderStore):
    """A folder that says it holds 100,000 objects of 5,000 attempts, 4,000 of them committed."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        then = datetime.now(UTC) - timedelta(days=30)
        keys = (f"attempts/{attempt:032x}/file-{number:02}" for attempt in range(5000) for number in range(19))
        commits = (f"commits/condition-{number:064x}.json" for number in range(5000))
        for key in (key for source in (keys, commits) for key in source if key.startswith(prefix)):
            yield Entry(key, 10, then, "")

    def get(self, key: str) -> bytes:
        number = int(key.rpartition("-")[2].removesuffix(".json"), 16)
        return json.dumps({"format": 2, "attempt": f"{number % 4000:032x}"}).encode()

    def uploads(self, before: datetime) -> Iterator[Any]:
        return iter(())


def test_memory_stays_bounded_with_a_hundred_thousand_objects(tmp_path: Path) -> None:
    store = Crowded(tmp_path)
    measured = peak(lambda: survey(store, WEEK))
    assert measured[0].objects == 100_000
    assert len(measured[0].items) == 1000
    assert sum(item.objects for item in measured[0].items) == 19_000
    assert measured[1] < 16 * 2**20


def peak(action: Callable[[], Survey]) -> tuple[Survey, int]:
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
