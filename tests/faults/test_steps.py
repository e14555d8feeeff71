"""The list of named steps is what a trainer really does: no write that is not on it, no step that is never taken."""

from __future__ import annotations

import pytest
from nights import DAMAGED, DONE, FAILING, Night, covered
from policies import policies

from crossad.results.steps import STEPS

BAD_DATA = 65
PLACES = {
    "bucket": {"anywhere", "bucket"},
    "folder": {"anywhere"},
    "server": {"anywhere", "bucket", "unprobed"},
    "plain server": {"anywhere", "bucket", "plain"},
}


@pytest.mark.parametrize("kind", PLACES)
def test_every_write_is_a_step_and_every_step_is_taken(prepare, kind):
    names = [steps_taken(prepare(step, kind)) for step in ("nothing", *FAILING, DAMAGED[0])]
    claimed = kind == "plain server"  # there a commit is a claim, and then the copy of one
    assert {name for some in names for name in some} == {
        step.name for step in STEPS if step.where in PLACES[kind] and not (claimed and step.verb == "create")
    }
    assert [wrong for some in names for wrong in too_early(some)] == []


def steps_taken(night: Night) -> list[str]:
    """What a trainer does; with bad data, one more in the same working folder once they are repaired."""
    if night.damaged_data:
        assert night.train("pod") == BAD_DATA, night.said("pod")
        night.repair_data()
    assert night.train("pod") == DONE, night.said("pod")
    return covered(night.written("pod"))


def too_early(names: list[str]) -> list[str]:
    """What was written before something that it needs."""
    first = {name: names.index(name) for name in names}
    return [
        f"{step.name} before {earlier}"
        for step in STEPS
        for earlier in step.after
        if step.name in first and earlier in first and first[earlier] > first[step.name]
    ]


def test_a_write_that_is_no_step_is_told():
    with pytest.raises(AssertionError, match="no step of results"):
        covered([("put", "attempts/a/something-new.json")])


def test_steps_name_steps():
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert {earlier for step in STEPS for earlier in step.after} <= set(names)


def test_the_trainer_s_policy_allows_each_step_and_nothing_else():
    """docs/store.md: least rights, so each statement about writing is there for a step."""
    statements = {one["Sid"]: one for one in policies("BUCKET", "PREFIX", "DATA")["Trainer"]["Statement"]}
    for sid, verbs in (("Write", ("put", "create")), ("Remove", ("delete",))):
        allowed = [one.removeprefix("arn:aws:s3:::BUCKET/PREFIX/") for one in statements[sid]["Resource"]]
        needed = [step.key for step in STEPS if step.verb in verbs]
        assert [key for key in needed if not any(permits(one, key) for one in allowed)] == []
        assert [one for one in allowed if not any(permits(one, key) for key in needed)] == []


def permits(resource: str, key: str) -> bool:
    """Whether a policy's resource, in which `*` is anything, matches a step's key."""
    from fnmatch import fnmatchcase

    return fnmatchcase(key.replace("*", "x"), resource)
