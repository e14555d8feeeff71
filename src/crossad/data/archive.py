"""Images as one uncompressed zip: the same images give the same bytes; nothing hostile is unpacked.

A split's images are an archive of `crossad data pack`; `write_members` and `unpack_members` serve other folders, too.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Sequence
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
Wrong = Callable[[str], str | None]  # what is wrong with a member's name, or None
BLOCK = 2**20
STAMP = (1980, 1, 1, 0, 0, 0)  # a zip has no earlier one; the time of packing must not change the bytes
_UNIX = 3
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Member:
    """An image of an archive."""

    name: str  # below the packed folder, a split's for one: good/000000.png
    sha256: str
    bytes: int


def write_archive(target: Path, images: Sequence[ImageFile], advance: Callable[[int], None]) -> list[Member]:
    """Write the images of one split, in the order of `list_images`; `advance` is told of each.

    Raises:
        DataError: an image cannot be read, or its name cannot travel.
    """
    named = ((image.path, image.relative.removeprefix(f"{image.split}/")) for image in images)
    return write_members(target, named, _wrong_name, advance)


def write_members(
    target: Path, named: Iterable[tuple[Path, str]], wrong: Wrong, advance: Callable[[int], None]
) -> list[Member]:
    """Write files under names into a new archive, in their order; `advance` is told of each.

    Raises:
        DataError: a file cannot be read, or its name cannot travel.
    """
    members = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path, name in named:
            if told := wrong(name):
                raise DataError(f"{path}: cannot be packed: {told}", hint="rename the image")
            members.append(_add(archive, path, name))
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
        members = unpack_members(archive, folder, (known.images, known.bytes), _wrong_name, advance)
    except ValueError as error:
        raise _hostile(str(error)) from error
    for label in LABELS:
        (folder / label).mkdir(parents=True, exist_ok=True)
    return members


def unpack_members(
    archive: Path, folder: Path, most: tuple[int, int], wrong: Wrong, advance: Callable[[int], None]
) -> list[Member]:
    """Write an archive's members below a folder that has none of them, read-only; `advance` is told of each.

    Args:
        archive: the file.
        folder: where to.
        most: how many members there are, and how many bytes they have at most.
        wrong: tells what is wrong with a name.
        advance: told of each member.

    Raises:
        ValueError: it is no archive that `write_members` makes, and why.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            _check(infos, most, wrong)
            members = []
            for info in infos:
                target = folder / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("xb") as out:
                    digest, size = _copy(source, out)
                    os.fchmod(out.fileno(), 0o444)  # results are remembered by these bytes
                members.append(Member(info.filename, digest, size))
                advance(1)
            return members
    except (zipfile.BadZipFile, NotImplementedError, EOFError, FileExistsError) as error:
        raise ValueError(str(error)) from error


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


def _check(infos: Sequence[zipfile.ZipInfo], most: tuple[int, int], wrong: Wrong) -> None:
    """Everything that can be told before a byte is written."""
    if len(infos) != most[0]:
        raise ValueError(f"it has {len(infos)} images, the index says {most[0]}")
    if len({info.filename for info in infos}) != len(infos):
        raise ValueError("it has a name twice")
    if sum(info.file_size for info in infos) > most[1]:
        raise ValueError("its images are larger than the archive")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if told := wrong(info.orig_filename):
            raise ValueError(f"{info.orig_filename[:80]!r}: {told}")
        if kind not in (0, stat.S_IFREG) or info.is_dir():
            raise ValueError(f"{info.filename}: not a regular file")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{info.filename}: compressed")
        if info.flag_bits & _ENCRYPTED:
            raise ValueError(f"{info.filename}: encrypted")


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
