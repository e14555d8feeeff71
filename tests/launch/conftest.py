from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from crossad.launch.board import Board
from crossad.launch.command import Job
from crossad.launch.session import work
from crossad.launch.slots import Slot
from crossad.launch.summary import Summary
from crossad.results.home import FolderHome, Home
from crossad.results.plan import Plan, PlanEntry

FAKE = Path(__file__).with_name("fake_trainer.py")


class Silent:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.boards: list[Board] = []

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, board: Board) -> None:
        self.boards.append(board)


def fake_command(job: Job, entry: PlanEntry, slot: Slot) -> list[str]:
    options = {
        "config": job.paths.plan,
        "experiment-id": entry.experiment_id,
        "run": job.plan.run,
        "results-dir": job.results,
        "data": job.data,
        "gpu-id": slot.device,
        **({"store": job.home.uri} if job.home.remote else {}),
    }
    return [
        sys.executable,
        str(FAKE),
        *(part for key, value in options.items() for part in (f"--{key}", str(value))),
    ]


def make_plan(names: Sequence[str], run: str = "night", shared: Sequence[str] = ()) -> Plan:
    """One condition a name; those in `shared` have one training key."""
    entries = tuple(
        PlanEntry(
            experiment_id=index,
            name=name,
            config={},
            condition_id=f"c-{name}",
            training_key="shared" if name in shared else f"t-{name}",
        )
        for index, name in enumerate(names)
    )
    return Plan(run=run, suite="suite", created="2026-01-01T00:00:00Z", data="data", conditions=entries)


@pytest.fixture
def silent() -> Silent:
    return Silent()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(names: Sequence[str], devices: Sequence[str] = ("cpu",), home: Home | None = None, **plan: object) -> Job:
        slots = tuple(Slot(device, lane) for lane, device in enumerate(devices))
        return Job(
            make_plan(names, **plan),  # type: ignore[arg-type]
            home or FolderHome(tmp_path / "results"),
            tmp_path / "data",
            slots,
            grace_seconds=2.0,
        )

    return make


@pytest.fixture
def run(silent: Silent) -> Callable[..., Summary]:
    def go(job: Job, *, retry: bool = False, entries: Sequence[PlanEntry] | None = None) -> Summary:
        chosen = job.plan.conditions if entries is None else entries
        return work(job, chosen, retry=retry, show=silent, command=fake_command)

    return go
