"""The image of everything but training: small, without torch, and at home under any user id on a read-only root."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import containers
import imagebuild
import pytest
from containers import Image

from crossad.version import __version__

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "conditions/smoke.json"
MEGABYTES = 150
SETTINGS = """
images: {trainer: "reg.example/trainer@sha256:%s", controller: "reg.example/slim@sha256:%s"}
store: {uri: "s3://bucket/prefix"}
data: {claim: hdmap, domains: [domain_A, domain_B, domain_C, domain_D]}
""" % ("0" * 64, "1" * 64)  # noqa: UP031 - braces of YAML
# crossad with a verb that waits for ever
WAITS = """
import time
from crossad import cli
cli.cli.main = lambda **_: print("up", flush=True) or time.sleep(600)
cli.main()
"""


def test_its_libraries_are_small(controller_image: Image):
    installed = controller_image.root / "opt/crossad"
    ours = installed / "lib/python3.11/site-packages/crossad"
    size = sum(path.lstat().st_size for path in installed.rglob("*") if not path.is_relative_to(ours))
    assert size < MEGABYTES * 1e6, f"{size / 1e6:.0f} MB"


@pytest.mark.parametrize("module", ["torch", "timm", "anomalib", "lightning", "pip", "uv"])
def test_it_has_neither_a_trainer_nor_an_installer(controller_image: Image, bundle: Path, module: str):
    done = containers.run(controller_image, bundle, "-c", f"import {module}", entry=["python"])
    assert "ModuleNotFoundError" in done.stderr


def test_what_it_is_for_can_be_imported(controller_image: Image, bundle: Path):
    """What was taken out of the libraries' folders is not missed."""
    words = "import numpy, jinja2, yaml, crossad.kube.connection, crossad.store.boto, kubernetes.client as k, boto3; "
    words += "k.BatchV1Api; k.V1Job(); boto3.client('s3', region_name='x'); boto3.client('sts', region_name='x')"
    done = containers.run(controller_image, bundle, "-W", "error", "-c", words, entry=["python"])
    assert (done.returncode, done.stderr) == (0, "")


def test_labels_and_user_say_what_it_is(controller_image: Image):
    config = controller_image.config
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == controller_image.name.rpartition(":")[2]
    assert config["Labels"]["org.opencontainers.image.base.name"] == imagebuild.BASE
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["crossad"]


def test_help_and_version_need_no_home_and_no_name(controller_image: Image, bundle: Path):
    assert containers.run(controller_image, bundle, "--version").stdout == f"crossad, version {__version__}\n"
    done = containers.run(controller_image, bundle, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "render" in done.stdout


def test_it_checks_a_suite(controller_image: Image, bundle: Path, tmp_path: Path):
    good = containers.run(controller_image, bundle, "validate", "/suite.json", inputs={"/suite.json": SMOKE})
    assert good.returncode == 0, good.stderr
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    refused = containers.run(controller_image, bundle, "validate", "/suite.json", inputs={"/suite.json": bad})
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_it_renders_the_same_bytes_as_this_machine(controller_image: Image, bundle: Path, tmp_path: Path):
    settings, here, there = tmp_path / "settings.yaml", tmp_path / "here", bundle / "scratch/out"
    settings.write_text(SETTINGS)
    inputs = {"/smoke.json": SMOKE, "/settings.yaml": settings}
    words = ("--settings", "/settings.yaml", "-o", "/scratch/out")
    done = containers.run(controller_image, bundle, "render", "/smoke.json", *words, inputs=inputs)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "crossad", "render", str(SMOKE), "--settings", str(settings), "-o", str(here)]
    subprocess.run(command, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        path.name: path.read_bytes() for path in here.iterdir()
    }


def test_nothing_can_be_written_but_volumes(controller_image: Image, bundle: Path):
    words = "for f in / /opt/crossad /etc /home /var/tmp; do touch $f/x 2> /dev/null && echo $f; done; touch /tmp/x"
    done = containers.run(controller_image, bundle, "-c", words, entry=["sh"])
    assert (done.returncode, done.stdout) == (0, "")


def test_sigterm_ends_a_verb_that_does_not_listen_for_it(controller_image: Image, bundle: Path):
    """The kernel drops it for the first process of a container, unless that handles it."""
    with containers.started(controller_image, bundle, ["-c", WAITS], entry=["python"]) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        containers.send(bundle, signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM
