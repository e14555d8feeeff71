"""`crossad render` and `kubectl apply` on a real node: what is fetched equals a local run, bit for bit."""

from __future__ import annotations

import pytest
from nodeworld import World, assert_equal

RUN = "night1"


@pytest.mark.timeout(1800)  # the images are brought to the node first
def test_rendered_applied_and_fetched_equals_a_local_run(world: World):
    suite, settings = world.suite("suite.json", tiny={}), world.settings(namespace=world.namespace)
    world.images()
    here = world.local(suite, RUN, "tiny")
    world.crossad("render", suite, "-o", "objects", "--settings", settings, "--run", RUN)
    world.node.plane.kubectl("apply", "-f", str(world.folder / "objects"))
    ended = world.ended("trainer/tiny", "report")
    assert ended == {"trainer/tiny": "Complete", "report": "Complete"}, world.node.told(world.namespace)
    there = world.fetched(RUN)
    assert (there.root / "report/index.html").is_file()
    assert_equal(there, here, "tiny")
