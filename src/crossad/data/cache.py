"""Packed images on this machine: fetched once, verified, unpacked whole or not at all, shared between processes.

<cache>/parts/<sha256 of an archive>/good/000000.png   the images of one split; read-only
<cache>/roots/<sha256 of an index>/                    an ordinary data root: its splits are links to parts
<cache>/fetching/                                      what is on its way
<cache>/locks/                                         one process fetches, others wait; a lock ends with its process

Everything may be deleted while nothing runs: it is fetched again.
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.assets import cache_folder
from crossad.data.archive import Advance, check_members, unpack
from crossad.data.index import Archive, Index, SplitLock, read_index
from crossad.data.layout import LABELS
from crossad.data.lock import NAME as LOCK
from crossad.errors import DataError, EnvironmentFault
from crossad.files import alone, sha256_file, sync_folder, write_json
from crossad.store.base import Expected
from crossad.store.disk import translated
from crossad.store.faults import ObjectDamaged, ObjectMissing

if TYPE_CHECKING:
    from crossad.store.base import Store

MIB = 2**20
LOOK_SECONDS = 0.5  # between two looks at how much has come
DISK_BLOCK = 4096  # a file takes up to so much more than its bytes
Part = tuple[str, str]  # (domain, split)


def default_cache() -> Path:
    """`CROSSAD_CACHE`, else crossad's folder below `XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("CROSSAD_CACHE") or cache_folder()).absolute()


@contextmanager
def my_turn(cache: Path, name: str) -> Iterator[None]:
    """Wait until no other process of this machine does the same with a cache."""
    path = cache / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path, 0o666):
        yield


def nothing(*_: object) -> None:
    """Tell nobody how far it is."""


@dataclass
class Cache:
    """The packed images of one store in a folder of this machine."""

    store: Store
    folder: Path
    index: Index = field(init=False)

    def __post_init__(self) -> None:
        """Read the index; nothing else is asked of the store before images are needed.

        Raises:
            MissingInputError: nothing is packed there.
            DataError: its index is none of this version.
        """
        self.index = read_index(self.store)

    @property
    def root(self) -> Path:
        """The data root: the same path for the same packed images."""
        return self.folder / "roots" / self.index.sha256[:32]

    def begin(self) -> Path:
        """The root with its lock, and those domains in it that were brought before."""
        if not (self.root / LOCK).is_file():
            with self._writable():
                write_json(self.root / LOCK, self.index.lock_record)
        return self.root

    def bring(self, parts: Sequence[Part], advance: Advance = nothing) -> Path:
        """Have the images of some splits in the root.

        Raises:
            MissingInputError: a domain or split is not packed, or its archive is gone.
            DataError: an archive is not what the index says; nothing of it is left here.
            EnvironmentFault: there is no room; nothing was begun.
        """
        wanted = [_Wanted(self, domain, split) for domain, split in dict.fromkeys(parts)]
        for part in wanted:
            self.index.archive(part.domain, part.split, self.store.uri)  # all names before the first byte
        root = self.begin()
        for number, part in enumerate(wanted):
            if part.here:
                continue
            # the first lock makes one account of the room for all who share an index; the second is for who do not
            turns = (f"index-{self.index.sha256}", part.archive.sha256)
            with self._writable(), my_turn(self.folder, turns[0]), my_turn(self.folder, turns[1]):
                if not part.here:  # whoever was faster brought it while we waited
                    self._require_room([one for one in wanted[number:] if not one.here])
                    part.fetch(advance)
        for part in wanted:
            with self._writable():
                part.link()
        return root

    def _require_room(self, missing: Sequence[_Wanted]) -> None:
        """Room for everything that is to come, and for one archive beside it.

        Raises:
            EnvironmentFault: there is not enough.
        """
        need = sum(part.lock.bytes + DISK_BLOCK * part.lock.images for part in missing)
        need += max(part.archive.bytes for part in missing)
        need += sum(file.bytes for name in {part.domain for part in missing} for file in self.index.domains[name].files)
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise EnvironmentFault(
                f"no room for {', '.join(part.name for part in missing)} in {self.folder}:"
                f" {-(-need // MIB)} MiB needed, {free // MIB} MiB free",
                hint="name a folder with more room: --data-cache DIR, or CROSSAD_CACHE",
            )

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Errors of the cache's disk, told as such."""
        with translated(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True)
            yield


