"""What a janitor removes, and everything that it must not."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faultproxy
import pytest
from s3servers import Place, Servers

from crossad.results.checkpoints import Checkpoint, pointer_key
from crossad.results.home import Kept
from crossad.results.janitor import Done, clear
from crossad.results.ledger import Ledger
from crossad.results.manifest import Archive, Artifact, Log, Manifest
from crossad.results.survey import Rules, Survey, survey
from crossad.store.base import Entry, Store
from crossad.store.bucket import md5_of
from crossad.store.faults import StoreDenied, StoreUnreachable
from crossad.store.folder import FolderStore
from crossad.store.s3 import S3Store

WEEK = Rules(timedelta(days=7))
LOCK = "ab" * 32
both = pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)


class World:
    """A store with attempts at work in it, some of them long ago."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.place = place
        self.store: Store = place.open(**options) if place.kind != "folder" else place.open()
        self.ledger = Ledger(self.store)

    def kept(self, attempt: str, name: str, data: bytes = b"bytes") -> Kept:
        key = f"attempts/{attempt}/{name}"
        self.store.put(key, data)
        return Kept(ref=key, bytes=len(data), sha256="0" * 64)

    def manifest(self, attempt: str, *artifacts: Kept, logs: tuple[Kept, ...] = (), zipped: Kept | None = None) -> Kept:
        found = Manifest(
            attempt=attempt,
            condition_id="c",
            condition="name",
            run="night1",
            artifacts=tuple(Artifact(path=kept.ref.split("/", 2)[2], key=kept.ref) for kept in artifacts),
            archives=(Archive(path="visualizations", key=zipped.ref, bytes=1, sha256="0" * 64),) if zipped else (),
            logs=(Log(path="multi_domain_name.log", chunks=logs),),
        )
        body = found.model_dump_json().encode()
        return self.kept(attempt, "manifest.json", body).model_copy(update={"sha256": hashlib.sha256(body).hexdigest()})

    def done(self, condition: str, attempt: str, manifest: Kept) -> str:
        self.ledger.commit(
            "condition",
            condition,
            {"attempt": attempt, "run": "night1", "record": dump(manifest), "manifest": dump(manifest)},
            LOCK,
        )
        return f"commits/condition-{condition}@{LOCK[:12]}.json"

    def trained(self, key: str, attempt: str, weights: Kept) -> str:
        self.ledger.commit("training", key, {"attempt": attempt, "weights": dump(weights)}, LOCK)
        return f"commits/training-{key}@{LOCK[:12]}.json"

    def pointer(self, key: str, attempt: str, state: Kept, *logs: Kept) -> str:
        work = f"{key}@{LOCK[:12]}"
        found = Checkpoint(key=key, step=120, checkpoint=state, attempt=attempt, logs={"facts": logs})
        self.store.put(pointer_key(work, attempt), found.model_dump_json().encode())
        return pointer_key(work, attempt)

    def held(self) -> set[str]:
        return {entry.key for entry in self.store.list()}

    def age(self, days: float = 8, *prefixes: str) -> None:
        """Make objects old, all or those below some prefixes."""
        then = time.time() - days * 86400
        for key in self.held():
            if not prefixes or key.startswith(prefixes):
                os.utime(self.place.path(key), (then, then))

    def look(self, rules: Rules = WEEK) -> Survey:
        return survey(self.store, rules)

    def tidy(self, rules: Rules = WEEK) -> list[Done]:
        return list(clear(self.store, self.look(rules)))


def dump(kept: Kept) -> dict[str, Any]:
    return kept.model_dump(mode="json")


def told(found: Survey) -> set[tuple[str, str, int]]:
    return {(item.kind, item.key, item.objects) for item in found.items}


@pytest.fixture
def world(place: Place) -> World:
    return World(place)


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
    world.ledger.record_failure("c1", "crashed", {"failures": [], "record": None, "manifest": None})
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
    world.age()
    world.manifest("new", shared)
    world.store.put("runs/night1/live/c2.json", b'{"attempt": "quiet", "progress": {}}')
    assert world.tidy() == []
    assert {shared.ref, quiet.ref} <= world.held()


@both
def test_a_commit_made_after_the_survey_keeps_its_objects(world: World) -> None:
    ours, shared = world.kept("late", "predictions.parquet"), world.kept("shared", "weights.safetensors")
    world.kept("shared", "rest")
    world.kept("garbage", "rest")
    manifest = world.manifest("late", ours, shared)
    world.age()
    found = world.look()
    assert len(found.items) == 3
    world.done("c1", "late", manifest)
    stays = {done.item.key: done.stays for done in clear(world.store, found)}
    assert stays == {
        "attempts/late/": "something leads to it now",
        "attempts/shared/": None,
        "attempts/garbage/": None,
    }
    assert {ours.ref, shared.ref, manifest.ref} <= world.held()
    assert not {"attempts/shared/rest", "attempts/garbage/rest"} & world.held()


