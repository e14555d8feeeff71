"""One split's images as one uncompressed zip: the same images give the same bytes; nothing hostile is unpacked."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from crossad.data.index import Archive, SplitLock
from crossad.data.layout import LABELS, SUFFIXES, ImageFile
from crossad.data.lock import split_lock
from crossad.errors import DataError
from crossad.store.faults import KeyRefused
from crossad.store.keys import check_key

Advance = Callable[[str, int, int], None]  # (what is done, how many more are, of how many in all)
BLOCK = 2**20
STAMP = (1980, 1, 1, 0, 0, 0)  # a zip has no earlier one; the time of packing must not change the bytes
_UNIX = 3
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Member:
    """An image of an archive."""

    name: str  # below the split's folder: good/000000.png
    sha256: str
    bytes: int


def write_archive(target: Path, images: Sequence[ImageFile], advance: Callable[[int], None]) -> list[Member]:
    """Write the images of one split, in the order of `list_images`; `advance` is told of each.

    Raises:
        DataError: an image cannot be read, or its name cannot travel.
    """
    members = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for image in images:
            name = image.relative.removeprefix(f"{image.split}/")
            if wrong := _wrong_name(name):
                raise DataError(f"{image.path}: cannot be packed: {wrong}", hint="rename the image")
            members.append(_add(archive, image.path, name))
            advance(1)
    return members


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> Member:
    info = zipfile.ZipInfo(name, STAMP)
    info.create_system, info.external_attr = _UNIX, (stat.S_IFREG | 0o644) << 16
    try:
        with path.open("rb") as source:
            info.file_size = os.fstat(source.fileno()).st_size
            with archive.open(info, "w") as out:
                digest, size = _copy(source, out)
    except OSError as error:
        if error.filename is None:  # the archive's own disk: the caller knows what to say
            raise
        raise DataError(
            f"{path}: {error.strerror}", hint="every image must be readable: crossad data check ROOT"
        ) from error
    return Member(name, digest, size)


def unpack(archive: Path, folder: Path, known: Archive, advance: Callable[[int], None]) -> list[Member]:
    """Write an archive's images into a new folder, read-only; `advance` is told of each.

    Raises:
        DataError: it is no archive that `write_archive` makes: other names, links, compression, more than it says.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            _check(infos, known)
            for label in LABELS:
                (folder / label).mkdir(parents=True)
            members = []
            for info in infos:
                with opened.open(info) as source, (folder / info.filename).open("xb") as out:
                    digest, size = _copy(source, out)
                    os.fchmod(out.fileno(), 0o444)  # results are remembered by these bytes
                members.append(Member(info.filename, digest, size))
                advance(1)
            return members
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, FileExistsError) as error:
        raise _hostile(str(error)) from error


def check_members(members: Sequence[Member], split: str, rows: str | None, lock: SplitLock) -> None:
    """Images that were unpacked are those of the lock.

    Args:
        members: what was unpacked.
        split: "train" or "test".
        rows: SHA-256 of the domain's `metadata.csv`, or None.
        lock: what the data lock says of the split.

    Raises:
        DataError: they are others.
    """
    ordered = sorted(members, key=lambda member: (LABELS[member.name.partition("/")[0]], member.name))
    found = split_lock(rows, ((f"{split}/{member.name}", member.sha256, member.bytes) for member in ordered))
    if found != lock.model_dump():
        raise _hostile("its images are not those of the data lock")


def _check(infos: Sequence[zipfile.ZipInfo], known: Archive) -> None:
    """Everything that can be told before a byte is written."""
    if len(infos) != known.images:
        raise _hostile(f"it has {len(infos)} images, the index says {known.images}")
    if len({info.filename for info in infos}) != len(infos):
        raise _hostile("it has a name twice")
    if sum(info.file_size for info in infos) > known.bytes:
        raise _hostile("its images are larger than the archive")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if wrong := _wrong_name(info.orig_filename):
            raise _hostile(f"{info.orig_filename[:80]!r}: {wrong}")
        if kind not in (0, stat.S_IFREG) or info.is_dir():
            raise _hostile(f"{info.filename}: not a regular file")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise _hostile(f"{info.filename}: compressed")
        if info.flag_bits & _ENCRYPTED:
            raise _hostile(f"{info.filename}: encrypted")


def _wrong_name(name: str) -> str | None:
    """What is wrong with the name of an image below its split's folder, or None."""
    try:
        check_key(name)
    except KeyRefused as error:
        return error.message
    label, _, rest = name.partition("/")
    if label not in LABELS or not rest or "/" in rest or rest[0] == "." or "\\" in rest:
        return f"allowed: {' or '.join(f'{label}/NAME' for label in LABELS)}"
    return None if PurePosixPath(rest).suffix.lower() in SUFFIXES else "not a name of an image"


def _copy(source: IO[bytes], out: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        out.write(block)
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def _hostile(told: str) -> DataError:
    return DataError(f"not an archive of `crossad data pack`: {told}", hint="pack the images anew")
