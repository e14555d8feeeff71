"""Runs an image as a cluster would: read-only root, no rights, no network, a user id that nobody has a name for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagebuild

NAME = "crossad"  # of the container: one a folder
MOUNTED = "crossad-test-"  # and a process's number: names of images that its tests have mounted
UID = 1_234_567  # of no passwd file
WRITABLE = ("/tmp", "/cache", "/scratch", "/dev/shm")  # noqa: S108 - volumes of the container's own
_KERNEL = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "ro"]},
)
NAMESPACES = ("pid", "ipc", "uts", "mount", "network")


@dataclass
class Image:
    """An image that is mounted for its tests."""

    name: str
    root: Path
    config: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.config = json.loads(imagebuild.buildah("inspect", "--type", "image", self.name))["OCIv1"]["config"]

    def command(self, words: Sequence[str], entry: Sequence[str] | None = None) -> list[str]:
        return [*(self.config["Entrypoint"] if entry is None else entry), *words]


@contextlib.contextmanager
def mounted(target: str) -> Iterator[Image]:
    """A target's image as a folder, for as long as it is needed."""
    name = imagebuild.image(target)
    _remove_left()
    words = ("--pull-never", "--signature-policy", imagebuild.policy(), "--name", f"{MOUNTED}{os.getpid()}-{target}")
    container = imagebuild.buildah("from", *words, name)
    try:
        yield Image(name, Path(imagebuild.buildah("mount", container)))
    finally:
        imagebuild.buildah("rm", container)


def _remove_left() -> None:
    """Take away what sessions of tests left that were killed: their mounts would stay for ever."""
    for name in imagebuild.buildah("containers", "--format", "{{.ContainerName}}").split():
        process = name.removeprefix(MOUNTED).partition("-")[0]
        if name.startswith(MOUNTED) and not Path("/proc", process).exists():
            imagebuild.buildah("rm", name)


@contextlib.contextmanager
def started(
    image: Image,
    folder: Path,
    words: Sequence[str],
    *,
    entry: Sequence[str] | None = None,
    inputs: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A container's first process, gone on the way out.

    `folder` keeps what it writes, by the name of the volume; `inputs` are places in the container that are only read.
    """
    mounts = [*_KERNEL]
    for place in WRITABLE:
        volume = folder / place.strip("/").replace("/", "-")
        volume.mkdir(exist_ok=True)
        volume.chmod(0o777)
        mounts.append(_bind(place, volume, "rw"))
    mounts += [_bind(place, path, "ro") for place, path in (inputs or {}).items()]
    variables = dict(line.split("=", 1) for line in image.config["Env"]) | dict(environment or {})
    process = {
        "args": image.command(words, entry),
        "cwd": image.config.get("WorkingDir") or "/",
        "env": [f"{name}={value}" for name, value in variables.items()],
        "user": {"uid": UID, "gid": UID},
        "noNewPrivileges": True,
        "capabilities": {},
    }
    told = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": str(image.root), "readonly": True},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES]},
    }
    (folder / "config.json").write_text(json.dumps(told))
    command = [*_runc(folder), "run", "--bundle", str(folder), NAME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            subprocess.run([*_runc(folder), "delete", "--force", NAME], capture_output=True, check=False)


def send(folder: Path, number: signal.Signals) -> None:
    """Send a signal to the first process of a folder's container."""
    subprocess.run([*_runc(folder), "kill", NAME, number.name.removeprefix("SIG")], check=True)


def run(image: Image, folder: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A container from its start to its end; whatever its end is."""
    with started(image, folder, words, **more) as running:
        out, err = running.communicate()
    return subprocess.CompletedProcess(words, running.returncode, out, err)


def _runc(folder: Path) -> list[str]:
    return ["runc", "--root", str(folder / "state")]


def _bind(place: str, path: Path, mode: str) -> dict[str, Any]:
    options = ["rbind", mode, "nosuid", "nodev"]
    return {"destination": place, "type": "none", "source": os.fspath(path), "options": options}
