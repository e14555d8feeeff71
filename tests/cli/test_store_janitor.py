"""`crossad store janitor` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import faultproxy
import pytest
from click.testing import CliRunner, Result
from s3servers import SECRET, Place, Servers
from storeworld import World

from crossad.cli import cli
from crossad.results.layout import STATE
from crossad.store.s3 import S3Store

pytestmark = pytest.mark.usefixtures("identity")


def janitor(*words: object) -> Result:
    result = CliRunner().invoke(cli, ["store", "janitor", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    return result


def reach(place: Place, endpoint: str = "") -> list[str]:
    return [place.uri, "--store-option", f"endpoint={endpoint or place.endpoint}"]


@pytest.fixture
def garbage(versitygw: Place) -> World:
    world = World(versitygw)
    world.kept("lost", "weights.safetensors", bytes(3 * 2**20))
    world.done("c1", "won", world.manifest("won", world.kept("won", "predictions.parquet")))
    world.age()
    return world


def test_the_dry_run_tells_what_would_go_how_much_and_why_and_changes_nothing(garbage: World) -> None:
    before = garbage.held()
    result = janitor(*reach(garbage.place))
    assert result.exit_code == 0
    assert result.stdout == (
        "would remove attempt    attempts/lost/, 1 objects, 3 MiB:"
        " no commit, failure, checkpoint or manifest leads to it; last written 8 days ago\n"
        f"{garbage.place.uri}: 5 objects, 3 MiB; would remove 1 objects, 3 MiB\n"
    )
    assert result.stderr == "next: the same with --apply\n"
    assert garbage.held() == before


def test_apply_removes_it_once(garbage: World) -> None:
    result = janitor(*reach(garbage.place), "--apply")
    assert result.exit_code == 0
    assert result.stdout.startswith("removed      attempt    attempts/lost/, 1 objects, 3 MiB: ")
    assert result.stderr == ""
    assert not [key for key in garbage.held() if "lost" in key]
    again = janitor(*reach(garbage.place), "--apply")
    assert again.exit_code == 0
    assert again.stdout.endswith("; removed 0 objects, 0 B\n")


def test_facts_for_machines_say_the_same(garbage: World) -> None:
    for words, verb in (((), False), (("--apply",), True)):
        result = janitor(*reach(garbage.place), *words, "--json")
        facts = json.loads(result.stdout)
        assert facts["applied"] is verb
        assert facts["counts"] == {
            "objects": 1,
            "bytes": 3 * 2**20,
            "kinds": {"attempt": 1},
            "stays": 0,
            "troubles": 0,
        }
        (row,) = facts["found"]
        assert (row["kind"], row["key"], row["stays"]) == ("attempt", "attempts/lost/", None)
    assert json.loads(janitor(*reach(garbage.place), "--json").stdout)["found"] == []


@pytest.mark.parametrize(("age", "gone"), [("9d", 0), ("7d", 1), ("191h", 1), ("0s", 1), ("20000m", 0)])
def test_what_counts_as_old_is_an_option(garbage: World, age: str, gone: int) -> None:
    facts = json.loads(janitor(*reach(garbage.place), "--older-than", age, "--json").stdout)
    assert facts["counts"]["objects"] == gone


def test_an_upload_of_a_killed_process_is_given_up(versitygw: Place) -> None:
    store = versitygw.open(commit="conditional")
    assert isinstance(store, S3Store)
    upload = store.bucket.begin_upload("attempts/a/weights", None)
    store.bucket.send_part("attempts/a/weights", upload, 1, bytes(1000))
    time.sleep(2.1)  # the server's times are whole seconds
    result = janitor(*reach(versitygw), "--older-than", "0s", "--apply")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "removed      upload     attempts/a/weights, 1000 B: a large write begun 0.0 hours ago"
    )
    assert store.bucket.uploads() == ([], "")


def test_a_bad_object_is_named_the_rest_goes_and_the_exit_code_is_3(garbage: World) -> None:
    garbage.store.put("commits/condition-c9.json", b"what is this")
    garbage.store.put("notes.txt", b"")
    garbage.age()
    result = janitor(*reach(garbage.place), "--apply")
    assert result.exit_code == 3
    assert "trouble: commits/condition-c9.json: not a crossad commit" in result.stderr
    assert "unknown, left alone: notes.txt" in result.stderr
    assert result.stdout.startswith("removed      attempt    attempts/lost/")
    assert {"commits/condition-c9.json", "notes.txt"} <= garbage.held()


def test_what_may_not_be_removed_is_told_with_exit_code_3(garbage: World, servers: Servers) -> None:
    garbage.store.put("probe/left", b"")
    garbage.age()
    with faultproxy.serving(servers.versitygw) as proxy:
        proxy.add("refuse", "DELETE", "/probe/left", times=99, status=403, code="AccessDenied")
        result = janitor(*reach(garbage.place, proxy.endpoint), "--apply")
    assert result.exit_code == 3
    assert "left         probe      probe/left, 0 B: it could not be removed" in result.stdout
    assert "access denied" in result.stderr
    assert not [key for key in garbage.held() if "lost" in key]


def test_while_something_cannot_be_read_a_person_is_told_why_no_attempt_goes(garbage: World, servers: Servers) -> None:
    with faultproxy.serving(servers.versitygw) as proxy:
        proxy.add("refuse", "GET", "/commits/", times=99, status=403, code="AccessDenied")
        result = janitor(*reach(garbage.place, proxy.endpoint), "--apply")
    assert result.exit_code == 3
    assert "no attempt is removed before that is mended" in result.stderr
    assert "attempts/lost/weights.safetensors" in garbage.held()


def test_a_results_folder_is_tidied_in_its_state(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name in ("probe/left", "commits/condition-c1.json", "evaluations/e-1/predictions.parquet"):
        path = results / STATE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"format": 2, "attempt": "a"}')
        os.utime(path, (1, 1))
    result = janitor(results, "--apply")
    assert result.exit_code == 0
    assert not (results / STATE / "probe").exists()
    assert (results / STATE / "evaluations/e-1/predictions.parquet").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["/no/such/folder"], 2, "no such folder: /no/such/folder"),
        (["s3://"], 2, "not a store"),
        (["s3://KEY:hunter2@bucket"], 2, "credentials in an address are refused"),
        (["s3://b", "--store-option", "secret_access_key=hunter2"], 2, "a literal credential is refused"),
        (["s3://b", "--store-option", "endpoint=https://KEY:hunter2@host"], 2, "credentials in the URL are refused"),
        (["s3://b", "--older-than", "7"], 2, "allowed: a number and d, h, m or s"),
        ([".", "--store-option", "region=x"], 2, "only for s3://bucket/prefix"),
    ],
    ids=["folder", "address", "credentials", "secret", "endpoint", "age", "option"],
)
def test_bad_input_is_told_and_no_secret_with_it(words: list[str], code: int, told: str) -> None:
    result = janitor(*words)
    assert result.exit_code == code
    assert told in result.stderr
    assert "hunter2" not in result.output


def test_a_store_that_does_not_answer_is_75(versitygw: Place) -> None:
    words = [
        *reach(versitygw, "http://127.0.0.1:9"),
        "--store-option",
        "patience_seconds=0",
        "--store-option",
        "attempts=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "crossad", "store", "janitor", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 75
    assert "no whole answer from http://127.0.0.1:9" in done.stderr
