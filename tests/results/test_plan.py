from __future__ import annotations

from pathlib import Path

import pytest

from crossad.errors import DataError, MissingInputError, UsageError
from crossad.launch.control import find_run
from crossad.results.home import BucketHome, FolderHome
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan, PlanEntry, load_plan, load_plans, newest_plan, outline, pin_plan, revision_key
from crossad.store.folder import FolderStore


def entry(index: int, name: str, condition_id: str) -> PlanEntry:
    return PlanEntry(experiment_id=index, name=name, config={}, condition_id=condition_id, training_key="t")


def plan(*entries: PlanEntry, run: str = "night", created: str = "2026-01-01T00:00:00Z") -> Plan:
    return Plan(run=run, suite="s", created=created, data="data", conditions=entries)


def test_the_same_plan_pinned_again_changes_nothing(tmp_path: Path) -> None:
    first = pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1"), entry(1, "b", "2")))
    again = pin_plan(FolderHome(tmp_path), plan(entry(1, "b", "2"), created="2026-02-02T00:00:00Z"))
    assert again == first == load_plan(RunPaths(tmp_path, "night"))
    assert len(list((tmp_path / ".crossad/runs/night/plans").iterdir())) == 1


def test_a_revision_adds_conditions_and_keeps_the_earlier_revision(tmp_path: Path) -> None:
    pin_plan(FolderHome(tmp_path), plan(entry(1, "b", "2")))
    grown = pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1")))
    assert (grown.revision, [one.name for one in grown.conditions]) == (2, ["a", "b"])
    assert sorted(path.name for path in (tmp_path / ".crossad/runs/night/plans").iterdir()) == [
        "0001.json",
        "0002.json",
    ]


@pytest.mark.parametrize("index", [0, 5])
def test_a_changed_condition_under_the_same_run_is_refused_by_name(tmp_path: Path, index: int) -> None:
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1")))
    with pytest.raises(UsageError, match=r"pinned other content for a \(experiment 0\): 1, now other"):
        pin_plan(FolderHome(tmp_path), plan(entry(index, "a", "other")))


def test_a_condition_that_was_taken_out_stays_and_those_behind_it_keep_their_ids(tmp_path: Path) -> None:
    home, three = FolderHome(tmp_path), (entry(0, "a", "1"), entry(1, "b", "2"), entry(2, "c", "3"))
    first = pin_plan(home, plan(*three))
    assert pin_plan(home, plan(entry(0, "b", "2"), entry(1, "c", "3"))) == first
    new = (entry(0, "b", "2"), entry(1, "new", "4"), entry(2, "more", "5"))
    grown = pin_plan(home, plan(*new))
    assert [(one.experiment_id, one.name) for one in grown.conditions] == [
        (0, "a"), (1, "b"), (2, "c"), (3, "new"), (4, "more"),
    ]  # fmt: skip
    assert [one.experiment_id for one in grown.own(new)] == [1, 3, 4]


def test_equal_content_under_two_names_is_two_conditions(tmp_path: Path) -> None:
    twins = (entry(0, "a", "1"), entry(1, "b", "1"))
    assert pin_plan(FolderHome(tmp_path), plan(*twins)).own(twins) == twins
    (renamed,) = load_plan(RunPaths(tmp_path, "night")).own([entry(1, "c", "1")])
    assert renamed.condition_id == "1"


def test_another_suite_s_conditions_are_not_mixed_in(tmp_path: Path) -> None:
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1")))
    other = plan(entry(0, "x", "9")).model_copy(update={"suite": "another"})
    with pytest.raises(UsageError, match=r"pinned other content for a \(experiment 0\)"):
        pin_plan(FolderHome(tmp_path), other)


def test_a_crash_between_revision_and_copy_is_repaired_by_the_next_pin(tmp_path: Path) -> None:
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1")))
    paths = RunPaths(tmp_path, "night")
    paths.plan.unlink()
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1"), created="2027-01-01T00:00:00Z"))
    assert load_plan(paths).created == "2026-01-01T00:00:00Z"


def test_loading_says_what_is_missing_or_wrong(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere"):
        load_plan(RunPaths(tmp_path, "nowhere"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/plan.json").write_text('{"kind": "other"}')
    with pytest.raises(DataError, match="kind"):
        load_plan(RunPaths(tmp_path, "odd"))


def test_plans_come_oldest_first_and_unreadable_ones_are_left_out(tmp_path: Path) -> None:
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1"), run="z", created="2026-01-01T00:00:00Z"))
    pin_plan(FolderHome(tmp_path), plan(entry(0, "a", "1"), run="a", created="2026-03-01T00:00:00Z"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/plan.json").write_text("{")
    assert [one.run for one in load_plans(FolderHome(tmp_path))] == ["z", "a"]


def test_a_damaged_pinned_plan_is_one_message_that_names_the_object_the_fault_and_the_way_out(tmp_path: Path) -> None:
    home = BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")
    pin_plan(home, plan(entry(0, "a", "1")))
    pin_plan(home, plan(entry(1, "b", "2")))
    key = revision_key("night", 2)
    body = home.state.get(key)
    for damage, told in (
        (body[: len(body) // 2], "file: Invalid JSON"),
        (body.replace(b'"suite"', b'"su\x1b[2Jite"'), "file: Invalid JSON"),
        (body.replace(b'"suite"', b'"su\\u001b[2Jite"'), "suite: Field required"),
        (body.replace(b'"experiment_id": 1', b'"experiment_id": "x"'), "conditions.1.experiment_id: Input should be"),
    ):
        home.state.put(key, damage)
        for ask in (lambda: newest_plan(home.state, "night"), lambda: find_run(home, "night")):
            with pytest.raises(DataError) as caught:
                ask()
            assert caught.value.message.startswith(f"not a plan of this crossad version: {home.uri}/{key}: {told}")
            assert caught.value.hint is not None
            assert caught.value.message.isprintable()
            assert len(caught.value.message) < 600
    home.state.delete(key)
    found = newest_plan(home.state, "night")
    assert found is not None
    assert [one.name for one in found.conditions] == ["a"], "as the hint says: moved away, the one before it counts"


def test_an_outline_is_the_plan_without_what_a_look_does_not_need(tmp_path: Path) -> None:
    home = BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")
    heavy = entry(0, "a", "1").model_copy(update={"config": {"seed": 1}, "evaluation_keys": {"A": "k"}})
    pinned = pin_plan(home, plan(heavy, entry(1, "b", "2")))
    for found in (newest_plan(home.state, "night", outline), find_run(home, None, outline)):
        assert found is not None
        light = heavy.model_copy(update={"config": {}, "evaluation_keys": {}})
        assert found == pinned.model_copy(update={"conditions": (light, pinned.conditions[1])})
    key = revision_key("night", 1)
    home.state.put(key, home.state.get(key).replace(b'"format": 1', b'"format": 9'))
    with pytest.raises(DataError, match=f"not a plan of this crossad version: .*{key}: format: "):
        newest_plan(home.state, "night", outline)