def test_a_commit_made_between_two_groups_of_attempts_keeps_its_objects(versitygw: Place) -> None:
    world = World(versitygw)
    for number in range(20):
        world.kept(f"a{number:02}", "x")
    world.age()
    clearing = clear(world.store, world.look())
    next(clearing)
    world.trained("t1", "a19", world.kept("elsewhere", "weights.safetensors"))
    assert {done.item.key: done.stays for done in clearing}["attempts/a19/"] == "something leads to it now"
    assert {key for key in world.held() if key.startswith("attempts/a")} == {"attempts/a19/x"}


@both
def test_an_attempt_that_is_written_to_after_the_survey_is_left_alone(world: World) -> None:
    old = world.kept("a", "x")
    world.age()
    found = world.look()
    new = world.kept("a", "y")
    (done,) = clear(world.store, found)
    assert done.stays == "written to meanwhile"
    assert world.held() == {old.ref, new.ref}


@both
def test_a_training_withdrawn_after_the_survey_keeps_its_checkpoint(world: World) -> None:
    state = world.kept("a", "checkpoints/step-000000120.safetensors")
    pointer = world.pointer("t1", "a", state)
    world.trained("t1", "a", world.kept("a", "weights.safetensors"))
    world.age()
    found = world.look()
    world.ledger.withdraw("training", "t1", LOCK)
    list(clear(world.store, found))
    assert {pointer, state.ref} <= world.held()


BROKEN = {
    "not json": b"\0 attempts/mine/ and more",
    "another version": b'{"format": 99, "attempt": "mine"}',
    "another shape": b'{"format": 99, "where": [{"there": "attempts/mine/x"}]}',
    "cut": b'{"format": 2, "attempt": "mine", "wei',
}


@both
@pytest.mark.parametrize("body", BROKEN.values(), ids=[name.replace(" ", "-") for name in BROKEN])
@pytest.mark.parametrize(
    "name", ["commits/condition-c9.json", "failures/c9/mine.json", "checkpoints/t9@abababababab/mine.json"]
)
def test_what_is_damaged_or_of_another_version_is_named_and_keeps_what_it_names(
    world: World, name: str, body: bytes
) -> None:
    world.kept("mine", "x")
    world.kept("garbage", "x")
    world.store.put(name, body)
    world.age()
    found = world.look()
    assert [trouble.key for trouble in found.leads.troubles] == [name]
    assert {done.item.key for done in clear(world.store, found)} == {"attempts/garbage/"}
    assert world.held() == {"attempts/mine/x", name}


@both
def test_a_manifest_that_is_gone_or_changed_is_named_and_stops_nothing(world: World) -> None:
    world.done("c1", "a", gone := world.manifest("a", world.kept("a", "x")))
    changed = world.manifest("b", shared := world.kept("other", "x"))
    world.done("c2", "b", changed)
    world.store.put(changed.ref, world.store.get(changed.ref) + b" ")
    world.store.delete(gone.ref)
    world.kept("garbage", "x")
    world.age()
    found = world.look()
    assert {trouble.key: trouble.told.split(";")[0] for trouble in found.leads.troubles} == {
        gone.ref: "no such object",
        changed.ref: f"not the bytes that commits/condition-c2@{LOCK[:12]}.json names",
    }
    list(clear(world.store, found))
    assert {"attempts/a/x", shared.ref} <= world.held()
    assert "attempts/garbage/x" not in world.held()


def test_while_a_commit_cannot_be_read_no_attempt_is_touched(versitygw: Place, servers: Servers) -> None:
    world = World(versitygw)
    world.kept("garbage", "x")
    pointer = world.pointer("t1", "a", world.kept("a", "checkpoints/step-000000001.safetensors"))
    commit = world.trained("t1", "a", world.kept("a", "weights.safetensors"))
    world.store.put("probe/left", b"x")
    world.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        proxy.add("refuse", "GET", commit.partition("@")[0], times=99, status=403, code="AccessDenied")
        behind = versitygw.behind(proxy, patience_seconds=0)
        found = survey(behind, WEEK)
        assert [(trouble.key, trouble.hides) for trouble in found.leads.troubles] == [(commit, True)]
        assert told(found) == {("probe", "probe/left", 1)}
        list(clear(behind, found))
    assert {"attempts/garbage/x", pointer, commit} <= world.held()
    assert "probe/left" not in world.held()


