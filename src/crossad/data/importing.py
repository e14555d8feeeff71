"""Turns MATLAB arrays into a domain of a data root: the same layout that the generator writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossad.data.deposit import SUFFIX, Wanted, already_there, new_domain, resize, store, write_table
from crossad.data.encode import encode
from crossad.data.layout import spread
from crossad.data.mat import KEY, SHAPE, Maps, Sources, read_maps
from crossad.errors import DataError, UsageError
from crossad.files import sha256_file, write_json
from crossad.version import __version__

LIMIT_SEED = 0  # `limit` takes the same maps every time
Part = tuple[str, str]  # (split, label)


@dataclass(frozen=True)
class Import:
    """What to import, and how."""

    domain: str
    sources: Sources
    operating_class: str | None = None
    sensor: str | None = None
    size: tuple[int, int] | None = None  # (H, W); None: native
    format: Literal["png8", "png16", "tiff"] = "tiff"
    scale: Literal["train-max", "raw"] = "train-max"
    headroom: float = 1.0  # full scale over the largest training value, or over 1 where the scale is raw
    limit: int | None = None  # maps per split and label, spread over their order
    cold_warm: bool = False  # whether the first half of each test set is cold and the second warm
    key: str = KEY
    shape: tuple[int, int] = SHAPE


@dataclass(frozen=True)
class Imported:
    """What became of an import."""

    fresh: bool  # False where the same one was done before
    facts: dict[str, Any]  # of domain.json


@dataclass(frozen=True)
class _Chosen:
    """Maps of one part that are to be written."""

    maps: Maps  # (N, H, W)
    places: list[int]  # of each in all maps of the part
    total: int
    largest: float  # of all maps of the part, so that a limit changes no pixel


def import_domain(root: Path, asked: Import, advance: Callable[[str, int, int], None] = lambda *_: None) -> Imported:
    """Write `root/<domain>`, whole or not at all.

    Raises:
        UsageError: the name makes no folder, or another domain lies there.
        MissingInputError: a file is not there.
        DataError: a file cannot be used, or there is nothing to train on or to test.
    """
    _check_request(asked)
    chosen = {part: _choose(asked, part, paths) for part, paths in asked.sources.parts.items() if paths}
    unit = _unit(asked, chosen["train", "good"])
    facts = _facts(asked, chosen, unit)
    suffix = SUFFIX[asked.format]
    names = [f"{split}/{label}/{number:06d}{suffix}" for split, label, number in _numbers(chosen)]
    wanted = Wanted(root / asked.domain, facts, names, "crossad data import")
    if already_there(wanted):
        return Imported(fresh=False, facts=facts)
    with new_domain(wanted) as folder:
        rows, clipped, pixels, highest = [], 0, 0, 0.0
        for name, row, scaled in _images(asked, chosen, unit):
            stored, over = store(scaled, asked.format)
            (folder / name).write_bytes(encode(stored, f"crossad data import {asked.key} {row['source_index']}"))
            rows.append(row)
            clipped, pixels, highest = clipped + over, pixels + scaled.size, max(highest, float(scaled.max()))
            advance("maps", 1, len(names))
        facts = facts | {
            "clipped_share": clipped / pixels,
            "largest_value": highest,  # on the stored scale: what headroom would have kept, times the one asked for
            "crossad_version": __version__,
        }
        write_table(folder / "metadata.csv", rows)
        write_json(folder / "domain.json", facts)
    return Imported(fresh=True, facts=facts)


def _check_request(asked: Import) -> None:
    if not asked.domain or asked.domain != Path(asked.domain).name or asked.domain.startswith("."):
        raise UsageError(f"domain: got {asked.domain!r}, allowed: the name of a folder, such as domain_A")
    if not asked.sources.train_good:
        raise DataError("no maps to train on", hint="name them: --train-good FILE")
    if not asked.sources.test_good and not asked.sources.test_fault:
        raise DataError("no maps to test", hint="name them: --test-good FILE --test-fault FILE")


def _choose(asked: Import, part: Part, paths: tuple[Path, ...]) -> _Chosen:
    """The maps of a part: all its files, one after the other."""
    maps = np.concatenate([read_maps(path, asked.key, asked.shape) for path in paths])
    count = len(maps) if asked.limit is None else asked.limit
    places = spread(len(maps), count, LIMIT_SEED, f"import/{'/'.join(part)}")
    return _Chosen(maps if len(places) == len(maps) else maps[places], places, len(maps), float(maps.max()))


def _unit(asked: Import, train: _Chosen) -> float:
    """Raw units of the stored value 1.0."""
    if asked.scale == "raw":
        return asked.headroom
    if train.largest <= 0:
        raise DataError(
            f"the largest training value is {train.largest:g}, allowed: above 0",
            hint="keep the raw values: --scale raw",
        )
    return train.largest * asked.headroom


def _facts(asked: Import, chosen: dict[Part, _Chosen], unit: float) -> dict[str, Any]:
    """What `domain.json` says of what was asked for."""
    sources = [
        {"split": split, "label": label, "file": path.name, "sha256": sha256_file(path)}
        for (split, label), paths in asked.sources.parts.items()
        for path in paths
    ]
    return {
        "synthetic": False,
        "operating_class": asked.operating_class,
        "sensor": asked.sensor,
        "key": asked.key,
        "shape": list(asked.shape),
        "size": list(asked.size) if asked.size else "native",
        "format": asked.format,
        "scaling": asked.scale,
        "headroom": asked.headroom,
        "scale": unit,
        "limit": asked.limit,
        "cold_warm": asked.cold_warm,
        "images": {"/".join(part): len(found.maps) for part, found in chosen.items()},
        "sources": sources,
    }


def _numbers(chosen: dict[Part, _Chosen]) -> Iterator[tuple[str, str, int]]:
    for (split, label), found in chosen.items():
        for number in range(len(found.maps)):
            yield split, label, number


def _images(
    asked: Import, chosen: dict[Part, _Chosen], unit: float
) -> Iterator[tuple[str, dict[str, str | int], NDArray[np.float32]]]:
    """(name, row of metadata.csv, pixels on the stored scale) of every image."""
    for split, label, number in _numbers(chosen):
        found = chosen[split, label]
        place, name = found.places[number], f"{split}/{label}/{number:06d}{SUFFIX[asked.format]}"
        half = ("cold" if place < found.total - found.total // 2 else "warm") if asked.cold_warm else ""
        stratum = half if split == "test" else ""
        row: dict[str, str | int] = {"path": name, "severity": "", "stratum": stratum, "source_index": place}
        yield name, row, resize((found.maps[number] / unit).astype(np.float32), asked.size)
