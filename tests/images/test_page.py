"""The lines of docs/images.md as a user types them: real buildah and runc in docker's place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import imagebuild
import pytest
from containers import Image

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/images.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```bash no-test=\"run with real[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = ("registry.example/crossad:0.1.0", "registry.example/crossad-trainer:0.1.0")  # as the page calls them


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """Variables with which `docker` is what stands beside this file."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("docker.py")}" "$@"\n')
    program.chmod(0o755)
    source = f"{ROOT / 'src'}{os.pathsep}{Path(__file__).parent}"
    return {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": source}


@pytest.mark.timeout(1800)
def test_the_page_builds_both_images_and_runs_one(
    controller_image: Image, trainer_image: Image, docker: dict[str, str]
) -> None:
    (block,) = BLOCK.findall(PAGE)
    try:
        done = subprocess.run(["bash", "-ec", block], cwd=ROOT, env=docker, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "/conditions/base.json: good, 16 conditions" in done.stderr
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name, other in zip(NAMES, (controller_image, trainer_image), strict=True):
            config = Image(name, other.root).config
            assert config["Labels"]["org.opencontainers.image.revision"] == commit.stdout.strip()
            assert f"CROSSAD_COMMIT={commit.stdout.strip()}" in config["Env"]
            kept = ("licenses", "source", "base.name", "title", "description")
            for label in (f"org.opencontainers.image.{one}" for one in kept):
                assert config["Labels"][label] == other.config["Labels"][label] != ""
            assert (config["User"], config["Entrypoint"]) == (other.config["User"], other.config["Entrypoint"])
    finally:
        for name in NAMES:
            with imagebuild.alone():
                imagebuild.buildah("rmi", "--force", name)


@pytest.mark.timeout(600)
def test_a_cuda_variant_without_a_lock_ends_at_once_and_names_the_file(
    trainer_image: Image, docker: dict[str, str]
) -> None:
    words = ["docker", "build", "--target", "trainer", "-t", "localhost/none", "--build-arg", "CUDA=cu999", "."]
    done = subprocess.run(words, cwd=ROOT, env=docker, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "requirements/trainer-cu999.txt" in done.stderr
