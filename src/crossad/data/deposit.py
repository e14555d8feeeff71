"""Putting a domain into a data root: whole or absent, never over another one."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crossad.data.encode import Stored
from crossad.errors import CrossadError, UsageError
from crossad.files import write_atomic

LEVELS = {"png8": 255, "png16": 65535}
SUFFIX = {"png8": ".png", "png16": ".png", "tiff": ".tiff"}
ASIDE = ".crossad-part-"  # how the names of folders begin in which a domain grows


@dataclass(frozen=True)
class Wanted:
    """A domain that is to lie in a root."""

    target: Path
    facts: Mapping[str, Any]  # what its domain.json says of what was asked for
    images: Sequence[str]  # relative paths
    verb: str  # that writes it: "crossad synth"


def already_there(wanted: Wanted) -> bool:
    """Whether the very domain that is asked for lies there.

    Raises:
        UsageError: something else lies there, or images are missing.
    """
    target = wanted.target
    if not target.exists():
        return False
    found = _facts(target)
    if found is None:
        raise UsageError(f"{target} is there and was not written by {wanted.verb}", hint="choose another folder")
    differing = [name for name, value in wanted.facts.items() if found.get(name) != value]
    if differing:
        told = "; ".join(f"{name}: there {found.get(name)}, asked for {wanted.facts[name]}" for name in differing)
        raise UsageError(f"another domain lies in {target}: {told}", hint="choose another folder, or move it away")
    missing = [name for name in wanted.images if not (target / name).is_file()]
    if missing:
        raise UsageError(
            f"{target} lacks {len(missing)} of its {len(wanted.images)} images, first {missing[0]}",
            hint=f"remove {target} and write it anew: the same command gives the same images",
        )
    return True


@contextmanager
def new_domain(wanted: Wanted) -> Iterator[Path]:
    """A folder to fill, which becomes `wanted.target` at the end, or nothing where filling it fails.

    Where somebody else was faster with the same domain, theirs stays, because it is as good as ours.

    Raises:
        UsageError: another domain appeared there in the meantime.
        CrossadError: the disk is full or may not be written.
    """
    root = wanted.target.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        # the new domain grows one level deeper than domains lie, so that nobody lists a part of it
        with tempfile.TemporaryDirectory(prefix=ASIDE, dir=root) as aside:
            folder = Path(aside) / wanted.target.name
            for parent in {(folder / name).parent for name in wanted.images}:
                parent.mkdir(parents=True, exist_ok=True)
            yield folder
            _publish(folder, wanted)
    except OSError as error:
        raise CrossadError(
            f"cannot write {wanted.target}: {error.strerror or error}", hint="choose another folder or make room"
        ) from error


def _publish(folder: Path, wanted: Wanted) -> None:
    try:
        folder.rename(wanted.target)
    except OSError:
        if not already_there(wanted):
            raise


def store(pixels: NDArray[np.float32], kind: str) -> tuple[Stored, int]:
    """Pixels (H, W) as a file of that kind holds them (1.0 is full scale), and how many were clipped to fit."""
    if kind == "tiff":
        return pixels, 0
    whitest = LEVELS[kind]
    levels = np.rint(pixels.astype(np.float64) * whitest)
    held = np.clip(levels, 0, whitest)
    stored: Stored = held.astype(np.uint8) if kind == "png8" else held.astype(np.uint16)
    return stored, int((levels != held).sum())


def resize(pixels: NDArray[np.float32], size: tuple[int, int] | None) -> NDArray[np.float32]:
    """To (H, W), bilinear, by area where a side shrinks: one way for every split, label and mask; None keeps it."""
    if size is None or size == pixels.shape:
        return pixels
    shrinks = size[0] < pixels.shape[0] or size[1] < pixels.shape[1]
    return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def write_table(path: Path, rows: Sequence[Mapping[str, str | int]]) -> None:
    """Write `metadata.csv`; the first row's keys are the columns."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomic(path, text.getvalue())


def _facts(target: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((target / "domain.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