def test_a_commit_that_appears_and_cannot_be_read_stops_the_removal_of_attempts(
    versitygw: Place, servers: Servers
) -> None:
    world = World(versitygw)
    world.kept("garbage", "x")
    world.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        behind = versitygw.behind(proxy, patience_seconds=0)
        found = survey(behind, WEEK)
        commit = world.trained("t1", "b", world.kept("b", "weights"))
        proxy.add("refuse", "GET", commit.partition("@")[0], times=99, status=403, code="AccessDenied")
        (done,) = clear(behind, found)
    assert done.stays == f"what {commit} leads to is not known"
    assert "attempts/garbage/x" in world.held()


def test_one_object_that_cannot_be_removed_does_not_stop_the_rest(versitygw: Place, servers: Servers) -> None:
    world = World(versitygw)
    for name in ("a/x", "a/y", "b/x"):
        world.kept(*name.split("/"))
    world.store.put("probe/left", b"x")
    world.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        for path in ("/a/x", "/probe/left"):
            proxy.add("refuse", "DELETE", path, times=99, status=403, code="AccessDenied")
        behind = versitygw.behind(proxy, patience_seconds=0)
        outcome = {done.item.key: done for done in clear(behind, survey(behind, WEEK))}
    assert world.held() == {"attempts/a/x", "probe/left"}
    assert [trouble.key for trouble in outcome["attempts/a/"].troubles] == ["attempts/a/x"]
    assert "access denied" in outcome["attempts/a/"].troubles[0].told
    assert (outcome["attempts/a/"].objects, outcome["attempts/b/"].objects) == (1, 1)
    assert outcome["probe/left"].stays == "it could not be removed"


def test_a_store_that_stops_answering_ends_it(versitygw: Place, servers: Servers) -> None:
    world = World(versitygw)
    world.kept("a", "x")
    world.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        behind = versitygw.behind(proxy, patience_seconds=0)
        found = survey(behind, WEEK)
        proxy.add("refuse", "DELETE", times=99)
        with pytest.raises(StoreUnreachable):
            list(clear(behind, found))
        proxy.add("refuse", "GET", times=99, status=403, code="AccessDenied")
        with pytest.raises(StoreDenied):
            survey(behind, WEEK)


@both
def test_what_is_unknown_is_named_and_stays(world: World) -> None:
    odd = {"attempts/loose", "checkpoints/x", "notes/todo.txt", "checkpoints/a/b/c.json"}
    for key in odd | {"archives/1.zip", "crossad-data.json", "runs/night1/plans/0001.json", "crossad-store.json"}:
        world.store.put(key, b"x")
    world.age()
    found = world.look()
    assert set(found.unknown_names) == odd
    assert found.unknown == 4
    assert found.items == []
    assert found.objects == 8


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


def test_claims_of_a_commit_that_was_withdrawn_after_the_survey_are_left_to_others(versitygw: Place) -> None:
    world = World(versitygw, commit="plain", settle_seconds=0.0)
    commit = world.trained("t1", "a", world.kept("a", "weights"))
    world.age()
    found = world.look()
    (claim,) = (item for item in found.items if item.kind == "claim")
    body = world.store.get(claim.key)
    world.ledger.withdraw("training", "t1", LOCK)
    world.store.put(claim.key, body)
    world.age()
    stays = {done.item.key: done.stays for done in clear(world.store, found)}
    assert stays[claim.key] == f"{commit} is not settled any more"


def test_uploads_that_were_left_are_given_up_when_they_are_old(
    versitygw: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = versitygw.open(commit="conditional")
    assert isinstance(store, S3Store)
    upload, data = store.bucket.begin_upload("attempts/a/weights", None), bytes(1000)
    store.bucket.request(
        "upload_part", "attempts/a/weights", UploadId=upload, PartNumber=1, Body=data, ContentMD5=md5_of(data)
    )
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


def test_an_upload_in_an_attempt_at_work_is_left_alone(moto: Place) -> None:
    """On moto, whose uploads were all begun in 2010."""
    store = moto.open(commit="conditional")
    assert isinstance(store, S3Store)
    store.bucket.begin_upload("attempts/idle/weights", None)
    store.bucket.begin_upload("attempts/working/weights", None)
    store.put("attempts/working/log", b"x")
    assert [item.key for item in survey(store, WEEK).items] == ["attempts/idle/weights"]


def test_two_janitors_at_once_are_as_good_as_one(versitygw: Place) -> None:
    world = World(versitygw)
    for number in range(6):
        world.kept(f"a{number}", "x")
    world.age()
    first, second = world.look(), world.look()
    done = [*clear(world.store, first), *clear(world.store, second)]
    assert world.held() == set()
    assert [one.troubles for one in done] == [()] * 12


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
