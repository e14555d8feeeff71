"""`crossad synth` as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from crossad.cli.progress import Lines, stoppable
from crossad.cli.synth import command

SMALL = ("--train", "2", "--test", "2", "--size", "native", "--format", "tiff", "--domains", "A,D")


def crossad(*words):
    return CliRunner().invoke(command, [*map(str, words)])


def test_domains_are_written_once_and_said_to_be_synthetic(tmp_path):
    result = crossad(tmp_path / "data", *SMALL)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split(": ")[1:] for line in lines[:2]] == [
        ["written", "SYNTHETIC, class 1, sensor 3, 6 images"],
        ["written", "SYNTHETIC, class 3, sensor 1, 6 images"],
    ]
    assert lines[2].startswith("preset easy_v1: ")
    assert f"next: crossad data check {tmp_path / 'data'}" in result.stderr
    again = json.loads(crossad(tmp_path / "data", *SMALL, "--json").stdout)
    assert {name: facts["state"] for name, facts in again.items()} == {
        "domain_A": "already there",
        "domain_D": "already there",
    }
    assert all(facts["synthetic"] for facts in again.values())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--preset", "esy"), "did you mean easy?"),
        (("--domains", "A,E"), "no such synthetic domain: 'E'"),
        (("--size", "9x"), "allowed: native, or HxW"),
        (("--test", "1"), "not in the range"),
        (("--fault", "moon"), "'planet', 'ring', 'sun'"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(tmp_path, words, told):
    result = crossad(tmp_path / "data", *SMALL, *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "data").exists()


def test_another_domain_is_never_overwritten(tmp_path):
    crossad(tmp_path, *SMALL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = crossad(tmp_path, *SMALL, "--seed", "1")
    assert result.exit_code == 2
    assert "another domain lies in" in result.stderr
    assert "seed: there 42, asked for 1" in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_stopped_in_the_middle_it_leaves_no_part(tmp_path, jobs, number):
    words = [sys.executable, "-m", "crossad", "synth", str(tmp_path / "data"), "--train", "3000", "--jobs", jobs]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while not [*(tmp_path / "data").glob(".*/domain_A/train/good/*.png")]:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, number)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert told.strip().endswith("interrupted")
    assert "Traceback" not in told
    assert [*(tmp_path / "data").iterdir()] == []


def test_progress_in_a_log_is_a_line_now_and_then_with_what_is_left(capsys):
    now = [0.0]
    lines = Lines(lambda: now[0])
    for second in range(12):
        now[0] = float(second)
        lines.advance("images", 10, 120)
    assert capsys.readouterr().err.splitlines() == [
        "images: 60/120 (50%), ETA 5 s",
        "images: 110/120 (92%), ETA 1 s",
    ]


def test_sigterm_counts_as_an_interruption_only_while_there_is_work():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) == before
