"""A run comes whole or with names of what lacks; the next call brings only what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faultproxy import Proxy
from fetchworld import LOCK, PICTURES, RECORD, RUN, WEIGHTS, World, entry, files, local_night, unfinished
from s3servers import Place

from crossad.analysis.collect import collect
from crossad.errors import DataError, MissingInputError, UsageError
from crossad.fetch.session import fetch
from crossad.results.home import BucketHome, FolderHome, Kept
from crossad.results.layout import RunPaths
from crossad.results.manifest import parse_manifest, verify_artifacts
from crossad.store.faults import StoreUnreachable

ALL_DONE = ["one", "shared", "resumed"]


def local_manifest(folder: Path, name: str):
    path = RunPaths(folder, RUN).condition(name).manifest
    return parse_manifest(path.read_bytes(), str(path))


def committed(folder: Path, name: str) -> bool:
    return FolderHome(folder).ledger.committed("condition", f"id-{name}") is not None


def whole(folder: Path, name: str) -> bool:
    """Whether a condition counts in a fetched tree, and is as its manifest and commit say."""
    root = RunPaths(folder, RUN).condition(name).root
    commit = FolderHome(folder).ledger.committed("condition", f"id-{name}")
    manifest = local_manifest(folder, name)
    home = FolderHome(folder)
    there = [home.bring(Kept.model_validate(commit[key]), Path()) for key in ("record", "manifest")]
    return None not in there and verify_artifacts(root, manifest.artifacts) == []


@pytest.mark.parametrize("place", ["folder", "versitygw", "moto", "pretender"], indirect=True)
def test_a_run_comes_as_a_local_run_leaves_it(night: World, tmp_path: Path) -> None:
    here = tmp_path / "here"
    fetched = fetch(night.home, RUN, here)
    assert (fetched.done, fetched.failed, fetched.open, fetched.damaged) == (ALL_DONE, ["partial"], ["late"], {})
    paths = RunPaths(here, RUN)
    assert all(whole(here, name) for name in ALL_DONE)
    assert not committed(here, "partial")
    assert sorted(path.name for path in (paths.condition("partial").root / PICTURES).iterdir()) == [
        "0_B.jpg", "1_B.jpg", "2_B.jpg"
    ]  # fmt: skip
    resumed = paths.condition("resumed").log.read_text()
    assert [line.split()[-1] for line in resumed.splitlines()] == ["att-before"] + ["att-resumed"] * 3
    facts = paths.log.read_text().splitlines()
    assert facts == sorted(facts, key=lambda line: line[:19])
    assert sum("AUROC" in line for line in facts) == 4
    assert (paths.report / "figures/one.svg").is_file()
    assert (paths.tensorboard / "one" / Path(RECORD).name).is_file()
    assert (paths.tensorboard / "result_one_20260101_000000.json").is_file()
    found = json.loads((paths.condition("one").root / RECORD).read_text())
    assert (here / found["best_checkpoint"]).is_file()
    manifest = local_manifest(here, "one")
    assert (manifest.archives, manifest.logs) == ((), ())
    assert all(artifact.key is None for artifact in manifest.artifacts)
    assert unfinished(here) == []
    collection = collect(here, [RUN], FolderHome(here).ledger)
    assert {one.name for one in collection.entries if one.record} == {*ALL_DONE, "partial"}


@pytest.mark.parametrize("place", ["pretender"], indirect=True)
def test_without_conditional_writes_the_earliest_claim_is_the_commit_that_comes(
    world: World, place: Place, tmp_path: Path
) -> None:
    """Nobody pinned the winner: its trainer was killed right after its claim, and another one claimed later."""
    world.plan(entry(0, "one"))
    world.done("one", "winner")
    name = world.home.ledger.newest("condition", ["id-one"])["id-one"]
    body = world.store.get(name)
    world.home.ledger.withdraw("condition", "id-one", LOCK)
    world.done("one", "loser")
    late = world.store.get(name)
    world.home.ledger.withdraw("condition", "id-one", LOCK)
    for digit, claim in (("0", body), ("f", late)):  # of one second, the name decides
        world.store.put(f"claims/{name}/{digit * 32}", claim)
    elsewhere = BucketHome(place.open(), tmp_path / "other machine")
    assert fetch(elsewhere, RUN, tmp_path / "here").done == ["one"]
    assert local_manifest(tmp_path / "here", "one").attempt == "winner"
    assert world.store.get(name) == body, "the first reader pins"
    assert fetch(elsewhere, RUN, tmp_path / "here").files == 0


def test_what_is_here_is_not_asked_for_again(night: World, place: Place, proxy: Proxy, tmp_path: Path) -> None:
    home = BucketHome(place.behind(proxy), tmp_path / "work")
    fetch(home, RUN, tmp_path / "here")
    assert proxy.count("GET", f"{WEIGHTS}") == 3  # of one and shared together, of partial, of resumed
    before = files(tmp_path / "here")
    proxy.seen.clear()
    again = fetch(home, RUN, tmp_path / "here")
    assert (again.files, again.bytes) == (0, 0)
    asked = [path.partition("?")[0] for method, path, _ in proxy.seen if method == "GET" and "attempts/" in path]
    assert len(asked) == 4
    assert all(path.endswith("/manifest.json") for path in asked)
    assert not any("reports/00aa/index" in path for method, path, _ in proxy.seen if method == "GET")
    assert files(tmp_path / "here") == before


def test_metadata_takes_one_listing_of_commits_and_one_of_failures(
    world: World, place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    names = [f"c{number}" for number in range(12)]
    world.plan(*(entry(number, name) for number, name in enumerate(names)))
    for name in names[:6]:
        world.done(name, f"att-{name}")
    world.failed("c7", "att-c7")
    fetched = fetch(BucketHome(place.behind(proxy), tmp_path / "work"), RUN, tmp_path / "here", only=["records"])
    assert (len(fetched.done), fetched.failed, len(fetched.open)) == (6, ["c7"], 5)
    listed = [path for method, path, _ in proxy.seen if method == "GET" and "list-type" in path]
    for prefix in ("%2Fcommits", "%2Ffailures"):
        assert sum(prefix in path and "claims" not in path for path in listed) == 1


@pytest.mark.parametrize(
    "path", [WEIGHTS, RECORD, f"{PICTURES}/0_B.jpg", "multi_domain_one.log", "../report/index.html"]
)
def test_what_was_changed_here_is_brought_again(night: World, path: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    fetch(night.home, RUN, here)
    before = files(here)
    target = RunPaths(here, RUN).condition("one").root / path
    target.write_bytes(b"edited")
    if "checkpoints" not in path:  # else the other link of it, too
        assert fetch(night.home, RUN, here).files == 1
    else:
        assert fetch(night.home, RUN, here).files == 2
    assert files(here) == before


def test_an_edited_file_that_was_not_asked_for_is_not_certified(night: World, tmp_path: Path) -> None:
    here = tmp_path / "here"
    fetch(night.home, RUN, here)
    weights = RunPaths(here, RUN).condition("one").root / WEIGHTS
    weights.write_bytes(b"edited")
    fetch(night.home, RUN, here, only=["records"])
    assert verify_artifacts(RunPaths(here, RUN).condition("one").root, local_manifest(here, "one").artifacts) == [
        f"changed: {WEIGHTS}"
    ]


def test_kinds_one_after_another_end_as_the_whole(night: World, tmp_path: Path) -> None:
    fetch(night.home, RUN, tmp_path / "whole")
    first = fetch(night.home, RUN, tmp_path / "here", only=["reports", "records"])
    assert first.done == ALL_DONE
    brought = set(files(tmp_path / "here" / RUN / f"one_{RUN}"))
    assert brought == {RECORD, "manifest.json"}
    assert committed(tmp_path / "here", "one")
    for only in (["visualizations"], ["checkpoints", "logs"]):
        fetch(night.home, RUN, tmp_path / "here", only=only)
    assert fetch(night.home, RUN, tmp_path / "here").damaged == {}
    withdrawn = [path for path in files(tmp_path / "here") if "/withdrawn/" in path]
    assert withdrawn
    here = {path: digest for path, digest in files(tmp_path / "here").items() if path not in withdrawn}
    assert here == files(tmp_path / "whole")
    assert all(whole(tmp_path / "here", name) for name in ALL_DONE)


def test_one_condition_then_another_keeps_both_in_the_run_s_log(night: World, tmp_path: Path) -> None:
    for name in ("one", "1"):
        fetch(night.home, RUN, tmp_path, names=[name])
    log = RunPaths(tmp_path, RUN).log.read_text()
    assert "| one |" in log
    assert "| shared |" in log
    assert not RunPaths(tmp_path, RUN).condition("resumed").root.exists()


@pytest.mark.parametrize(
    ("key", "body", "told"),
    [
        (f"attempts/att-one/{WEIGHTS}", b"other", "expected"),
        (f"attempts/att-one/{WEIGHTS}", None, "no such object"),
        ("attempts/att-one/evaluations/B/pictures.zip", b"no zip", "expected"),
        ("attempts/att-one/logs/facts-000000.log", b"other", "expected"),
        ("attempts/att-one/manifest.json", b"{}", "sha256 is not the commit's"),
        ("attempts/att-one/manifest.json", None, "no such object"),
        (f"commits/condition-id-one@{'ab' * 6}.json", b'{"format": 2}', "not a commit of this version"),
        (f"commits/condition-id-one@{'ab' * 6}.json", b"\xff", "not a crossad commit"),
    ],
    ids=["changed", "gone", "archive", "log", "manifest", "no-manifest", "commit", "no-commit"],
)
def test_damage_is_named_nothing_half_written_is_left_and_a_repair_completes(
    night: World, key: str, body: bytes | None, told: str, tmp_path: Path
) -> None:
    good = night.store.get(key)
    if body is None:
        night.store.delete(key, once=False)
    else:
        night.store.put(key, body)
    here = tmp_path / "here"
    fetched = fetch(night.home, RUN, here)
    (wrong,) = fetched.damaged["one"]
    assert key in wrong
    assert told in wrong
    assert "resumed" in fetched.done
    assert whole(here, "resumed")
    assert not committed(here, "one")
    assert not RunPaths(here, RUN).condition("one").manifest.exists()
    assert unfinished(here) == []
    night.store.put(key, good)
    assert fetch(night.home, RUN, here).damaged == {}
    assert whole(here, "one")
    fetch(night.home, RUN, tmp_path / "whole")
    assert files(here) == files(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["cut", "truncate", "corrupt"])
def test_bodies_that_break_on_the_way_are_asked_for_again_or_named(
    night: World, place: Place, proxy: Proxy, kind: str, tmp_path: Path
) -> None:
    proxy.add(kind, "GET", WEIGHTS, times=1)
    here = tmp_path / "here"
    home = BucketHome(place.behind(proxy), tmp_path / "work")
    fetched = fetch(home, RUN, here)
    if kind == "corrupt":
        assert len(fetched.damaged) in (1, 2)  # the shared weights belong to two
        assert unfinished(here) == []
        fetched = fetch(home, RUN, here)
    assert fetched.damaged == {}
    assert all(whole(here, name) for name in ALL_DONE)


def test_a_store_that_goes_away_is_one_error_and_the_next_call_asks_for_the_rest_only(
    night: World, place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    home = BucketHome(place.behind(proxy, patience_seconds=0.0), tmp_path / "work")
    here = tmp_path / "here"
    away = proxy.add("refuse", "GET", "logs/facts", times=10**6)
    with pytest.raises(StoreUnreachable) as caught:
        fetch(home, RUN, here, threads=1)
    assert caught.value.exit_code == 75
    assert not committed(here, "one")
    got = len([path for path in files(here) if path.endswith(("safetensors", "jpg"))])
    assert got
    away.times = 0
    proxy.seen.clear()
    assert fetch(home, RUN, here).damaged == {}
    assert proxy.count("GET", WEIGHTS) == 0
    assert all(whole(here, name) for name in ALL_DONE)


def test_a_log_that_was_cut_is_continued_at_its_piece(night: World, place: Place, proxy: Proxy, tmp_path: Path) -> None:
    home = BucketHome(place.behind(proxy, patience_seconds=0.0), tmp_path / "work")
    away = proxy.add("refuse", "GET", "att-resumed/logs/facts-000001", times=10**6)
    with pytest.raises(StoreUnreachable):
        fetch(home, RUN, tmp_path / "here", names=["resumed"], only=["logs"], threads=1)
    away.times = 0
    proxy.seen.clear()
    fetch(home, RUN, tmp_path / "here", names=["resumed"], only=["logs"])
    assert [path.rpartition("/")[2].partition("?")[0] for method, path, _ in proxy.seen if "logs/facts" in path] == [
        "facts-000001.log"
    ]


def test_a_results_folder_is_fetched_into_another(tmp_path: Path) -> None:
    home = local_night(tmp_path / "there")
    fetched = fetch(home, RUN, tmp_path / "here")
    assert (fetched.done, fetched.open, fetched.damaged) == (["one"], ["late"], {})
    assert whole(tmp_path / "here", "one")
    there, here = (files(tmp_path / folder / RUN / f"one_{RUN}") for folder in ("there", "here"))
    assert {path: there[path] for path in there if path != "manifest.json"} == {
        path: here[path] for path in here if path != "manifest.json"
    }
    assert (tmp_path / "here" / RUN / "report/index.html").read_text() == "page"


def test_another_run_s_name_for_the_same_condition_is_this_run_s_here(world: World, tmp_path: Path) -> None:
    world.plan(entry(0, "ours", condition_id="id-theirs"))
    world.done("theirs", "att-theirs")
    fetch(world.home, RUN, tmp_path)
    assert RunPaths(tmp_path, RUN).condition("ours").log.is_file()


def test_no_such_run_or_condition_is_told_with_the_ones_there_are(night: World, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="night2") as caught:
        fetch(night.home, "night2", tmp_path)
    assert "night1" in str(caught.value)
    with pytest.raises(UsageError, match="onne"):
        fetch(night.home, RUN, tmp_path, names=["onne"])
    with pytest.raises(MissingInputError):
        fetch(night.home, "../night1", tmp_path)
    assert list(tmp_path.rglob("plan.json")) == []


@pytest.mark.parametrize("body", [b"{}", b"\xff", b"[]"])
def test_a_plan_that_is_none_is_one_message(world: World, body: bytes, tmp_path: Path) -> None:
    world.store.put(f"runs/{RUN}/plans/0001.json", body)
    with pytest.raises(DataError, match=RUN):
        fetch(world.home, RUN, tmp_path)
