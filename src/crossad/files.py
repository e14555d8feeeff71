"""Writes that are whole or absent, on any POSIX file system."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """One text per value: sorted keys, no spaces, no NaN; the text that gets hashed."""
    return _CANONICAL.encode(value)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def _aside(path: Path, pieces: Iterable[bytes]) -> Iterator[Path]:
    """A complete, synced file of these bytes beside `path`, gone afterwards unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.writelines(pieces)
            handle.flush()
            os.fsync(handle.fileno())
        aside.chmod(0o644)
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, not only the bytes behind them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(path: Path, mode: int = 0o644) -> Iterator[None]:
    """Wait until no other process of this machine holds a lock file; the kernel ends a lock with its process.

    Args:
        path: the lock file, in a folder that is there; a link is not followed.
        mode: who may wait for it, too.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replace a file as a whole: a reader sees the old bytes or the new ones, never a part."""
    write_pieces(path, [data.encode() if isinstance(data, str) else data])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same of bytes that are never in memory at once."""
    with _aside(path, pieces) as aside:
        aside.replace(path)
        sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write indented JSON as a whole; NaN and infinity are refused, because readers would choke on them."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def create_once(path: Path, data: bytes | str) -> bool:
    """Create a file that must not exist yet, whole, by link(2).

    Returns:
        True if this call created it, False if the file was already there (it is left as it is).
    """
    with _aside(path, [data.encode() if isinstance(data, str) else data]) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        sync_folder(path.parent)
        return True
