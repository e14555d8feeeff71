"""The pictures of one evaluation as one object: a zip, stored, whose central directory is its index."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from crossad.errors import DataError
from crossad.store.faults import KeyRefused
from crossad.store.keys import check_key

EPOCH = (1980, 1, 1, 0, 0, 0)  # equal pictures make equal archives
SUFFIX = ".jpg"
BLOCK = 2**20
LARGEST = 64 * 2**20  # bytes of one picture; the largest ever drawn has two
# what the library raises on archives that were made to mislead it
_MISREAD = (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, OverflowError, struct.error, zipfile.LargeZipFile)


def pack_pictures(folder: Path, archive: Path) -> Path | None:
    """Write the pictures of a folder into one archive, whole or not at all; None where there is no picture."""
    pictures = sorted(folder.glob(f"*{SUFFIX}"))
    if not pictures:
        return None
    aside = archive.with_name(f".{archive.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(aside, "w") as packed:
            for picture in pictures:
                packed.writestr(zipfile.ZipInfo(picture.name, EPOCH), picture.read_bytes())
        aside.replace(archive)
    finally:
        aside.unlink(missing_ok=True)
    return archive


def unpack_pictures(archive: Path, folder: Path) -> dict[str, str]:
    """Write an archive's pictures into a folder, over what is there.

    Returns:
        Their names, each with the SHA-256 of its bytes.

    Raises:
        DataError: it is no archive of pictures; what was written before that was noticed lies in the folder.
    """
    told, found = f"not an archive of pictures: {archive.name}", dict[str, str]()
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            if wrong := _wrong(members, archive.stat().st_size):
                raise DataError(f"{told}: {wrong}")
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                with packed.open(member) as source, _new(folder / member.filename) as target:
                    digest = hashlib.sha256()
                    while block := source.read(BLOCK):  # most pictures in one step: 16 threads take turns
                        digest.update(block)
                        target.write(block)
                    if target.tell() != member.file_size:
                        raise DataError(f"{told}: {member.filename[:80]!r} ends early")
                    found[member.filename] = digest.hexdigest()
        return found
    except _MISREAD as error:
        raise DataError(f"{told}: {error}") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the file's beginning
            raise DataError(f"{told}: it points outside of itself") from error
        raise


def _new(path: Path) -> IO[bytes]:
    """A new file in the place of what is there; a link is not followed."""
    try:
        return path.open("xb")
    except FileExistsError:
        path.unlink()
        return path.open("xb")


def _wrong(members: Sequence[zipfile.ZipInfo], size: int) -> str | None:
    """What is wrong with an archive's index, if anything; members are stored, so together they fit into the file."""
    names: set[str] = set()
    for member in members:
        if not _picture(member):
            return f"it has {member.filename[:80]!r}"
        if member.filename.casefold() in names:
            return f"it has {member.filename[:80]!r} twice"
        names.add(member.filename.casefold())
    total = sum(member.file_size for member in members)
    return f"its pictures have {total} bytes, and the archive {size}" if total > size else None


def _picture(member: zipfile.ZipInfo) -> bool:
    """A plain file of a picture's name and size, beside the others."""
    name = member.filename
    try:
        check_key(name)
    except KeyRefused:
        return False
    plain = not {"/", "\\"} & set(name) and name.endswith(SUFFIX) and not name.startswith(".")
    kind = stat.S_IFMT(member.external_attr >> 16)
    stored = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size <= LARGEST
    return plain and kind in (0, stat.S_IFREG) and stored and not member.flag_bits & 1
