"""Writes synthetic domains in the guide's layout: each whole or absent, never over another one."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crossad.data.deposit import SUFFIX, Wanted, already_there, new_domain, store, write_table
from crossad.data.encode import encode
from crossad.errors import CrossadError
from crossad.files import create_once, write_json
from crossad.synth.images import BATCH, HEADROOM, Address, Rendered, Request, addresses, full_scale, render
from crossad.synth.presets import DOMAINS, GENERATOR, find_preset
from crossad.version import __version__

README = """SYNTHETIC DATA

The domains in this folder that have a domain.json with "synthetic": true come from crossad's physics-based HDMAP
generator, not from a gearbox. A ranking of models on them says nothing about real gearboxes.
"""
_MEASURED = ("clipped_share", "crossad_version")  # known only afterwards: no part of what was asked for


@dataclass(frozen=True)
class Written:
    """What became of one image."""

    row: dict[str, str | int]  # of metadata.csv
    clipped: int  # pixels above full scale
    pixels: int


def write_domain(
    root: Path,
    letter: str,
    request: Request,
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> bool:
    """Write `root/domain_<letter>`; `advance` hears how many images came about.

    Returns:
        False where the same request was fulfilled before; nothing is touched then.

    Raises:
        UsageError: Another domain lies there, or this one lacks files.
    """
    wanted = _wanted(root, letter, request)
    if already_there(wanted):
        return False
    with new_domain(wanted) as folder:
        images = list(_images(folder, letter, request, workers, advance))
        _describe(folder, letter, request, images)
        create_once(root / "README.txt", README)
    return True


def _wanted(root: Path, letter: str, request: Request) -> Wanted:
    suffix = SUFFIX[request.format]
    names = [f"{place.stem}{suffix}" for place in addresses(request)]
    return Wanted(root / f"domain_{letter}", facts(letter, request), names, "crossad synth")


def facts(letter: str, request: Request) -> dict[str, Any]:
    """What `domain.json` says of a domain before it is generated."""
    domain, preset = DOMAINS[letter], find_preset(request.preset)
    asked = asdict(request) | {
        "preset": preset.name,
        "size": list(request.size) if request.size else "native",
    }
    return {
        "synthetic": True,
        "generator": GENERATOR,
        "operating_class": domain.operating_class,
        "sensor": domain.sensor,
        **asked,
        "preset_says": preset.says,
        "scale": None if preset.per_image else full_scale(letter),  # raw units of the value 1.0 (PNG: of the whitest)
        "headroom": None if preset.per_image else HEADROOM,
    }


def _images(
    folder: Path, letter: str, request: Request, workers: int, advance: Callable[[int], None]
) -> Iterator[Written]:
    places = addresses(request)
    lots = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    for parent in {(folder / "masks" / place.stem).parent for place in places}:
        parent.mkdir(parents=True, exist_ok=True)
    work = partial(_write_lot, folder, letter, request)
    if workers == 1:
        for written in map(work, lots):
            advance(len(written))
            yield from written
        return
    # fresh interpreters: a fork would copy the threads of a progress display in the middle of whatever they do
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_follow_parent) as pool:
            for written in pool.map(work, lots):
                advance(len(written))
                yield from written
    except BrokenProcessPool as error:
        raise CrossadError(
            "a process of the generator was killed (out of memory?)", hint="use fewer: --jobs 1"
        ) from error


def _follow_parent() -> None:
    """Leave signals, which all processes of a terminal hear, to the parent that clears up; end when it has ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_lot(folder: Path, letter: str, request: Request, places: Sequence[Address]) -> list[Written]:
    return [_write_image(folder, letter, request, image) for image in render(letter, places, request)]


def _write_image(folder: Path, letter: str, request: Request, image: Rendered) -> Written:
    """Write an image and its mask; plain writes, because the folder is renamed as a whole."""
    name = f"{image.address.stem}{SUFFIX[request.format]}"
    label = f"SYNTHETIC {GENERATOR} {find_preset(request.preset).name} domain {letter} seed {request.seed}"
    stored, clipped = store(image.pixels, request.format)
    (folder / name).write_bytes(encode(stored, label))
    if image.state.severity > 0:
        mask = encode(image.mask.astype(np.uint8) * np.uint8(255), f"mask; {label}")
        (folder / "masks" / f"{image.address.stem}.png").write_bytes(mask)
    return Written(_row(name, image, request), clipped, image.pixels.size)


def _row(name: str, image: Rendered, request: Request) -> dict[str, str | int]:
    state, damaged = image.state, image.state.severity > 0
    teeth = {
        f"{gear}_tooth": state.tooth if damaged and gear == request.fault else "" for gear in ("planet", "ring", "sun")
    }
    return {
        "path": name,
        "severity": repr(state.severity),
        "stratum": image.address.stratum,
        **teeth,
        "start_row": state.start_row,
        "tau": repr(state.tau),
        "seed_index": image.address.index,
        "synthetic": "true",
    }


def _describe(folder: Path, letter: str, request: Request, images: Sequence[Written]) -> None:
    write_table(folder / "metadata.csv", [image.row for image in images])
    share = sum(image.clipped for image in images) / sum(image.pixels for image in images)
    measured = dict(zip(_MEASURED, (share, __version__), strict=True))
    write_json(folder / "domain.json", facts(letter, request) | measured)
    if not any((folder / "masks").rglob("*.png")):
        shutil.rmtree(folder / "masks")
