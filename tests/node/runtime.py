"""containerd as a real node's runtime: started apart from any that this machine runs, with images from the cache."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagebuild
import layers
import network
from layers import Stored
from processes import running, wait_for

PROGRAMS = ("containerd", "ctr", "runc", "ip", "iptables", "buildah")
KEPT = imagebuild.CACHE.parent / "node/containerd"  # images once unpacked; found by what they hold
STATE = Path("/run/crossad-node")  # short: addresses of sockets have at most 108 characters
SOCKET = STATE / "containerd.sock"
CONFIG = """
version = 2
root = "{kept}"
state = "{state}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # without the right to lower it, no container starts
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


@dataclass(frozen=True)
class Runtime:
    """A running containerd."""

    folder: Path

    def ctr(self, *words: str) -> str:
        """What ctr prints."""
        command = ["ctr", "--address", str(SOCKET), "--namespace", "k8s.io", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"ctr {' '.join(words[:2])}: {done.stderr}")
        return done.stdout

    def load(self, name: str) -> str:
        """An image of buildah's, brought here unless it is; its name by digest, as a registry would give it."""
        image = layers.stored(name)
        by_digest = pinned(image)
        if by_digest not in self.ctr("images", "ls", "-q").split():
            with imagebuild.alone():
                layers.link(image, self.ctr)
            archive = self.folder / "image.tar"
            archive.write_bytes(image.archive())
            self.ctr("images", "import", str(archive))
            self.ctr("images", "tag", name, by_digest)
        # a restarted containerd tells kubelet only of images whose layers it could unpack again; a change is told, too
        self.ctr("images", "label", by_digest, f"crossad.test/session={uuid.uuid4().hex}")
        return by_digest

    def forget_all_but(self, names: Sequence[str]) -> None:
        """Remove images of older content, and the layers that nothing is made of any more.

        Layers that were linked here are nobody's rubbish for containerd: it would keep them for ever.
        """
        kept = [layers.stored(name) for name in names]
        known = {name for image in kept for name in (image.name, pinned(image), image.id)}
        for name in self.ctr("images", "ls", "-q").split():
            if name not in known:
                self.ctr("images", "rm", name)
        used = {name for image in kept for name in image.chain}
        while removed := self._unused(used):
            for name in removed:
                self.ctr("snapshots", "rm", name)

    def _unused(self, used: Collection[str]) -> list[str]:
        """Layers that no image that is kept has, and that none lies on."""
        rows = [line.split() for line in self.ctr("snapshots", "ls").splitlines()[1:]]
        below = {row[1] for row in rows if len(row) == 3}
        return [row[0] for row in rows if row[0] not in used and row[0] not in below]

    def clear(self) -> None:
        """End every container, also those that an interrupted session of tests left."""
        for line in self.ctr("tasks", "ls", "-q").split():
            with contextlib.suppress(RuntimeError):
                self.ctr("tasks", "kill", "--signal", "SIGKILL", line)
        for line in self.ctr("containers", "ls", "-q").split():
            wait_for(f"the end of {line}", lambda line=line: self._gone(line))  # type: ignore[misc]

    def _gone(self, container: str) -> bool:
        for kind in ("tasks", "containers"):
            with contextlib.suppress(RuntimeError):
                self.ctr(kind, "delete", container)
        return container not in self.ctr("containers", "ls", "-q").split()


def pinned(image: Stored) -> str:
    """An image's name by digest, as a registry would give it."""
    return f"{image.name.rpartition(':')[0]}@{image.digest}"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Runtime]:
    """A running containerd; its containers end with it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    STATE.mkdir(parents=True, exist_ok=True)
    config = folder / "containerd.toml"
    pause = imagebuild.pause()
    config.write_text(
        CONFIG.format(kept=KEPT, state=STATE, socket=SOCKET, pause=pause, cni=network.configuration(folder))
    )
    with running(["containerd", "--config", str(config)], folder / "containerd.log") as process:
        runtime = Runtime(folder)
        wait_for("containerd", lambda: _answers(runtime), process)
        runtime.clear()
        runtime.load(pause)
        try:
            yield runtime
        finally:
            runtime.clear()
    unmount(STATE)


def unmount(folder: Path) -> None:
    """Take away what was mounted below a folder, or on it: kubelet mounts its own one on itself."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for place in sorted((line.split()[4] for line in lines), reverse=True):
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", place], check=True, capture_output=True)


def _answers(runtime: Runtime) -> bool:
    with contextlib.suppress(RuntimeError):
        runtime.ctr("version")
        return True
    return False


def lacking() -> list[str]:
    """What this machine lacks to run a node."""
    return [*imagebuild.lacking(), *(program for program in PROGRAMS if not shutil.which(program))]
