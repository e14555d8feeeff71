"""This machine: the installed packages against the lock, and the driver of its GPUs. Nothing heavy is imported."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from crossad.control.doctor import Told, left_out, ok, refused, warning, wrong
from crossad.errors import UsageError
from crossad.launch.slots import CPU, count_gpus, slots
from crossad.version import __version__

LOCK = Path(__file__).parents[4] / "requirements" / "trainer.txt"  # of a checkout; an installed package has its pins
# those that decide numbers
DECIDING = ("torch", "torchvision", "timm", "lightning", "anomalib", "numpy", "scipy", "opencv-python", "safetensors")
_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)
_SMI_SECONDS = 30


def packages(lock: Path = LOCK) -> Iterator[Told]:
    """Whether a trainer is installed here, with the versions that its numbers were tested with."""
    found = {name: there for name in DECIDING if (there := installed(name))}
    if "torch" not in found:
        yield left_out(f"crossad {__version__} without a trainer: no torch here", "pip install 'crossad[train]'")
        return
    wanted = pins(lock)
    other = [
        f"{name} {there}, locked {' or '.join(wanted[name])}"
        for name, there in found.items()
        if _differs(there, wanted.get(name, []))
    ]
    missing = [name for name in ("timm", "lightning", "anomalib", "safetensors") if name not in found]
    if missing:
        yield wrong(f"a trainer's packages are missing: {', '.join(missing)}", "pip install 'crossad[train]'")
    if other:
        step = (
            "numbers may differ in the last digits, and records say so; install requirements/trainer.txt for equal ones"
        )
        yield warning(f"other versions than the lock's: {'; '.join(other)}", step)
    if not missing and not other:
        yield ok(f"crossad {__version__}, torch {found['torch']}: {len(found)} packages as locked")


def pins(lock: Path) -> dict[str, list[str]]:
    """Versions by name, several where Pythons differ: of a checkout's lock, else those that the package insists on."""
    text = lock.read_text(encoding="utf-8") if lock.is_file() else "\n".join(requires("crossad") or [])
    found: dict[str, list[str]] = {}
    for one in _LOCKED.finditer(text):
        found.setdefault(one["name"].lower(), []).append(one["version"])
    return found


def installed(name: str) -> str | None:
    """The version of a package here, None without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _differs(there: str, wanted: Sequence[str]) -> bool:
    """A build's own suffix (+cu128) is not another version."""
    return bool(wanted) and there.partition("+")[0] not in {one.partition("+")[0] for one in wanted}


def gpus(wanted: str, environment: Mapping[str, str]) -> Iterator[Told]:
    """Whether the GPUs that are asked for are there, with a driver."""
    try:
        chosen = slots(wanted, 1, count_gpus(environment))
    except UsageError as error:
        yield refused(error)
        return
    if all(slot.device == CPU for slot in chosen):
        yield ok("the CPU, as asked" if wanted == CPU else "no GPU here: auto means the CPU")
        return
    build = installed("torch") or ""
    if build.endswith("+cpu"):
        yield wrong(f"torch {build} is built for the CPU alone", "install torch for CUDA")
    yield _driver(environment, ", ".join(slot.device for slot in chosen))


def _driver(environment: Mapping[str, str], devices: str) -> Told:
    smi = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if smi is None:
        return warning(f"GPU {devices}: there, and no nvidia-smi to ask for its driver", "look at the driver's set-up")
    asked = [smi, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_SMI_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return wrong(f"nvidia-smi gives no answer: {error}", "look at the driver: dmesg, a restart of the machine")
    if told.returncode:
        words = " ".join((told.stdout + told.stderr).split())
        return wrong(f"nvidia-smi: {words[:200]}", "the driver does not work: is it of the kernel that runs?")
    cards = sorted(set(filter(None, told.stdout.splitlines())))
    return ok(f"GPU {devices}: {'; '.join(cards)}")
