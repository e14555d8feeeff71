"""Where conditions can run on this machine: `--gpus 0,1`, `cpu` or `auto`, times `--jobs`."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossad.errors import UsageError

CPU = "cpu"
_DEVICE_NODE = re.compile(r"nvidia\d+")
_SMI_SECONDS = 30


@dataclass(frozen=True)
class Slot:
    """Room for one trainer process."""

    device: str  # "cpu" or the number of a GPU, as --gpu-id takes it
    lane: int = 0  # tells slots of one device apart

    def __str__(self) -> str:
        return CPU if self.device == CPU else f"gpu {self.device}"


def count_gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """NVIDIA GPUs that a trainer would see, without importing torch.

    CUDA_VISIBLE_DEVICES first (trainers number what it leaves), then device nodes, then nvidia-smi (WSL has
    no nodes).
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    nodes = sum(1 for path in devices.glob("nvidia*") if _DEVICE_NODE.fullmatch(path.name))
    smi = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if nodes or smi is None:
        return nodes
    try:
        listed = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=_SMI_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def slots(gpus: str, jobs: int, gpu_count: int) -> tuple[Slot, ...]:
    """The slots behind `--gpus` and `--jobs`.

    Args:
        gpus: "0,1" (GPU numbers), "cpu", or "auto" (every GPU of this machine, else the CPU).
        jobs: trainers at once per device.
        gpu_count: GPUs that trainers see.

    Raises:
        UsageError: the text is none of these, or names a GPU twice, or one that is not there.
    """
    if jobs < 1:
        raise UsageError(f"--jobs: got {jobs}, allowed: 1 or more")
    wanted = gpus.strip().lower()
    if wanted == "auto":
        chosen = [str(number) for number in range(gpu_count)] or [CPU]
    elif wanted == CPU:
        chosen = [CPU]
    else:
        chosen = _numbers(gpus, gpu_count)
    return tuple(Slot(device, lane) for lane in range(jobs) for device in chosen)


def _numbers(gpus: str, gpu_count: int) -> list[str]:
    parts = [part.strip() for part in gpus.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--gpus: got {gpus!r}, allowed: GPU numbers such as 0,1, or cpu, or auto")
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--gpus: got a GPU twice: {gpus}", hint="for several trainers on one GPU say --jobs 2")
    if missing := [str(number) for number in numbers if number >= gpu_count]:
        found = ", ".join(map(str, range(gpu_count))) or "none"
        raise UsageError(
            f"--gpus: no such GPU on this machine: {', '.join(missing)}, found: {found}",
            hint="check the driver with nvidia-smi, or say --gpus cpu",
        )
    return [str(number) for number in numbers]
