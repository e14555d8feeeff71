"""Builds the tools that tests check files with, once a lock, kept in the cache.

python tests/tools/toolbuild.py        prints the folders of kubeconform and of checkov
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "servers")]  # a script's path holds its own folder only

from gobuild import CACHE, Module  # noqa: E402 - after the path


@dataclass(frozen=True)
class Environment:
    """A Python environment from locked requirements: for a tool whose tree would disagree with ours."""

    locked: Path

    @property
    def home(self) -> Path:
        """Where the environment lies once it is built."""
        name = f"{self.locked.stem}-{hashlib.sha256(self.locked.read_bytes()).hexdigest()[:12]}"
        return CACHE.resolve() / HERE.name / name

    def build(self) -> Path:
        """The environment's folder, built now unless the cache has it; two builds at once wait for each other."""
        self.home.mkdir(parents=True, exist_ok=True)
        uv, python, ready = CACHE.resolve() / "uv/bin/uv", self.home / "bin/python", self.home / ".ready"
        with self.home.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                print(f"installing {self.locked.stem} (seconds, once)", file=sys.stderr)  # noqa: T201 - to a person
                subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, self.home], check=True)
                options = ("--quiet", "--require-hashes", "--compile-bytecode", "--python", python)
                subprocess.run([uv, "pip", "sync", *options, self.locked], check=True)
                ready.touch()
        return self.home


KUBECONFORM = Module(
    HERE / "kubeconform",
    {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
    patience="a few seconds",
)
CHECKOV = Environment(HERE.parents[1] / "requirements/checkov.txt")

if __name__ == "__main__":
    print(KUBECONFORM.build(), CHECKOV.build(), sep="\n")  # noqa: T201 - the answer
