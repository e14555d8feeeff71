"""A store in a folder: replaced by rename, created once by link(2), files and folders synced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from crossad.files import create_once, sync_folder, write_atomic
from crossad.store.base import ANYTHING, SMALL, Entry, Expected, Once, Unfinished, size_of
from crossad.store.disk import translated
from crossad.store.faults import KeyRefused, ObjectDamaged, ObjectMissing, StoreUnreachable
from crossad.store.keys import check_key, check_prefix
from crossad.store.landing import BLOCK, land
from crossad.store.patience import Patience

ROUNDS = 100  # a `delete` at the same time may take a new file's folder away


class FolderStore:
    """Objects as files below one folder, which the first write makes. Symbolic links are not objects."""

    def __init__(self, root: Path) -> None:
        """Name the folder."""
        self.root = root

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self.root)

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        """Write aside, then rename; a folder keeps no content type."""
        path = self._path(key)
        size_of(source)
        with translated(self._where(key)):
            for _ in range(ROUNDS):
                with _while_others_delete(path):
                    if isinstance(source, Path):
                        return _copy_atomic(source, path)
                    write_atomic(path, source)
                    return hashlib.sha256(source).hexdigest()
        raise _restless(self._where(key))

    def create_once(self, key: str, data: bytes) -> Once:
        """Link into place; exactly one of many succeeds."""
        path = self._path(key)
        with translated(self._where(key)):
            for _ in range(ROUNDS):
                with _while_others_delete(path):
                    return "created" if create_once(path, data) or path.read_bytes() == data else "exists"
        raise _restless(self._where(key))

    def read_once(self, key: str) -> bytes | None:
        """The bytes, or None."""
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def get(self, key: str) -> bytes:
        """The bytes."""
        with self._opened(key) as handle, translated(self._where(key)):
            size = os.fstat(handle.fileno()).st_size
            if size > SMALL:
                raise ObjectDamaged(f"{self._where(key)}: {size} bytes, allowed {SMALL}")
            return handle.read()

    def get_file(self, key: str, target: Path, expected: Expected = ANYTHING, *, lasting: bool = True) -> None:
        """Copy, verified."""
        with self._opened(key) as handle:

            def read(offset: int) -> Iterator[bytes]:
                with translated(self._where(key)):
                    handle.seek(offset)
                    while block := handle.read(BLOCK):
                        yield block

            land(self._where(key), target, expected, read, Patience(0), lasting=lasting)

    def stat(self, key: str) -> Entry | None:
        """The file's entry, or None."""
        with translated(self._where(key)):
            try:
                found = self._path(key).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _entry(key, found) if _regular(found) else None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Walk only the folders that the prefix leaves possible."""
        check_prefix(prefix)
        folder, _, _ = prefix.rpartition("/")
        with translated(self._where(prefix)):
            yield from _walk(self._inside(folder), f"{folder}/" if folder else "", prefix)

    def delete(self, key: str, *, once: bool = True) -> None:
        """Remove the file, and the folders that it leaves empty."""
        path = self._path(key)
        with translated(self._where(key)):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
            with contextlib.suppress(FileNotFoundError):  # another `delete` took the folder
                sync_folder(path.parent)
        for parent in path.parents:
            if parent == self.root:
                return
            try:
                parent.rmdir()
            except OSError:
                return  # not empty, or already gone

    def now(self) -> datetime:
        """The file system's clock, which on a network share is another machine's."""
        with translated(self.uri):
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".", suffix=".tmp") as handle:
                return datetime.fromtimestamp(os.fstat(handle.fileno()).st_mtime, UTC)

    def uploads(self, before: datetime) -> Iterator[Unfinished]:
        """None: a file is written whole, beside its place."""
        return iter(())

    def abort(self, upload: Unfinished) -> None:
        """Nothing to give up."""

    def _opened(self, key: str) -> IO[bytes]:
        """The open file of an object; a folder of that name is no object."""
        path = self._path(key)
        with translated(self._where(key)):
            try:
                return path.open("rb")
            except (IsADirectoryError, NotADirectoryError) as error:
                raise ObjectMissing(f"{self._where(key)}: no such object") from error

    def _where(self, key: str) -> str:
        return str(self.root / key)

    def _path(self, key: str) -> Path:
        return self._inside(check_key(key))

    def _inside(self, key: str) -> Path:
        """The path of a key; refused where a link leads out of the folder."""
        path = self.root / key
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise KeyRefused(f"key refused: {key[:80]!r}: a link leads out of {self.root}", hint="remove the link")
        return path


@contextmanager
def _while_others_delete(path: Path) -> Iterator[None]:
    """Pass over what a folder that vanishes looks like; an object where a folder should be is another matter."""
    try:
        yield
    except FileNotFoundError:
        pass
    except FileExistsError:
        if any(parent.exists() and not parent.is_dir() for parent in path.parents):
            raise


def _copy_atomic(source: Path, path: Path) -> str:
    """Copy a file aside in blocks, sync it, rename it; the SHA-256 of its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as into:
            digest = hashlib.sha256()
            while block := into.read(BLOCK):
                digest.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        aside.chmod(0o644)
        aside.replace(path)
        sync_folder(path.parent)
        return digest.hexdigest()
    finally:
        aside.unlink(missing_ok=True)


def _walk(folder: Path, below: str, prefix: str) -> Iterator[Entry]:
    """Entries below a folder whose keys begin with the prefix, in the order of their keys' bytes."""
    try:
        with os.scandir(folder) as scan:
            found = sorted(scan, key=lambda item: os.fsencode(f"{item.name}/" if _folder(item) else item.name))
    except (FileNotFoundError, NotADirectoryError):
        return
    for item in found:
        key = below + item.name
        if _folder(item):
            if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                yield from _walk(folder / item.name, f"{key}/", prefix)
        elif key.startswith(prefix):
            with contextlib.suppress(FileNotFoundError, KeyRefused):  # gone meanwhile; a write in progress
                check_key(key)
                status = item.stat(follow_symlinks=False)
                if _regular(status):
                    yield _entry(key, status)


def _folder(item: os.DirEntry[str]) -> bool:
    return item.is_dir(follow_symlinks=False)


def _regular(status: os.stat_result) -> bool:
    return (status.st_mode & 0o170000) == 0o100000


def _entry(key: str, status: os.stat_result) -> Entry:
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return Entry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), etag)


def _restless(where: str) -> StoreUnreachable:
    return StoreUnreachable(f"{where}: its folder comes and goes", hint="something else deletes here; run again")
