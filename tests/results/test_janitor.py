"""Removing what a survey found, while others write."""

from __future__ import annotations

import faultproxy
import pytest
from s3servers import Place, Servers
from storeworld import LOCK, WEEK, World

from crossad.results.janitor import clear
from crossad.results.survey import survey
from crossad.store.faults import StoreDenied, StoreUnreachable

both = pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)


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
    assert stays[claim.key] == f"{commit} is not there any more"


def test_two_janitors_at_once_are_as_good_as_one(versitygw: Place) -> None:
    world = World(versitygw)
    for number in range(6):
        world.kept(f"a{number}", "x")
    world.age()
    first, second = world.look(), world.look()
    done = [*clear(world.store, first), *clear(world.store, second)]
    assert world.held() == set()
    assert [one.troubles for one in done] == [()] * 12


@both
def test_what_a_janitor_leaves_that_is_stopped_in_the_middle_the_next_one_finishes(world: World) -> None:
    pointer = world.pointer("t1", "a", world.kept("a", "checkpoints/step-000000120.safetensors"))
    commit = world.trained("t1", "a", weights := world.kept("a", "weights.safetensors"))
    for number in range(3):
        world.kept(f"lost-{number}", "x")
    world.age()
    stopped = clear(world.store, world.look())
    assert next(stopped).item.key == pointer
    stopped.close()
    world.tidy()
    assert world.held() == {commit, weights.ref}


@both
def test_a_pointer_or_a_leaving_that_is_written_again_after_the_survey_stays(world: World) -> None:
    pointer = world.pointer("t1", "a", state := world.kept("a", "checkpoints/step-000000120.safetensors"))
    world.trained("t1", "elsewhere", world.kept("elsewhere", "weights.safetensors"))
    world.store.put("probe/x", b"x")
    world.age()
    found = world.look()
    world.pointer("t1", "a", state)
    world.store.put("probe/x", b"x")
    stays = {done.item.key: done.stays for done in clear(world.store, found)}
    assert stays[pointer] == stays["probe/x"] == "gone or written again meanwhile"
    assert {pointer, state.ref, "probe/x"} <= world.held()
