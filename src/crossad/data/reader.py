"""One reader: the exact stored values of 8- and 16-bit and float images, on a scale stated per format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crossad.errors import DataError, MissingInputError

SCALES = {
    np.dtype(np.uint8): 255.0,
    np.dtype(np.uint16): 65535.0,
    np.dtype(np.float32): 1.0,
    np.dtype(np.float64): 1.0,
}
BIT_DEPTH = {
    np.dtype(np.uint8): 8,
    np.dtype(np.uint16): 16,
    np.dtype(np.float32): 32,
    np.dtype(np.float64): 64,
}


@dataclass(frozen=True)
class Image:
    """A decoded image: stored value = pixels * scale."""

    pixels: NDArray[np.float32]  # (C, H, W), C = 1 or 3 (RGB)
    native: tuple[int, int]  # (H, W)
    bit_depth: int
    format: str
    scale: float


def read(path: Path) -> Image:
    """Read an image: 8-bit / 255, 16-bit / 65535, float as it is; grey has one channel, colour three in RGB order.

    Raises:
        MissingInputError: the file is not there.
        DataError: it cannot be decoded, has see-through pixels, or values that are not finite.
    """
    return decode(load(path), path)


def load(path: Path) -> NDArray[np.uint8]:
    """The bytes of an image file.

    Raises:
        MissingInputError: the file is not there.
        DataError: the system cannot read it.
    """
    try:
        return np.fromfile(path, dtype=np.uint8)  # cv2.imread knows no errors and no unusual file names
    except FileNotFoundError as error:
        raise MissingInputError(f"no such image: {path}") from error
    except OSError as error:
        raise DataError(f"cannot read image: {path}: {error.strerror}") from error


def decode(data: NDArray[np.uint8], path: Path) -> Image:
    """The image that the bytes of a file hold; `read` says how.

    Raises:
        DataError: as for `read`.
    """
    stored = _decode(data) if data.size else None
    if stored is None:
        raise DataError(
            f"not an image that can be decoded: {path} ({data.size} bytes)",
            hint="write it anew or move it away; 'crossad data check' names every such file",
        )
    if stored.dtype not in SCALES:
        raise DataError(f"pixel type {stored.dtype}: {path}; allowed: 8-bit, 16-bit, 32-bit float")
    scale = SCALES[stored.dtype]
    # float64 in between: x / 65535 in float32 would round twice
    pixels = (_channels_first(stored, path).astype(np.float64) / scale).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise DataError(f"{int((~np.isfinite(pixels)).sum())} pixels are not finite: {path}")
    height, width = stored.shape[:2]
    return Image(pixels, (height, width), BIT_DEPTH[stored.dtype], path.suffix.lower().lstrip("."), scale)


@cache
def _silence() -> None:
    """Stop the decoder's complaints, which carry no file name; once for all, because threads share the level."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _decode(data: NDArray[np.uint8]) -> NDArray[np.generic] | None:
    _silence()
    try:
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _channels_first(stored: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    """(H, W) or (H, W, C) in cv2's BGR(A) order to (C, H, W) grey or RGB."""
    if stored.ndim == 2:
        return stored[None]
    channels = stored.shape[2]
    if channels == 4:
        alpha = stored[:, :, 3]
        opaque = SCALES.get(alpha.dtype, 1.0)
        if (alpha != opaque).any():
            raise DataError(f"see-through pixels: {path}", hint="save the image without an alpha channel")
    elif channels != 3:
        raise DataError(f"{channels} channels: {path}; allowed: 1 (grey) or 3 (colour)")
    return stored[:, :, 2::-1].transpose(2, 0, 1)
