"""Packing a data root into a store: one archive a domain and split, then the index that makes them count."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from crossad.data.archive import Advance, write_archive
from crossad.data.index import (
    NAME,
    Archive,
    Index,
    PackedDomain,
    SideFile,
    SideName,
    archive_key,
    find_index,
    sidecar_key,
)
from crossad.data.layout import SPLITS, ImageFile, domain_facts, list_domains, list_images
from crossad.data.lock import FORMAT, read_lock, split_lock
from crossad.errors import DataError, EnvironmentFault, MissingInputError, UsageError
from crossad.files import sha256_file

if TYPE_CHECKING:
    from crossad.store.base import Store

State = Literal["uploaded", "already there"]


@dataclass(frozen=True)
class Packed:
    """One archive of a pack, and whether it had to be sent."""

    domain: str
    split: str
    archive: Archive
    state: State

    def record(self) -> dict[str, Any]:
        """For a machine."""
        return {"domain": self.domain, "split": self.split, "state": self.state, **self.archive.model_dump()}


@dataclass(frozen=True)
class Result:
    """What a pack did."""

    uri: str
    archives: tuple[Packed, ...]
    index: Index
    fresh: bool  # the index had to be written
    checked: bool  # the root had a lock, so its images were looked at once
    dropped: tuple[str, ...]  # domains of an earlier index that this one does not have

    def record(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "target": self.uri,
            "index": {"key": NAME, "sha256": self.index.sha256, "state": "written" if self.fresh else "already there"},
            "archives": [packed.record() for packed in self.archives],
            "domains": sorted(self.index.domains),
            "dropped": list(self.dropped),
            "lock": "of the root" if self.checked else "made while packing",
        }


@dataclass
class _Packer:
    root: Path
    store: Store
    scratch: Path
    lock: dict[str, Any] | None  # the root's own
    advance: Advance
    total: int  # images
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)
    archives: list[Packed] = field(default_factory=list)

    def domain(self, name: str) -> PackedDomain:
        """Pack one domain."""
        files = tuple(self._sidecar(name, path) for path in get_args(SideName) if (self.root / name / path).is_file())
        rows = next((file.sha256 for file in files if file.path == "metadata.csv"), None)
        there = [split for split in SPLITS if (self.root / name / split).is_dir()]
        self.locks[name] = {}
        return PackedDomain.model_validate(
            {"files": files, "splits": {split: self._split(name, split, rows) for split in there}}
        )

    def _split(self, domain: str, split: str, rows: str | None) -> Archive:
        """Pack one split: into a file aside, because its hash is its name."""
        images = list_images(self.root, domain, split)
        path = self.scratch / "archive.zip"
        members = write_archive(path, images, lambda count: self.advance("images", count, self.total))
        lock = split_lock(rows, ((f"{split}/{member.name}", member.sha256, member.bytes) for member in members))
        if self.lock is not None and self.lock["domains"].get(domain, {}).get(split) != lock:
            raise DataError(
                f"{domain}/{split} is not what {self.root / 'data.lock.json'} says",
                hint=f"check the images and write the lock anew: crossad data check {self.root}",
            )
        self.locks[domain][split] = lock
        sha256, size = sha256_file(path), path.stat().st_size
        archive = Archive(key=archive_key(sha256), bytes=size, sha256=sha256, images=len(images))
        self.archives.append(Packed(domain, split, archive, self._send(archive.key, path, size)))
        path.unlink()
        return archive

    def _sidecar(self, domain: str, name: SideName) -> SideFile:
        path, source = self.scratch / name, self.root / domain / name
        try:
            shutil.copyfile(source, path)  # a copy cannot change between its hash and its upload
        except PermissionError as error:
            raise DataError(f"{source}: {error.strerror}", hint="make it readable") from error
        sha256, size = sha256_file(path), path.stat().st_size
        self._send(sidecar_key(sha256), path, size)
        return SideFile(path=name, key=sidecar_key(sha256), bytes=size, sha256=sha256)

    def _send(self, key: str, path: Path, size: int) -> State:
        there = self.store.stat(key)  # named by its bytes and written whole: of this size it is this one
        if there is not None and there.size == size:
            return "already there"
        self.store.put(key, path)
        return "uploaded"


def pack(root: Path, store: Store, only: Sequence[str] = (), advance: Advance = lambda *_: None) -> Result:
    """Pack the domains of a root (or `only` some, beside those that are packed already), then write the index.

    A root without a lock gets none: the index's is made from the bytes that are read here anyway. Whoever stops this
    leaves objects that no index names and the next pack finds.

    Raises:
        MissingInputError: the root or a domain is not there.
        DataError: the images are not those of the root's lock, or cannot be read.
    """
    names, lock = _names(root, only), read_lock(root)
    sets = {name: _images(root, name) for name in names}
    before = find_index(store)
    with tempfile.TemporaryDirectory(prefix="crossad-pack-") as scratch:
        _require_room(Path(scratch), sets.values())
        total = sum(len(images) for splits in sets.values() for images in splits)
        packer = _Packer(root, store, Path(scratch), lock, advance, total)
        try:
            domains = {name: packer.domain(name) for name in names}
        except OSError as error:
            raise EnvironmentFault(
                f"cannot pack {root}: {error.filename or scratch}: {error.strerror}",
                hint="name another folder for the archive that is being made: TMPDIR",
            ) from error
        index = _index(domains, packer.locks, before if only else None)
        fresh = before is None or before.text != index.text
        if fresh:
            store.put(NAME, index.text.encode(), content_type="application/json")
    dropped = () if before is None else tuple(sorted(before.domains.keys() - index.domains.keys()))
    return Result(store.uri, tuple(packer.archives), index, fresh, lock is not None, dropped)


def _index(domains: dict[str, PackedDomain], locks: dict[str, Any], kept: Index | None) -> Index:
    """The index of what was packed now, and of what an earlier one keeps."""
    there = {} if kept is None else dict(kept.domains)
    known = {} if kept is None else kept.lock_record["domains"]
    return Index.model_validate(
        {"lock": {"format": FORMAT, "domains": known | locks}, "domains": there | domains},
    )


def _names(root: Path, only: Sequence[str]) -> tuple[str, ...]:
    names = list_domains(root)
    if not names:
        raise MissingInputError(f"no domain in {root}", hint=f"what is wrong there? crossad data check {root}")
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UsageError(f"--only {', '.join(unknown)}: not in {root}", hint=f"domains there: {', '.join(names)}")
    return tuple(name for name in names if not only or name in only)


def _images(root: Path, domain: str) -> list[tuple[ImageFile, ...]]:
    """The images of a domain's splits; broken sidecars are told before anything is sent."""
    domain_facts(root, domain)
    return [list_images(root, domain, split) for split in SPLITS if (root / domain / split).is_dir()]


def _require_room(scratch: Path, sets: Iterable[list[tuple[ImageFile, ...]]]) -> None:
    """Room for the largest archive, one at a time.

    Raises:
        EnvironmentFault: there is not enough.
    """
    sizes = [sum(image.path.stat().st_size + 512 for image in images) for splits in sets for images in splits]
    largest, free = max(sizes, default=0), shutil.disk_usage(scratch).free
    if largest > free:
        raise EnvironmentFault(
            f"no room for the largest archive in {scratch.parent}: {largest} bytes needed, {free} free",
            hint="name another folder: TMPDIR",
        )
