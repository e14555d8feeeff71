"""A run from `helm install` to its report, on a real node: upgraded, rolled back and taken away while it runs."""

from __future__ import annotations

import pytest
from nodeworld import World, assert_equal

RUN = "night2"


def trainers(world: World) -> set[str]:
    """The names of the trainers' Jobs."""
    component = "app.kubernetes.io/component"
    return {name for name, job in world.jobs().items() if job["metadata"]["labels"][component] == "trainer"}


@pytest.mark.timeout(1800)  # the images are brought to the node first
def test_a_release_is_a_run_and_an_upgrade_runs_what_is_new(world: World):
    one = world.suite("one.json", first={"seed": 1})
    two = world.suite("two.json", first={"seed": 1}, second={"seed": 2})
    world.settings()
    world.images()
    here = world.local(two, RUN, "second")
    assert f"crossad status {RUN}" in world.helm("install", RUN, suite=one)
    ended = world.ended("controller", "trainer/first", "report")
    assert ended == {"controller": "Complete", "trainer/first": "Complete", "report": "Complete"}, world.node.told(
        world.namespace
    )
    before = trainers(world)
    world.helm("upgrade", RUN, suite=two)
    ended = world.ended("controller", "trainer/first", "trainer/second", "report")
    assert (ended["trainer/second"], ended["controller"]) == ("Complete", "Complete")
    assert len(trainers(world) - before) == 1
    there = world.fetched(RUN)
    assert_equal(there, here, "second")
    assert "second" in (there.root / "report/summary.csv").read_text()

    world.helm("test", RUN, "--timeout", "15m")
    world.helm("uninstall", RUN)
    assert trainers(world) > before
    assert not [name for name in world.jobs() if name.startswith("controller-")]
