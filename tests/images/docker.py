"""`docker build` and `docker run` as docs/images.md types them, by buildah and runc; everything else is refused.

The base is the tests' own, given as a site gives a mirror, and the machine's certificates as the secret `ca`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import containers
import imagebuild


def build(words: list[str]) -> None:
    """docker build --target TARGET -t NAME --build-arg NAME=VALUE CONTEXT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("-t", dest="name", required=True)
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("context", type=Path)
    asked = parser.parse_args(words)
    pairs = [word for pair in (f"BASE={imagebuild.BASE}", *asked.build_arg) for word in ("--build-arg", pair)]
    secret = ["--secret", f"id=ca,src={imagebuild.CERTIFICATES}"] if imagebuild.CERTIFICATES.exists() else []
    imagebuild.buildah(
        "build", "--quiet", "--isolation", "chroot", "--layers", "--pull-never", "--format", "oci",
        "--signature-policy", imagebuild.policy(), *secret, *pairs, "--target", asked.target, "--tag", asked.name,
        asked.context.resolve(),
    )  # fmt: skip


def run(words: list[str]) -> int:
    """docker run --rm --read-only --user UID:GID -v FROM:TO:ro NAME WORDS; the container's exit code."""
    parser = argparse.ArgumentParser()
    for flag in ("--rm", "--read-only"):
        parser.add_argument(flag, action="store_true", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("-v", dest="volumes", action="append", default=[])
    parser.add_argument("name")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args(words)
    containers.UID = int(asked.user.partition(":")[0])
    inputs = {}
    for volume in asked.volumes:
        here, there, mode = volume.split(":")
        assert mode == "ro"
        inputs[there] = Path(here)
    container = imagebuild.buildah("from", "--pull-never", "--signature-policy", imagebuild.policy(), asked.name)
    try:
        image = containers.Image(asked.name, Path(imagebuild.buildah("mount", container)))
        with tempfile.TemporaryDirectory() as folder:
            done = containers.run(image, Path(folder), *asked.words, inputs=inputs)
    finally:
        imagebuild.buildah("rm", container)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    with imagebuild.alone():
        try:
            sys.exit({"build": build, "run": run}[verb](rest))
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
