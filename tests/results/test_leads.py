"""What must stay because of what an object says, whatever state that object is in."""

from __future__ import annotations

import faultproxy
import pytest
from s3servers import Place, Servers
from storeworld import LOCK, WEEK, World, told

from crossad.results.janitor import clear
from crossad.results.survey import survey

both = pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)


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
