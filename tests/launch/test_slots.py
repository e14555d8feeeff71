from __future__ import annotations

from pathlib import Path

import pytest

from crossad.errors import UsageError
from crossad.launch.slots import Slot, count_gpus, slots


def test_devices_and_jobs_make_slots_device_by_device() -> None:
    assert slots("0,1", 1, 2) == (Slot("0"), Slot("1"))
    assert slots("1", 2, 2) == (Slot("1", 0), Slot("1", 1))
    assert slots("cpu", 2, 8) == (Slot("cpu", 0), Slot("cpu", 1))
    assert slots("auto", 1, 2) == (Slot("0"), Slot("1"))
    assert slots("auto", 1, 0) == (Slot("cpu"),)


@pytest.mark.parametrize(
    ("gpus", "jobs", "said"),
    [
        ("gpu0", 1, "allowed: GPU numbers such as 0,1"),
        ("0,,1", 1, "allowed"),
        ("", 1, "allowed"),
        ("0,0", 1, "twice"),
        ("0,5", 1, "5, found: 0, 1"),
        ("cpu", 0, "--jobs"),
    ],
)
def test_nonsense_is_refused_in_words(gpus: str, jobs: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        slots(gpus, jobs, 2)


def test_gpus_are_counted_as_a_trainer_would_see_them(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert count_gpus({"PATH": ""}, tmp_path) == 2
    assert count_gpus({"CUDA_VISIBLE_DEVICES": "3"}, tmp_path) == 1
    assert count_gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == 0


def test_nvidia_smi_is_asked_where_there_are_no_device_nodes(tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: one (UUID: x)'\necho 'GPU 1: two (UUID: y)'\n")
    smi.chmod(0o755)
    assert count_gpus({"PATH": str(tmp_path)}, tmp_path / "dev") == 2
