"""Whatever a plan, a manifest, a commit or a report says: nothing is written outside DIR/<run> and its state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fetchworld import PICTURES, RUN, WEIGHTS, World, entry, files, unfinished

from crossad.errors import DataError
from crossad.fetch.session import fetch
from crossad.results.layout import RunPaths
from crossad.results.manifest import Manifest

KEY = f"attempts/att-bad/{WEIGHTS}"
HASH = "ab" * 32
PATHS = {
    "absolute": "/etc/evil", "climbs": "../../evil", "climbs-inside": "a/../../../evil", "dot": "./evil",
    "control": "evil\x1b[2J", "newline": "a\nb", "nul": "evil\0", "backslash": "..\\evil", "empty": "", "slash": "a//b",
    "manifest": "manifest.json", "manifest-case": "Manifest.JSON", "lock": ".lock", "state": ".crossad/commits/x.json",
    "hidden-below": "tensorboard_logs/.evil", "progress": "progress.json", "long": "x" * 300, "tail": "a/",
    "surrogate-like": "a\u2028b",
}  # fmt: skip
PAIRS = {
    "same": ("a", "a"), "case": ("a/B", "A/b"), "unicode": ("caf\u00e9", "cafe\u0301"), "below": ("a", "a/b"),
    "below-case": ("A/b", "a"), "below-pictures": (f"{PICTURES}/x.jpg", f"{PICTURES}/x.JPG"),
}  # fmt: skip
KEYS = {
    "foreign": "crossad-store.json", "commits": "commits/x.json", "climbs": "attempts/../crossad-store.json",
    "absolute": "/etc/passwd", "none": None, "empty": "", "data": "attemptsx/a",
}  # fmt: skip


def artifact(path: str = "evil", key: str | None = KEY, **more: Any) -> dict[str, Any]:
    return {"path": path, "key": key, "bytes": 4, "sha256": HASH, **more}


@pytest.fixture
def place(servers: Any, identity: None, tmp_path: Path) -> Any:
    """A folder plays the bucket: the manifests are a bucket's, and nothing depends on a server."""
    from s3servers import Place

    return Place("folder", servers, tmp_path / "store")


@pytest.fixture
def bad(world: World) -> World:
    """A good condition, and one whose manifest the test writes."""
    world.plan(entry(0, "good"), entry(1, "bad"))
    world.done("good", "att-good")
    return world


def fetched_with_one_named(world: World, here: Path, *told: str) -> None:
    """The good one comes, the bad one is named; all that was written lies where it may."""
    outside = files(here.parent / "outside") if (here.parent / "outside").exists() else {}
    fetched = fetch(world.home, RUN, here)
    assert fetched.done == ["good"]
    (wrong,) = fetched.damaged.values()
    assert all(word in " ".join(wrong) for word in told), wrong
    assert all(text.isprintable() for text in wrong)
    assert {path.name for path in here.iterdir()} == {RUN, ".crossad"}
    assert {path.name for path in (here / RUN).iterdir() if path.is_dir()} - {f"bad_{RUN}"} == {
        f"good_{RUN}", "tensorboard_logs"
    }  # fmt: skip
    bad = RunPaths(here, RUN).condition("bad").root
    assert [path for path in files(here) if "evil" in path] == []
    assert not (bad / "manifest.json").exists()
    assert unfinished(here) == []
    assert (files(here.parent / "outside") if (here.parent / "outside").exists() else {}) == outside


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_a_path_that_leads_elsewhere_or_takes_our_name(bad: World, path: str, tmp_path: Path) -> None:
    bad.done("bad", "att-bad", artifacts=[artifact(path)])
    fetched_with_one_named(bad, tmp_path / "here", "refused")


@pytest.mark.parametrize("field", ["archives", "logs"])
def test_the_same_for_archives_and_logs(bad: World, field: str, tmp_path: Path) -> None:
    path = "../../evil"
    kept = {"bytes": 4, "sha256": HASH}
    value = [{"path": path, "key": KEY, **kept}] if field == "archives" else [{"path": path, "chunks": []}]
    bad.done("bad", "att-bad", **{field: value})
    fetched_with_one_named(bad, tmp_path / "here", "refused")


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_two_paths_in_each_other_s_way(bad: World, pair: tuple[str, str], tmp_path: Path) -> None:
    bad.done("bad", "att-bad", artifacts=[artifact(path) for path in pair])
    fetched_with_one_named(bad, tmp_path / "here", "from outside")


def test_an_archive_must_not_replace_a_folder_with_other_files(bad: World, tmp_path: Path) -> None:
    archive = {"path": "tensorboard_logs", "key": KEY, "bytes": 4, "sha256": HASH}
    bad.done("bad", "att-bad", artifacts=[], archives=[archive])
    fetched_with_one_named(bad, tmp_path / "here", "outside the pictures")


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_outside_of_attempts(world: World, key: str | None, tmp_path: Path) -> None:
    world.plan(entry(0, "good"), entry(1, "bad"))
    world.done("good", "att-good")
    world.done("bad", "att-bad", artifacts=[artifact("a", key)])
    fetched_with_one_named(world, tmp_path / "here", "refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"condition_id": "id-good"}, {"attempt": "att-good"}, {"format": 1}, {"more": 1},
        {"artifacts": [artifact(bytes=-1)]},
    ],
    ids=["condition", "attempt", "format", "unknown", "negative"],
)  # fmt: skip
def test_a_manifest_of_something_else(bad: World, changes: dict[str, Any], tmp_path: Path) -> None:
    body = json.loads(Manifest.model_validate(bad.parts("bad", "att-bad")).model_dump_json()) | changes
    bad.commit("bad", json.dumps(body).encode(), "att-bad")
    fetched_with_one_named(bad, tmp_path / "here")


