"""The image that trains: offline, under any user id, on a read-only root; told to end, it saves its work."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import containers
import pytest
from containers import Image
from tinydraem import TINY_DRAEM

from crossad.results.layout import RunPaths
from crossad.results.progress import read_progress
from crossad.results.record import Record
from crossad.version import __version__

NAME = "tiny"
VOLUMES = {"HOME": "/cache/home", "XDG_CACHE_HOME": "/cache/xdg", "OMP_NUM_THREADS": "1"}
EPOCHS, STEP = 40, 2


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """One condition that a CPU trains in seconds."""
    config = {**TINY_DRAEM, "target_domains": ["domain_B"], "max_epochs": 1, "max_visualizations": 1, "num_workers": 1}
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"experiment_conditions": [{"name": NAME, "description": "", "config": config}]}))
    return path


@pytest.fixture
def data(trainer_image: Image, bundle: Path) -> Path:
    """Domains that the image itself wrote."""
    words = ("/scratch/data", "--domains", "A,B", "--train", "6", "--test", "4", "--size", "32x96")
    done = containers.run(trainer_image, bundle, "synth", *words)
    assert done.returncode == 0, done.stderr
    return bundle / "scratch/data"


def words(*more: str) -> list[str]:
    where = ["--data", "/scratch/data", "--results-dir", "/scratch/results", "--run", "night", "--gpu-id", "cpu"]
    return ["train", "--config", "/suite.json", "--experiment-id", NAME, *where, *more]


def record_of(bundle: Path) -> Record:
    records = RunPaths(bundle / "scratch/results", "night").condition(NAME).records()
    return Record.model_validate_json(records[-1].read_bytes())


def test_its_libraries_can_be_imported(trainer_image: Image, bundle: Path):
    modules = "torch, anomalib, timm, cv2, lightning, pyarrow, safetensors, tensorboard, boto3, jinja2"
    done = containers.run(trainer_image, bundle, "-c", f"import {modules}; print(torch.version.cuda)", entry=["python"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()[0].isdigit()  # a build with CUDA


def test_labels_and_variables_are_those_of_a_trainer(trainer_image: Image):
    labels = {name.rpartition(".")[2]: text for name, text in trainer_image.config["Labels"].items()}
    assert (labels["title"], labels["version"]) == ("crossad-trainer", __version__)
    assert trainer_image.config["User"] == "65532:65532"
    variables = dict(line.split("=", 1) for line in trainer_image.config["Env"])
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert (variables["MALLOC_MMAP_THRESHOLD_"], variables["MALLOC_TRIM_THRESHOLD_"]) == ("4294967296", "8589934592")
    assert "NVIDIA_VISIBLE_DEVICES" not in variables


def test_what_it_imports_is_compiled(trainer_image: Image):
    """On a read-only root, nothing could be compiled later."""
    packages = trainer_image.root / "opt/crossad/lib/python3.11/site-packages"
    for name in ("torch", "anomalib", "crossad", "crossad/trainer"):
        assert (packages / name / "__pycache__/__init__.cpython-311.pyc").is_file(), name


@pytest.mark.usefixtures("data")
def test_it_trains_a_condition(trainer_image: Image, bundle: Path, suite: Path):
    done = containers.run(trainer_image, bundle, *words(), inputs={"/suite.json": suite}, environment=VOLUMES)
    assert done.returncode == 0, done.stderr
    record = record_of(bundle)
    assert record.status == "success"
    assert set(record.target_results) == {"domain_B"}
    assert record.provenance is not None
    assert record.provenance.crossad_commit == trainer_image.name.rpartition(":")[2]


@pytest.mark.usefixtures("data")
def test_sigterm_saves_and_the_next_pod_continues(trainer_image: Image, bundle: Path, suite: Path):
    more = {"inputs": {"/suite.json": suite}, "environment": VOLUMES}
    many = words("--checkpoint-seconds", "0", "--set", f"max_epochs={EPOCHS}")
    with containers.started(trainer_image, bundle, many, **more) as running:
        wait_for_step(bundle, running)
        containers.send(bundle, signal.SIGTERM)
        _, told = running.communicate()
    assert running.returncode == 75, told
    assert "progress is saved" in told
    done = containers.run(trainer_image, bundle, *many, **more)
    assert done.returncode == 0, done.stderr
    resumed = record_of(bundle).training_info.resumed_from_step
    assert resumed is not None
    assert resumed >= STEP


def wait_for_step(bundle: Path, running: subprocess.Popen[str]) -> None:
    """Until the fit has done some steps; its state is saved after each."""
    paths = RunPaths(bundle / "scratch/results", "night").condition(NAME)
    while running.poll() is None:
        seen = read_progress(paths.progress)
        if seen is not None and seen.phase == "fitting" and seen.done >= STEP:
            return
        time.sleep(0.01)
    raise AssertionError(f"ended with {running.returncode}: {running.communicate()[1]}")
