"""Bytes of grey PNG and TIFF files with a label inside; the same pixels and label give the same bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Stored = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
_IMAGE_DESCRIPTION, _SHORT, _LONG, _ASCII = 270, 3, 4, 2


def encode(pixels: Stored, label: str) -> bytes:
    """A grey PNG of 8- or 16-bit pixels (H, W), or an uncompressed TIFF of float pixels, exact in every case."""
    return _tiff(pixels, label) if pixels.dtype == np.float32 else _png(pixels, label)


def _png(pixels: Stored, label: str) -> bytes:
    """PNG (ISO/IEC 15948): header, a text chunk, rows with the "sub" or, at 16 bits, the "none" filter."""
    height, width = pixels.shape
    rows = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, -1)
    step = pixels.dtype.itemsize
    rows[:, step:] -= rows[:, :-step].copy()
    lines = np.concatenate([np.ones((height, 1), dtype=np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8 * step, 0, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"tEXt", b"Comment\0" + label.encode("latin-1")),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _tiff(pixels: Stored, label: str) -> bytes:
    """TIFF 6.0, little-endian, one strip of 32-bit floats."""
    height, width = pixels.shape
    text = label.encode("ascii") + b"\0"
    text += b"\0" * (len(text) % 2)
    body = pixels.astype("<f4").tobytes()
    entries = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, 1, 32),
        (259, _SHORT, 1, 1),  # no compression
        (262, _SHORT, 1, 1),  # black is zero
        (_IMAGE_DESCRIPTION, _ASCII, len(text), 8 + len(body)),
        (273, _LONG, 1, 8),  # the strip follows the file's header
        (277, _SHORT, 1, 1),
        (278, _LONG, 1, height),
        (279, _LONG, 1, len(body)),
        (339, _SHORT, 1, 3),  # floating point
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(body) + len(text)) + body + text + directory + b"\0\0\0\0"
