"""Builds both images of the Dockerfile with buildah, as root, without a container engine and without a registry.

python tests/images/imagebuild.py [trainer|controller]...        prints their names

The base is Debian from its own packages (debootstrap), as docker.io has it. All lies in the cache, under a name that is
a hash of everything that goes into an image: what has another hash is built, whatever lies there. buildah's own layers,
which it knows by content, are kept beside, so that a change of a source file costs seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crossad.version import __version__

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CACHE", ROOT / ".cache")).resolve() / "images"
TARGETS = ("controller", "trainer")
BASE = "docker.io/library/debian:bookworm-slim"
KEPT = 3  # images of a target
MIRROR = "http://deb.debian.org/debian"
PROGRAMS = ("buildah", "debootstrap", "runc")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
ANYTHING = '{"default": [{"type": "insecureAcceptAnything"}]}'  # nothing is pulled: there is no signature to ask for


def lacking() -> list[str]:
    """What this machine lacks to build and run images."""
    return [*([] if os.geteuid() == 0 else ["root"]), *(program for program in PROGRAMS if not shutil.which(program))]


def buildah(*words: str | Path, told: bool = False) -> str:
    """What buildah prints; what it says on the way goes to a person where `told`."""
    # a mount of its own while a container is open would keep the node from linking to the same files
    driver = ("--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true")
    places = ("--root", str(CACHE / "storage"), "--runroot", str(CACHE / "run"), *driver)
    log = None if told else subprocess.PIPE
    command = ["buildah", *places, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"buildah {words[0]}: exit {done.returncode}: {done.stderr or ''}")
    return done.stdout.strip()


def image(target: str) -> str:
    """The name of a target's image, built now unless the cache has it; two builds at once wait for each other."""
    with alone(), context() as folder:
        key = key_of(f"{target} {_base()}", folder)
        name = f"localhost/crossad-{target}:{key}"
        if not _known(name):
            print(f"building the image {target} (minutes, once)", file=sys.stderr)  # noqa: T201 - to a person
            _build(target, name, key, folder)
            _forget_others(name)
    return name


def pause() -> str:
    """The name of the image that holds a pod's namespaces: Debian asleep."""
    with alone():
        name = f"localhost/crossad-pause:{_base()[:12]}"
        if not _known(name):
            made = buildah("from", "--pull-never", "--signature-policy", policy(), BASE)
            buildah("config", "--entrypoint", json.dumps(["/bin/sleep", "infinity"]), "--cmd", "", made)
            buildah("commit", "--quiet", "--signature-policy", policy(), "--rm", made, name)
    return name


def policy() -> Path:
    """A file that tells buildah that no signatures are asked for."""
    path = CACHE / "policy.json"
    path.write_text(ANYTHING)
    return path


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """While nobody else builds or removes images; sessions of tests wait for each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def context() -> Iterator[Path]:
    """A folder with all that goes into an image, and nothing else: what is hashed is what is built.

    Rights are those of a usual checkout: buildah knows a layer by them, too, and another umask would install 7 GB anew.
    """
    with tempfile.TemporaryDirectory(prefix="crossad-image-") as made:
        folder = Path(made)
        for path in _inputs():
            there = folder / path.relative_to(ROOT)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, there)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        yield folder


def key_of(made_for: str, folder: Path) -> str:
    """A hash of what an image is made for and of all that goes into it."""
    found = hashlib.sha256(made_for.encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        body = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(folder)} {path.stat().st_mode:o} {body}\n".encode())
    return found.hexdigest()[:16]


def _build(target: str, name: str, key: str, folder: Path) -> None:
    # no commit: one that touches nothing of this would be another image
    arguments = {"BASE": BASE, "VERSION": __version__, "COMMIT": key}
    secret = ["--secret", f"id=ca,src={CERTIFICATES}"] if CERTIFICATES.exists() else []
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    buildah(
        "build", "--quiet", "--isolation", "chroot", "--layers", "--pull-never", "--format", "oci",
        "--signature-policy", policy(), *secret, *words, "--target", target, "--tag", name, folder,
        told=True,
    )  # fmt: skip


def _forget_others(name: str) -> None:
    """Remove what older content made, but for the newest few: other sessions may be at work with them.

    Layers that a newer image has, too, stay.
    """
    repository = name.rpartition(":")[0]
    found = buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()  # the newest first
    for other in [one for one in found if one.startswith(f"{repository}:")][KEPT:]:
        with contextlib.suppress(RuntimeError):  # in use: next time
            buildah("rmi", other)


def _base() -> str:
    """The id of Debian's image, made now unless the cache has it."""
    if not _known(BASE):
        print("making Debian's image from its packages (half a minute, once)", file=sys.stderr)  # noqa: T201
        made = buildah("from", "--signature-policy", policy(), "scratch")
        root = buildah("mount", made)
        with (CACHE / "debootstrap.log").open("w") as log:
            words = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, MIRROR]
            subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, check=True)
        for part in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(Path(root) / part)
            (Path(root) / part / "partial").mkdir(parents=True)
        buildah("config", "--cmd", "bash", made)
        buildah("commit", "--quiet", "--signature-policy", policy(), "--rm", made, BASE)
    return buildah("images", "--quiet", "--no-trunc", BASE).removeprefix("sha256:")


def _known(name: str) -> bool:
    try:
        return bool(buildah("images", "--quiet", name))
    except RuntimeError:  # that is how it says no
        return False


def _inputs() -> Iterator[Path]:
    yield from (ROOT / name for name in ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml"))
    for folder in ("requirements", "src"):
        found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts)


if __name__ == "__main__":
    if missing := lacking():
        print(f"no images without {', '.join(missing)}: their tests are left out (an error with CI=true)")  # noqa: T201
        sys.exit(os.environ.get("CI") == "true")
    for wanted in sys.argv[1:] or TARGETS:
        print(image(wanted))  # noqa: T201 - the answer
