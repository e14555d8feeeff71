"""Threads and devices of a trainer."""

from __future__ import annotations

import pytest
import torch

from crossad.errors import EnvironmentFault, UsageError
from crossad.trainer.device import cpu_limit, set_up, to_device


@pytest.fixture(autouse=True)
def threads_restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("asked", "threads"), [("1", 1), ("2,1", 2), ("", None), (None, None)])
def test_threads_follow_omp_num_threads_else_the_processors(monkeypatch, asked, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    set_up("cpu")
    assert torch.get_num_threads() == (threads or cpu_limit())


@pytest.mark.parametrize("asked", ["many", "0", "-1"])
def test_a_number_of_threads_that_is_none_is_named(monkeypatch, asked):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    with pytest.raises(EnvironmentFault, match="OMP_NUM_THREADS"):
        set_up("cpu")


def test_a_gpu_that_is_not_there_is_never_a_silent_cpu_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentFault, match="GPU 0") as caught:
        set_up("0")
    assert caught.value.exit_code == 78


def test_a_device_is_a_number_or_cpu():
    with pytest.raises(UsageError, match="gpu0"):
        set_up("gpu0")


@pytest.mark.parametrize(("precision", "last"), [("bf16-mixed", True), ("32-true", False)])
def test_convolutions_lie_as_half_precision_wants_them(precision, last):
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3), torch.nn.Linear(4, 4))
    to_device(set_up("cpu", precision=precision), network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last) == last
