"""Failures and beacons go once nobody needs them, and with a failure the attempt that only it led to."""

from __future__ import annotations

import pytest
from faultproxy import Proxy
from s3servers import Place
from storeworld import LOCK, WEEK, World, dump, told

from crossad.results.beacons import Beacon, beacon_key
from crossad.results.janitor import clear
from crossad.results.progress import Progress
from crossad.results.survey import survey

both = pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)


def failed(world: World, attempt: str, days: float, *, left: bool = True, condition: str = "c1") -> str:
    """A failure of that age, of an attempt that left its log, and a manifest or not."""
    log = world.kept(attempt, "logs/facts-000001.log")
    manifest = world.manifest(attempt, log) if left else None
    payload = {"failures": [], "record": None, "manifest": dump(manifest) if manifest else None}
    world.ledger.record_failure(condition, attempt, payload)
    key = f"failures/{condition}/{attempt}.json"
    world.age(days, f"attempts/{attempt}/", key)
    return key


def lit(world: World, attempt: str, days: float, condition: str = "c1") -> str:
    progress = Progress(phase="interrupted", started=0.0, updated=0.0, pid=1)
    beacon = Beacon(attempt=attempt, every=30.0, progress=progress)
    key = beacon_key("night1", condition, attempt)
    world.store.put(key, beacon.model_dump_json().encode())
    world.age(days, key)
    return key


def done(world: World, attempt: str, days: float, condition: str = "c1") -> str:
    commit = world.done(condition, attempt, world.manifest(attempt, world.kept(attempt, "predictions.parquet")))
    world.age(days, f"attempts/{attempt}/", commit)
    return commit


@both
def test_of_an_open_condition_the_newest_failure_and_the_newest_that_left_files_stay(world: World) -> None:
    oldest, left = failed(world, "oldest", 12), failed(world, "left", 11)
    between, newest = failed(world, "between", 10, left=False), failed(world, "newest", 9, left=False)
    other = failed(world, "other", 30, condition="c2")
    goes = {("failure", oldest, 1), ("failure", between, 1)}
    assert told(world.look()) == goes | {("attempt", "attempts/oldest/", 2), ("attempt", "attempts/between/", 1)}
    world.tidy()
    assert {key for key in world.held() if key.startswith("failures/")} == {left, newest, other}
    assert {key.split("/")[1] for key in world.held() if key.startswith("attempts/")} == {"left", "newest", "other"}
    assert world.tidy() == []


@both
def test_failures_before_a_commit_go_and_those_after_it_stay(world: World) -> None:
    failed(world, "before", 20)
    commit = done(world, "winner", 15)
    after = failed(world, "after", 10)
    world.tidy()
    names = {key for key in world.held() if not key.startswith("attempts/")}
    assert names == {commit, after}
    assert {key.split("/")[1] for key in world.held() if key.startswith("attempts/")} == {"winner", "after"}


@both
def test_nothing_young_goes_and_no_failure_because_of_a_young_commit(world: World) -> None:
    failed(world, "old", 20)
    failed(world, "young", 1)
    failed(world, "younger", 0.5)
    done(world, "winner", 0.1, condition="c2")
    failed(world, "c2 old", 20, condition="c2")
    before = world.held()
    assert {item.key for item in world.look().items} == {"failures/c1/old.json", "attempts/old/"}
    world.tidy()
    assert before - world.held() == {
        "failures/c1/old.json", "attempts/old/manifest.json", "attempts/old/logs/facts-000001.log"
    }  # fmt: skip


@both
def test_one_failure_that_cannot_be_understood_keeps_the_others_of_its_condition(world: World) -> None:
    failed(world, "a", 12)
    failed(world, "b", 11)
    world.store.put("failures/c1/c.json", b"cut")
    world.age(10, "failures/c1/c.json")
    before = world.held()
    found = world.look()
    assert found.items == []
    assert {trouble.key for trouble in found.leads.troubles} == {"failures/c1/c.json"}
    list(clear(world.store, found))
    assert world.held() == before


@both
def test_beacons_go_with_their_attempts_where_the_condition_is_done(world: World) -> None:
    open_ = {lit(world, "gone long ago", 20, "c2"), lit(world, "interrupted", 10, "c2")}
    parent = world.kept("parent", "logs/facts-000001.log")
    world.kept("loser", "rest")
    world.done("c1", "winner", world.manifest("winner", logs=(parent,)))
    world.age(9)
    kept = {lit(world, "winner", 8.5), lit(world, "parent", 8.5)}
    young, loser = lit(world, "young", 1), lit(world, "loser", 8.5)
    assert told(world.look()) == {("beacon", loser, 1), ("attempt", "attempts/loser/", 1)}
    world.tidy()
    assert {key for key in world.held() if key.startswith("runs/")} == open_ | kept | {young}


@both
def test_a_commit_withdrawn_after_the_survey_keeps_failures_beacons_and_what_they_lead_to(world: World) -> None:
    failure = failed(world, "before", 20)
    beacon = lit(world, "nobody", 20)
    done(world, "winner", 15)
    found = world.look()
    assert {item.kind for item in found.items} == {"failure", "attempt", "beacon"}
    world.ledger.withdraw("condition", "c1", LOCK)
    stays = {done.item.kind: done.stays for done in clear(world.store, found)}
    assert all(stays.values())
    assert stays["attempt"] == "something leads to it now"
    assert {failure, beacon, "attempts/before/manifest.json"} <= world.held()


def test_a_failure_that_may_not_be_removed_keeps_its_attempt(versitygw: Place, proxy: Proxy) -> None:
    world = World(versitygw)
    failed(world, "before", 20)
    done(world, "winner", 15)
    proxy.add("refuse", "DELETE", "/failures/", times=99, status=403, code="AccessDenied")
    behind = versitygw.behind(proxy, patience_seconds=0)
    outcome = {one.item.kind: one.stays for one in clear(behind, survey(behind, WEEK))}
    assert outcome == {"failure": "it could not be removed", "attempt": "something leads to it now"}
    assert "attempts/before/manifest.json" in world.held()