@pytest.mark.parametrize("where", ["root", "below", "target"])
def test_a_link_that_lies_there_already_is_not_followed(bad: World, where: str, tmp_path: Path) -> None:
    bad.done("bad", "att-bad")
    outside = tmp_path / "outside"
    (outside / "checkpoints").mkdir(parents=True)
    root = RunPaths(tmp_path / "here", RUN).condition("bad").root
    at = {"root": root, "below": root / "tensorboard_logs", "target": root / "predictions.csv"}[where]
    at.parent.mkdir(parents=True)
    at.symlink_to(outside)
    fetched_with_one_named(bad, tmp_path / "here", "a link is in the way")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_where_a_folder_has_to_be_and_the_other_way_round(bad: World, what: str, tmp_path: Path) -> None:
    bad.done("bad", "att-bad")
    root = RunPaths(tmp_path / "here", RUN).condition("bad").root
    (root / "predictions.csv").mkdir(parents=True)
    if what == "file":
        (root / "predictions.csv").rmdir()
        (root / "tensorboard_logs").write_text("in the way")
    fetched_with_one_named(bad, tmp_path / "here", f"a {what} is in the way")


def test_the_results_folder_itself_may_be_a_link_and_the_run_s_folder_not(bad: World, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "here").symlink_to("real")
    assert fetch(bad.home, RUN, tmp_path / "here").done == ["good"]
    (tmp_path / "other").mkdir()
    for name in (RUN, ".crossad"):
        (tmp_path / "other" / name).symlink_to(tmp_path / "real")
        with pytest.raises(DataError, match="a link is in the way"):
            fetch(bad.home, RUN, tmp_path / "other")
        (tmp_path / "other" / name).unlink()
    assert not (tmp_path / "other" / "plan.json").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../../evil"}, {"name": "x\x1b[2J"}, {"name": ""}, {"condition_id": "../commits/x"},
        {"condition_id": ""}, {"name": "good"}, {"name": "GOOD"}, {"name": "/etc"},
    ],
    ids=["climbs", "control", "empty", "id-climbs", "id-empty", "twice", "twice-case", "absolute"],
)  # fmt: skip
def test_a_plan_with_hostile_names(world: World, changes: dict[str, Any], tmp_path: Path) -> None:
    world.plan(entry(0, "good"), entry(1, **{"name": "bad", **changes}))
    world.done("good", "att-good")
    here = tmp_path / "here"
    fetched = fetch(world.home, RUN, here)
    assert fetched.done == ["good"]
    assert all(name.isprintable() for name in [*fetched.damaged, *fetched.open])
    assert len(fetched.damaged) + len(fetched.open) == 1
    assert {path.name for path in here.iterdir()} == {RUN, ".crossad"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "scratch", "store"]


def test_a_plan_of_another_run_is_refused(world: World, tmp_path: Path) -> None:
    world.plan(entry(0, "good"), run="../evil")
    with pytest.raises(DataError, match="is one of run"):
        fetch(world.home, RUN, tmp_path / "here")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("lock", ["@/../x", "g" * 64, "../../../../x"])
def test_a_commit_with_a_hostile_lock(bad: World, lock: str, tmp_path: Path) -> None:
    bad.done("bad", "att-bad")
    (name,) = [one.key for one in bad.store.list("commits/condition-id-bad")]
    body = json.loads(bad.store.get(name)) | {"data_lock": lock}
    bad.store.put(name, json.dumps(body).encode())
    fetched_with_one_named(bad, tmp_path / "here", name)


def test_a_manifest_of_very_many_pieces_ends_with_the_first_that_lacks(bad: World, tmp_path: Path) -> None:
    piece = {"ref": "attempts/att-bad/logs/none.log", "bytes": 1, "sha256": HASH}
    bad.done("bad", "att-bad", logs=[{"path": "training_detail.log", "chunks": [piece] * 50_000}])
    fetched_with_one_named(bad, tmp_path / "here", "none.log")


def test_a_piece_of_a_log_that_would_fill_the_memory_is_refused(bad: World, tmp_path: Path) -> None:
    piece = {"ref": "attempts/att-bad/logs/none.log", "bytes": 2**40, "sha256": HASH}
    bad.done("bad", "att-bad", logs=[{"path": "training_detail.log", "chunks": [piece]}])
    fetched_with_one_named(bad, tmp_path / "here", "allowed")


def test_a_report_whose_files_are_hidden_is_named_and_the_conditions_come(bad: World, tmp_path: Path) -> None:
    bad.report()
    bad.store.put(f"runs/{RUN}/reports/00aa/.evil", b"x")
    fetched = fetch(bad.home, RUN, tmp_path / "here")
    assert fetched.done == ["good"]
    assert "hidden" in fetched.damaged["the report"][0]
