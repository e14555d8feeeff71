"""A condition's night on a bucket or in a folder, and what it leaves when nothing disturbs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from breakpoints import Machine
from nights import DAMAGED, DONE, FAILING, Night

from crossad.synth.images import Request
from crossad.synth.write import write_domain

if TYPE_CHECKING:
    from s3servers import Place

Prepare = Callable[..., Night]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Trainers are forked from a process that is started with this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """Three domains that nobody writes to."""
    root = tmp_path_factory.mktemp("images") / "data"
    for letter in "ABC":
        write_domain(root, letter, Request(preset="easy_v1", train=8, test=4, size=None, format="tiff"))
    return root


@pytest.fixture(scope="session")
def undisturbed(images, tmp_path_factory) -> Night:
    """A night in which nothing happens, in a folder that plays a bucket."""
    folder = tmp_path_factory.mktemp("undisturbed")
    night = Night(folder, images, Machine(folder / "none", bucket=folder / "bucket"))
    night.plan()
    assert night.train("pod") == 0, night.said("pod")
    return night


@pytest.fixture(scope="session")
def wanted(undisturbed) -> dict[str, Any]:
    """What `fetch` brings of it."""
    return undisturbed.fetched()


@pytest.fixture
def prepare(request, images, tmp_path) -> Prepare:
    """Makes a night in which a step will be taken: in a folder that plays a bucket, in a folder, or on a server."""

    def make(step: str, kind: str = "bucket") -> Night:
        folder = tmp_path / f"night-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        data = Path(shutil.copytree(images, folder / "data")) if step in FAILING else images
        night = Night(folder, data, PLACES[kind](request, folder))
        if step in DAMAGED and kind == "bucket":
            shutil.copytree(request.getfixturevalue("undisturbed").place.bucket, folder / "bucket")
        night.plan()
        if step in FAILING:
            night.damage_data()
        if step in DAMAGED:
            if not night.done():
                assert night.train("before") == DONE, night.said("before")
            night.lose_bytes()
        return night

    return make


def _server(request: pytest.FixtureRequest, folder: Path, **changes: Any) -> Machine:
    """An empty place on versitygw; trainers get this process's credentials."""
    place: Place = request.getfixturevalue("versitygw")
    place = replace(place, prefix=f"{place.prefix}/{folder.name}")
    options = place.options(**changes)
    given = {option.name: getattr(options, option.name) for option in fields(options)}
    named = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return Machine(folder / "none", s3=(place.uri, given), environment=named)


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], Machine]] = {
    "bucket": lambda _, folder: Machine(folder / "none", bucket=folder / "bucket"),
    "folder": lambda _, folder: Machine(folder / "results"),
    "server": _server,
    "plain server": lambda request, folder: _server(request, folder, commit="plain"),
}
