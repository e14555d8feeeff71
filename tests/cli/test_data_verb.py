"""`crossad data` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner

from crossad.cli.data import command


def crossad(*words):
    return CliRunner().invoke(command, [*map(str, words)])


@pytest.fixture
def root(make_root):
    return make_root(4)


def test_a_sound_root_gets_its_lock(root):
    result = crossad("check", root)
    assert result.exit_code == 0, result.stderr
    assert "domain_A/test/fault" in result.stdout
    assert "32-bit tiff, grey" in result.stdout
    assert f"lock written: {root / 'data.lock.json'}" in result.stderr
    assert f"next: crossad run SUITE --data {root}" in result.stderr
    from crossad.data.lock import make_lock, read_lock

    assert read_lock(root) == make_lock(root)


def test_json_holds_facts_and_findings(root):
    facts = json.loads(crossad("check", root, "--json", "--no-lock").stdout)
    assert (facts["ok"], facts["lock"]) == (True, None)
    assert facts["sets"]["domain_B/train/good"]["images"] == 4
    assert {finding["code"] for finding in facts["findings"]} == {"few"}
    assert not (root / "data.lock.json").exists()


def test_every_error_is_told_with_a_hint_and_no_lock_is_written(root):
    (root / "domain_A/train/good/000001.tiff").write_bytes(b"x")
    (root / "domain_B/test/good/000002.tiff").write_bytes(b"")
    other = root / "domain_B/test/fault/000003.tiff"
    other.write_bytes((root / "domain_B/train/good/000003.tiff").read_bytes())
    result = crossad("check", root)
    assert result.exit_code == 2
    for told in (
        "error: domain_A/train/good/000001.tiff: not an image",
        "error: domain_B/test/good/000002.tiff: not an image",
        "error: domain_B/test/fault and domain_B/train/good: splits or labels share images",
    ):
        assert told in result.stdout
    assert result.stdout.count("hint:") >= 3
    assert "errors: 3" in result.stderr
    assert "no lock was written" in result.stderr
    assert not (root / "data.lock.json").exists()


def test_many_errors_are_counted_in_text_and_complete_in_json(root, monkeypatch):
    monkeypatch.setattr("crossad.cli.data.LINES", 2)
    for path in (root / "domain_A/train/good").iterdir():
        path.write_bytes(b"")
    text, facts = crossad("check", root), json.loads(crossad("check", root, "--json").stdout)
    assert text.stdout.count("error: ") == 2
    assert "more; --json names all" in text.stdout
    assert sum(finding["code"] == "unreadable" for finding in facts["findings"]) == 4


def test_verify_names_what_changed(root):
    missing = crossad("check", root, "--verify")
    assert (missing.exit_code, "no lock" in missing.stderr) == (2, True)
    crossad("check", root)
    assert crossad("check", root, "--verify").exit_code == 0
    before = (root / "data.lock.json").read_bytes()
    (root / "domain_B/test/good/000000.tiff").unlink()
    changed = crossad("check", root, "--verify")
    assert changed.exit_code == 2
    assert changed.stdout == "domain_B/test is not what the lock says (8 images then, 7 now)\n"
    assert (root / "data.lock.json").read_bytes() == before
    facts = json.loads(crossad("check", root, "--verify", "--json").stdout)
    assert (facts["ok"], len(facts["changes"])) == (False, 1)


def test_a_root_that_is_not_there_is_bad_input(tmp_path):
    for words in (("check", tmp_path / "none"), ("check", tmp_path / "none", "--verify")):
        result = crossad(*words)
        assert result.exit_code == 2
        assert "error: no such data folder" in result.stderr
        assert "hint:" in result.stderr


def test_a_lock_that_cannot_be_written_ends_in_a_message(root):
    (root / "data.lock.json").mkdir()
    result = crossad("check", root)
    assert result.exit_code == 2
    assert "cannot write" in result.stderr
    assert "--no-lock" in result.stderr


@pytest.fixture
def raw(tmp_path):
    rng = np.random.default_rng(3)
    for folder, bright in (
        ("K_TSA_DIF_train/Normal2_LSSm0.3_HSS0", 0.3),
        ("K_TSA_DIF_test/Normal2_LSSm0.3_HSS0", 0.3),
        ("K_TSA_DIF_test/Planet_fault_ring/1.42_LSSm0.3_HSS0", 0.9),
    ):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        values = rng.random((31, 95, 1, 4)) * bright
        scipy.io.savemat(tmp_path / "raw" / folder / "data.mat", {"Xdata": values})
    return tmp_path / "raw"


def test_import_then_check(tmp_path, raw):
    words = ("import", raw, "--domain", "domain_A", "--class", "1", "--sensor", "3", "-o", tmp_path / "root")
    result = crossad(*words)
    assert result.exit_code == 0, result.stderr
    assert "domain_A: written: train/good: 4, test/good: 4, test/fault: 4" in result.stdout
    assert f"next: crossad data check {tmp_path / 'root'}" in result.stderr
    assert "already there" in crossad(*words).stdout
    checked = crossad("check", tmp_path / "root")
    assert checked.exit_code == 0, checked.stdout
    assert "SYNTHETIC" not in checked.stdout


def test_import_of_named_files_warns_where_a_png_clips(tmp_path, raw):
    train, good, fault = sorted(raw.rglob("*.mat"), key=lambda path: ("train" not in str(path), "fault" in str(path)))
    words = ["import", "--train-good", train, "--test-good", good, "--test-fault", fault, "--format", "png8"]
    result = crossad(*words, "--domain", "B", "-o", tmp_path / "root")
    assert result.exit_code == 0, result.stderr
    assert "pixels were clipped; --headroom 3" in result.stdout
    facts = json.loads(crossad(*words, "--domain", "C", "-o", tmp_path / "root", "--headroom", "3.1", "--json").stdout)
    assert (facts["state"], facts["clipped_share"], facts["synthetic"]) == ("written", 0, False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing to import"),
        (("none",), "no such folder"),
        (("--train-good", "none.mat", "--test-good", "none.mat"), "no such file"),
        (("--train-good", "none.mat"), "no maps to test"),
        (("here", "--train-good", "none.mat"), "got folders and files"),
    ],
    ids=["nothing", "folder", "file", "no-test", "both"],
)
def test_import_says_what_is_missing(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    result = crossad("import", *words, "--domain", "A", "-o", "root")
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("words", [("--size", "0x9"), ("--shape", "native"), ("--headroom", "0"), ("--limit", "0")])
def test_options_out_of_range_are_usage_errors(tmp_path, raw, words):
    result = crossad("import", raw, "--domain", "A", "-o", tmp_path / "root", *words)
    assert result.exit_code == 2  # click's own; `main` turns it into 64
    assert "Invalid value" in result.stderr


def test_as_a_program_it_ends_with_codes_not_tracebacks(tmp_path, root):
    def run(*words):
        words = [sys.executable, "-m", "crossad", *map(str, words)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    (root / "domain_A/train/good/000001.tiff").write_bytes(b"x")
    bad, usage = run("data", "check", root), run("data", "check")
    assert (bad.returncode, usage.returncode) == (2, 64)
    assert "Traceback" not in bad.stderr + usage.stderr
