"""Four tiny domains, and a model that fits in milliseconds, for tests of the sequence around models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from quickdetector import QuickDetector
from torch import Tensor

from crossad.conditions.suite import parse_config
from crossad.results.home import BucketHome
from crossad.store.base import Store
from crossad.synth.images import Request
from crossad.synth.write import write_domain
from crossad.trainer import run
from crossad.trainer.context import Task
from crossad.trainer.detector import Randomness, Scores

if TYPE_CHECKING:
    from s3servers import Place

IMAGES = 12  # train/good, test/good and test/fault each
TARGETS = ["domain_B", "domain_C", "domain_D"]


@dataclass
class Bench:
    """What the quick models did, and what is to happen when they do it."""

    steps: list[int] = field(default_factory=list)  # of all fits, in order
    scored: int = 0  # images, validation included
    on_step: Callable[[int], None] = lambda step: None
    on_score: Callable[[int], None] = lambda scored: None


class Quick(QuickDetector):
    """Tells its bench what it does."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def loss(self, images: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        self.bench.steps.append(randomness.step)
        self.bench.on_step(randomness.step)
        return super().loss(images, randomness)

    def score(self, images: Tensor) -> Scores:
        self.bench.scored += len(images)
        self.bench.on_score(self.bench.scored)
        return super().score(images)


@pytest.fixture(scope="session")
def domains(tmp_path_factory) -> Path:
    """A data root nobody writes to: domain_A to domain_D at native size, 32-bit TIFF."""
    root = tmp_path_factory.mktemp("domains") / "data"
    request = Request(preset="easy_v1", train=IMAGES, test=IMAGES, size=None, format="tiff")
    for letter in "ABCD":
        write_domain(root, letter, request)
    return root


@pytest.fixture
def data(domains, tmp_path) -> Path:
    """The same domains, to be damaged."""
    return Path(shutil.copytree(domains, tmp_path / "data"))


@pytest.fixture
def task(domains, tmp_path) -> Callable[..., Task]:
    """Makes tasks of a small DRAEM config; keys of the config change it."""

    def make(*, data: Path = domains, name: str = "tiny", place: dict[str, Any] | None = None, **keys: Any) -> Task:
        config = {
            "model_type": "draem",
            "source_domain": "domain_A",
            "target_domains": TARGETS,
            "image_size": [32, 96],
            "batch_size": 6,
            "max_epochs": 2,
            "max_visualizations": 4,
            "num_workers": 1,
        }
        given = {key: value for key, value in (config | keys).items() if value is not None}
        where = {"run": "night", "echo": False} | (place or {})
        return Task(name, parse_config(given), data, tmp_path / "results", **where)

    return make


@pytest.fixture
def store(place: Place) -> Store:
    """The bucket of the test."""
    return place.open()


@pytest.fixture
def on(task: Callable[..., Task], place: Place, tmp_path: Path) -> Callable[..., Task]:
    """Makes the condition's task on a machine of that name: a working folder of its own, as another pod has it.

    `bucket` is how that machine reaches the bucket; `where` goes into the task.
    """

    def make(name: str, *, bucket: Store | None = None, where: dict[str, Any] | None = None, **keys: Any) -> Task:
        home = BucketHome(bucket or place.open(), tmp_path / name)
        return replace(task(**keys), results=home.results, home=home, **{"ship_seconds": 0.2, **(where or {})})

    return make


@pytest.fixture
def quick(monkeypatch) -> Bench:
    """Every model that is built from now on is a Quick of this bench."""
    bench = Bench()
    monkeypatch.setattr(run, "build", lambda config, *, weights_dir=None: Quick(bench))
    return bench
