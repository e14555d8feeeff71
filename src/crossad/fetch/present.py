"""What is here already, told by its bytes alone: no note of an earlier call is believed."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import IO

from crossad.fetch.wanted import Item
from crossad.results.pictures import pack_pictures
from crossad.store.base import Expected
from crossad.store.landing import BLOCK


def is_there(item: Item) -> bool:
    """Whether the bytes are here already, as they were brought by an earlier call or by hand."""
    if item.what == "log":
        return _joined(item)
    ((_, expected),) = item.pieces
    return same(item.target, expected) if item.what == "file" else _unpacked(item.target, expected)


def same(path: Path, expected: Expected) -> bool:
    """Whether a file has the expected bytes; never where the sha256 is unknown."""
    return expected.sha256 is not None and not path.is_symlink() and expected.fits(path)


def leading(handle: IO[bytes], pieces: tuple[tuple[str, Expected], ...]) -> int:
    """How many pieces a file begins with, one after another; it is left at their end."""
    handle.seek(0)
    for index, (_, expected) in enumerate(pieces):
        begin, digest, left = handle.tell(), hashlib.sha256(), expected.size or 0
        while left and (block := handle.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
        if left or digest.hexdigest() != expected.sha256:
            handle.seek(begin)
            return index
    return len(pieces)


def _joined(item: Item) -> bool:
    if not item.target.is_file() or item.target.stat().st_size != item.size:
        return False
    with item.target.open("rb") as handle:
        return leading(handle, item.pieces) == len(item.pieces)


def _unpacked(folder: Path, expected: Expected) -> bool:
    """Equal pictures make equal archives: pack them again and compare."""
    if not folder.is_dir() or expected.size is None:
        return False
    if sum(path.stat().st_size for path in folder.iterdir()) > expected.size:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        packed = pack_pictures(folder, Path(scratch) / "again.zip")
        return packed is not None and same(packed, expected)
