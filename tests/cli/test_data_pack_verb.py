"""`crossad data pack` and `data fetch` as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossad.cli.data import command
from crossad.data.lock import changes, write_lock


def crossad(*words):
    return CliRunner().invoke(command, [*map(str, words)])


@pytest.fixture
def root(make_root):
    return make_root(3)


def test_pack_then_fetch_then_check(root, versitygw, tmp_path):
    reach = ("--data-option", f"endpoint={versitygw.endpoint}")
    packed = crossad("pack", root, versitygw.uri, *reach)
    assert packed.exit_code == 0, packed.stderr
    assert packed.stdout.count("uploaded") == 4
    assert f"{versitygw.uri}: 2 domains, index written" in packed.stdout
    assert f"no lock in {root}" in packed.stderr
    assert f"next: crossad run SUITE --data {versitygw.uri} --data-option endpoint=" in packed.stderr
    again = crossad("pack", root, versitygw.uri, *reach)
    assert again.stdout.count("already there") == 5
    fetched = crossad("fetch", versitygw.uri, *reach, "--data-cache", tmp_path / "cache", "--only", "domain_B")
    assert fetched.exit_code == 0, fetched.stderr
    (line,) = fetched.stdout.splitlines()
    assert sorted(path.name for path in Path(line).iterdir()) == ["data.lock.json", "domain_B"]
    fetched = crossad("fetch", versitygw.uri, *reach, "--data-cache", tmp_path / "cache")
    assert fetched.stdout == f"{line}\n"
    assert changes(Path(line)) == []
    checked = crossad("check", line, "--verify")
    assert checked.exit_code == 0, checked.stderr


def test_a_folder_may_hold_packed_images_too(root, tmp_path):
    facts = json.loads(crossad("pack", root, tmp_path / "packed", "--json").stdout)
    assert [(one["domain"], one["split"], one["images"]) for one in facts["archives"]] == [
        ("domain_A", "train", 3),
        ("domain_A", "test", 6),
        ("domain_B", "train", 3),
        ("domain_B", "test", 6),
    ]
    assert (facts["lock"], facts["index"]["state"]) == ("made while packing", "written")
    done = crossad("fetch", tmp_path / "packed", "--data-cache", tmp_path / "cache", "--json")
    assert changes(Path(json.loads(done.stdout)["root"])) == []


def test_a_root_with_a_lock_is_packed_without_a_note(root, tmp_path):
    write_lock(root)
    done = crossad("pack", root, tmp_path / "packed", "--json")
    assert json.loads(done.stdout)["lock"] == "of the root"
    assert "no lock" not in done.stderr


def test_a_domain_that_left_the_root_is_told(root, tmp_path):
    import shutil

    crossad("pack", root, tmp_path / "packed")
    shutil.rmtree(root / "domain_B")
    done = crossad("pack", root, tmp_path / "packed")
    assert "no longer in the index, as it is not in the root: domain_B" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pack", "none", "packed"), "no such data folder: none"),
        (("pack", "data", "gs://bucket"), "not a store: gs://bucket"),
        (("pack", "data", "data/packed"), "lies in ROOT data"),
        (("pack", "data", "packed", "--only", "domain_X"), "--only domain_X: not in data"),
        (("pack", "data", "s3://b/x", "--data-option", "secret_key=abc"), "a literal credential is refused"),
        (("pack", "data", "s3://b/x", "--data-option", "region"), "--data-option: got 'region', allowed NAME=VALUE"),
        (("pack", "data", "s3://b/x", "--data-option", "threads=two"), "--data-option threads: got 'two'"),
        (("fetch", "s3:/b/x"), "not an address of images: s3:/b/x"),
        (("fetch", "none"), "no such data folder: none"),
        (("fetch", "data", "--data-option", "region=x"), "--data-option: only for --data s3://bucket/prefix"),
        (("fetch", "data", "--only", "domain_a"), "did you mean domain_A?"),
        (("check", "s3://b/x"), 'fetch it first: crossad data check "$(crossad data fetch s3://b/x)"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_one_message(root, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = crossad(*words)
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "packed").exists()


def test_a_server_that_is_not_there_ends_with_75(root, tmp_path, versitygw):
    """As a process, because exit codes beyond bad input come from `main`."""
    options = ("--data-option", "endpoint=http://127.0.0.1:9", "--data-option", "patience_seconds=0")
    for verb in (("pack", root, "s3://bucket/x"), ("fetch", "s3://bucket/x")):
        words = [sys.executable, "-m", "crossad", "data", *map(str, verb), *options, "--data-option", "attempts=1"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ})
        assert done.returncode == 75, done.stderr
        assert "no whole answer from http://127.0.0.1:9" in done.stderr
        assert "Traceback" not in done.stderr
