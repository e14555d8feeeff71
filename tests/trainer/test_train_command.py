"""`crossad train` as a process: its exit codes, its words, and what survives when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import crossad
from crossad.results.layout import RunPaths
from crossad.results.progress import read_progress
from crossad.results.record import Record

NAME = "A to B"
STEPS = 8
CONFIG = {
    "model_type": "draem",
    "source_domain": "domain_A",
    "target_domains": ["domain_B"],
    "image_size": [32, 96],
    "batch_size": 6,
    "max_epochs": STEPS // 2,
    "base_width": 4,
    "discriminator_width": 4,
    "in_channels": 1,
    "max_visualizations": 1,
    "num_workers": 1,
}
ALWAYS_SAVE = ("--checkpoint-seconds", "0")


@pytest.fixture
def suite(tmp_path):
    """A suite file of one condition."""
    file = tmp_path / "suite.json"
    file.write_text(json.dumps({"experiment_conditions": [{"name": NAME, "description": "", "config": CONFIG}]}))
    return file


def command(suite, data, results, *more):
    where = ["--data", str(data), "--results-dir", str(results), "--run", "night", "--gpu-id", "cpu"]
    given = ["--config", str(suite), "--experiment-id", "0", *where, *more]
    return [sys.executable, "-m", "crossad", "train", *given]


def call(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=500, check=False, env=environment())


def start(*words):
    return subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def environment():
    """One thread for all: equal bits need equal threads, and many trainers share this machine."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def record_of(results) -> Record:
    return Record.model_validate_json(RunPaths(results, "night").condition(NAME).records()[-1].read_bytes())


def wait_for_step(process, results, step):
    """Until the fit has done that many steps; its state is saved after each."""
    paths = RunPaths(results, "night").condition(NAME)
    while process.poll() is None:
        seen = read_progress(paths.progress)
        saved = list((paths.checkpoints / "state").glob("*.safetensors"))
        if seen is not None and seen.phase == "fitting" and seen.done >= step and saved:
            return
        time.sleep(0.01)
    raise AssertionError(f"ended with {process.returncode} before step {step}: {process.stderr.read()}")


def numbers(record: Record) -> dict:
    """Everything of a record that two runs of the same work share."""
    own = {"attempt", "timestamp", "run", "timings_seconds", "peak_memory_bytes", "provenance", "deviations"}
    kept = record.model_dump(exclude=own)
    kept["condition"].pop("name")
    kept["training_info"].pop("resumed_from_step")
    for result in (kept["source_results"], *kept["target_results"].values()):
        result.pop("images_per_second")
    return kept


@pytest.fixture(scope="module")
def undisturbed(domains, tmp_path_factory):
    """The record of the Python call, never interrupted."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        return crossad.run_experiment(CONFIG, data=domains, results=results, run="night", name=NAME)


def test_the_command_leaves_the_numbers_of_the_python_call(suite, domains, tmp_path, undisturbed):
    results = tmp_path / "results"
    done = call(suite, domains, results)
    assert done.returncode == 0, done.stderr
    assert f"record: {results / 'night'} (success)" in done.stderr
    assert "next: crossad report night" in done.stderr
    assert f"Target domain_B AUROC: {undisturbed.target_results['domain_B'].test_image_AUROC:.4f}" in done.stderr
    assert done.stdout == ""
    assert numbers(record_of(results)) == numbers(undisturbed)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGKILL", -signal.SIGKILL)])
def test_killed_while_fitting_the_same_command_ends_with_the_same_weights(
    name, code, suite, domains, tmp_path, undisturbed
):
    results = tmp_path / "results"
    with start(suite, domains, results, *ALWAYS_SAVE) as process:
        wait_for_step(process, results, 2)
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    if code == 75:
        assert "progress is saved" in said
        assert "the same command continues from here" in said
        assert "Traceback" not in said
    again = call(suite, domains, results, *ALWAYS_SAVE)
    assert again.returncode == 0, again.stderr
    record = record_of(results)
    assert record.training_info.resumed_from_step in range(1, STEPS + 1)
    assert numbers(record) == numbers(undisturbed)


def test_a_partial_condition_ends_with_the_code_of_what_is_missing(suite, data, tmp_path):
    (data / "domain_B/test/good/000001.tiff").write_bytes(b"")
    ended = call(suite, data, tmp_path / "results")
    assert ended.returncode == 65
    assert "Target domain_B failed" in ended.stderr
    assert "(partial)" in ended.stderr
    assert "Traceback" not in ended.stderr


FAULTS = {
    "no such condition": (["--experiment-id", "7"], 64, "no such condition: 7"),
    "unknown option": (["--batch", "7"], 64, "No such option"),
    "run outside": (["--run", "../x"], 64, "--run"),
    "unknown key": (["--set", "bach_size=7"], 65, "bach_size"),
    "bad value": (["--set", "batch_size=many"], 65, "batch_size"),
    "no suite": (["--config", "nowhere.json"], 66, "nowhere.json"),
    "no data": (["--data", "nowhere"], 66, "nowhere"),
    "gpu": (["--gpu-id", "64"], 78, "GPU 64 was asked for"),
}


@pytest.mark.parametrize("how", FAULTS)
def test_what_cannot_run_says_so_in_one_message(how, suite, domains, tmp_path):
    more, code, words = FAULTS[how]
    ended = call(suite, domains, tmp_path / "results", *more)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("results/night/*/tensorboard_logs/result_*.json"))


def test_a_plan_of_another_version_is_refused_in_one_message(domains, tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"kind": "crossad-plan", "format": 99}))
    ended = call(plan, domains, tmp_path / "results")
    assert ended.returncode == 65
    assert "not a plan of this crossad version" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_override_is_a_deviation(suite, domains, tmp_path):
    results = tmp_path / "results"
    ended = call(suite, domains, results, "--set", "max_epochs=1", "--limit-images", "4")
    assert ended.returncode == 0, ended.stderr
    record = record_of(results)
    assert {"override max_epochs=1", "override limit_images=4"} <= set(record.deviations)
    assert record.source_results.counts == {"good": 4, "fault": 4}
    assert record.training_info.total_steps == 1