@dataclass(frozen=True)
class _Wanted:
    """One split that is to be here."""

    cache: Cache
    domain: str
    split: str

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.split}"

    @cached_property
    def archive(self) -> Archive:
        return self.cache.index.archive(self.domain, self.split, self.cache.store.uri)

    @cached_property
    def lock(self) -> SplitLock:
        return self.cache.index.split_lock(self.domain, self.split)

    @property
    def folder(self) -> Path:
        return self.cache.folder / "parts" / self.archive.sha256

    @property
    def here(self) -> bool:
        """True where all its images lie here, by number and bytes: power may have failed, or somebody tidied up."""
        sizes = [entry.stat().st_size for label in LABELS for entry in _entries(self.folder / label)]
        return (len(sizes), sum(sizes)) == (self.lock.images, self.lock.bytes) and self.folder.is_dir()

    def fetch(self, advance: Advance) -> None:
        """Download, verify, unpack aside, verify again, put in place; the caller holds the lock."""
        where = f"{self.cache.store.uri}/{self.archive.key}"
        aside = self.cache.folder / "fetching" / self.archive.sha256
        unpacked, old = aside / "unpacked", aside / "old"
        for left in (unpacked, old):  # of a process that was killed here
            shutil.rmtree(left, ignore_errors=True)
        archive = self._download(aside, advance)
        try:
            told = f"unpack {self.name}"
            members = unpack(archive, unpacked, self.archive, lambda n: advance(told, n, self.archive.images))
            check_members(members, self.split, self._rows, self.lock)
        except DataError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise DataError(f"{where} ({self.name}): {error.message}", hint=error.hint) from error
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.exists():  # not whole any more; who still reads there loses it for an instant only
            self.folder.rename(old)
        unpacked.rename(self.folder)
        sync_folder(self.folder.parent)
        shutil.rmtree(aside, ignore_errors=True)

    def _download(self, aside: Path, advance: Advance) -> Path:
        """The archive here; a download or an unpacking that was killed goes on where it stopped."""
        path, known = aside / "archive.zip", self.archive
        expected = Expected(known.bytes, known.sha256)
        if not expected.fits(path):
            try:
                with watched(aside, -(-known.bytes // MIB), partial(advance, f"fetch {self.name} (MiB)")):
                    self.cache.store.get_file(known.key, path, expected)
            except (ObjectDamaged, ObjectMissing) as error:
                where = f"{self.cache.store.uri}/{known.key}"
                hint = f"delete {where}, then pack again: crossad data pack ROOT {self.cache.store.uri}"
                raise type(error)(f"images of {self.name}: {error.message}", hint=hint) from error
        return path

    @property
    def _rows(self) -> str | None:
        """The hash of the domain's metadata.csv, which is part of its lock."""
        files = self.cache.index.domains[self.domain].files
        return next((file.sha256 for file in files if file.path == "metadata.csv"), None)

    def link(self) -> None:
        """Put the split, and before it what lies beside it, into the root."""
        folder = self.cache.root / self.domain
        for file in self.cache.index.domains[self.domain].files:
            path = folder / file.path
            if not path.is_file() or sha256_file(path) != file.sha256:
                self.cache.store.get_file(file.key, path, Expected(file.bytes, file.sha256))
        link, target = folder / self.split, Path("../../../parts") / self.archive.sha256
        if link.is_symlink() and link.readlink() == target:
            return
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{self.split}.{uuid.uuid4().hex}.tmp"
        aside.symlink_to(target, target_is_directory=True)
        aside.replace(link)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _bytes_in(folder: Path) -> int:
    """Bytes of the files in a folder where somebody else writes and renames."""
    total = 0
    for entry in _entries(folder):
        with suppress(FileNotFoundError):
            total += entry.stat().st_size if entry.is_file() else 0
    return total


@contextmanager
def watched(folder: Path, total: int, advance: Callable[[int, int], None]) -> Iterator[None]:
    """Tell how many MiB of `total` came into a folder while somebody else writes there."""
    done, told = threading.Event(), 0

    def look() -> None:
        nonlocal told
        while not done.wait(LOOK_SECONDS):
            now = min(total, _bytes_in(folder) // MIB)
            if now > told:
                advance(now - told, total)
                told = now

    watcher = threading.Thread(target=look, name="crossad-fetch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    advance(total - told, total)
