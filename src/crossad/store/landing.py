"""Bringing an object into a file: aside first, verified, then renamed; a cut transfer goes on where it stopped."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from crossad.files import sync_folder
from crossad.store.base import Expected
from crossad.store.disk import translated
from crossad.store.faults import ObjectDamaged, ObjectMissing, StoreUnreachable
from crossad.store.patience import Patience

Read = Callable[[int], Iterator[bytes]]  # the bytes from an offset on
BLOCK = 2**20
PROGRESS = 2**16  # bytes that make a cut round worth going on at once


def land(where: str, target: Path, expected: Expected, read: Read, patience: Patience, *, lasting: bool) -> None:
    """Write an object's bytes to `target`, whole and verified, or leave it as it was.

    Where the sha256 is known, an unfinished part is kept on an interruption and continued by the next call.
    What need not be `lasting` is not synced.

    Raises:
        ObjectDamaged: the bytes are not the expected ones; nothing is left behind.
    """
    with translated(str(target)), _part(target, expected) as (handle, part):
        found = handle.seek(0, os.SEEK_END)
        wrong = _fill(handle, expected, read, patience)
        if wrong and found:  # what an earlier call left may be the fault: once more from the start
            handle.truncate(0)
            wrong = _fill(handle, expected, read, patience)
        if wrong:
            part.unlink()
            raise ObjectDamaged(
                f"{where}: {wrong}",
                hint="the object is damaged or was replaced; `crossad fetch` names all such objects",
            )
        handle.flush()
        if lasting:
            os.fsync(handle.fileno())
        part.chmod(0o644)
        part.replace(target)
        if lasting:
            sync_folder(target.parent)


def _fill(handle: IO[bytes], expected: Expected, read: Read, patience: Patience) -> str | None:
    """Append what is missing; what is wrong with the whole, or None."""
    digest = hashlib.sha256()
    handle.seek(0)
    while block := handle.read(BLOCK):
        digest.update(block)

    def round_() -> bool:
        """Append what comes; True at the object's end."""
        before = handle.tell()
        if expected.size is not None and before >= expected.size:
            return True
        try:
            for block in read(before):
                handle.write(block)
                digest.update(block)
        except StoreUnreachable:
            if handle.tell() - before < PROGRESS:
                raise
            return False
        return True

    while not patience.run(round_):
        pass
    size = handle.tell()
    if expected.size is not None and size != expected.size:
        return f"got {size} bytes, expected {expected.size}"
    if expected.sha256 is not None and digest.hexdigest() != expected.sha256:
        return f"got sha256 {digest.hexdigest()}, expected {expected.sha256}"
    return None


@contextmanager
def _part(target: Path, expected: Expected) -> Iterator[tuple[IO[bytes], Path]]:
    """An open unfinished file beside the target: the one of an earlier call, unless another process works on it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = target.with_name(f".{target.name[:40]}.{(expected.sha256 or '')[:16]}.part")
    handle = _claim(kept) if expected.sha256 else None
    part, resumable = kept, handle is not None
    if handle is None:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part")
        handle, part = os.fdopen(descriptor, "r+b"), Path(name)
    with handle:
        try:
            yield handle, part
        except ObjectMissing:  # what was begun is of no use any more
            part.unlink(missing_ok=True)
            raise
        finally:
            if not resumable:
                part.unlink(missing_ok=True)


def _claim(part: Path) -> IO[bytes] | None:
    """The unfinished file, locked; None where another process has it, or just finished it."""
    handle = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if part.stat().st_ino == os.fstat(handle.fileno()).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    handle.close()
    return None
