"""Reads every image once and keeps what a check needs: hashes, shape, range, texture and a thumbnail."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crossad.data.layout import LABELS, ImageFile
from crossad.data.reader import decode, load
from crossad.data.texture import Texture, texture
from crossad.errors import DataError, MissingInputError

GRID = (16, 32)  # (H, W) of a thumbnail: coarse enough that another way of resizing changes it little
NAMES = {label: name for name, label in LABELS.items()}
THREADS = 8


@dataclass(frozen=True)
class Seen:
    """One image that could be read."""

    file: ImageFile
    sha256: str  # of the file's bytes
    content: str  # hash of the decoded pixels: equal for the same image in another compression
    kind: tuple[str, int, int]  # (format, bit depth, channels)
    size: tuple[int, int]  # (H, W)
    low: float
    high: float
    texture: Texture
    thumbnail: NDArray[np.float32]  # (H * W of GRID,), mean 0 and length 1; all 0 where the image is flat

    @property
    def name(self) -> str:
        """Path relative to the root."""
        return f"{self.file.domain}/{self.file.relative}"

    @property
    def group(self) -> tuple[str, str, str]:
        """(domain, split, label)."""
        return self.file.domain, self.file.split, NAMES[self.file.label]


@dataclass(frozen=True)
class Unreadable:
    """One file that is no image."""

    file: ImageFile
    reason: str
    hint: str | None


def scan(files: Sequence[ImageFile]) -> Iterator[Seen | Unreadable]:
    """Look at every file, in order, several at a time."""
    with ThreadPoolExecutor(min(THREADS, len(os.sched_getaffinity(0)))) as pool:
        yield from pool.map(look, files)


def look(file: ImageFile) -> Seen | Unreadable:
    """One file, read once."""
    try:
        data = load(file.path)
        image = decode(data, file.path)
    except (DataError, MissingInputError) as error:
        return Unreadable(file, error.message, error.hint)
    grey = image.pixels.mean(axis=0)
    return Seen(
        file=file,
        sha256=hashlib.sha256(data.tobytes()).hexdigest(),
        content=hashlib.sha256(f"{image.pixels.shape}".encode() + image.pixels.tobytes()).hexdigest(),
        kind=("tiff" if image.format == "tif" else image.format, image.bit_depth, len(image.pixels)),
        size=image.native,
        low=float(image.pixels.min()),
        high=float(image.pixels.max()),
        texture=texture(grey),
        thumbnail=thumbnail(grey),
    )


def thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image (H, W) as a small vector that no gain or offset changes."""
    small = cv2.resize(grey, GRID[::-1], interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    away = small - small.mean()
    length = float(np.linalg.norm(away))
    flat = length <= 1e-6 * max(1e-30, float(np.abs(small).max()))  # float32 dust of an even image is no pattern
    return np.zeros(small.shape, dtype=np.float32) if flat else (away / length).astype(np.float32)


def hashes(images: Sequence[Seen]) -> dict[Path, str]:
    """SHA-256 of the files by path, for the lock."""
    return {image.file.path: image.sha256 for image in images}
