"""The pictures of one evaluation as one object: a zip, stored, whose central directory is its index."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from crossad.errors import DataError

EPOCH = (1980, 1, 1, 0, 0, 0)  # equal pictures make equal archives
SUFFIX = ".jpg"
LARGEST = 64 * 2**20  # bytes of one picture; the largest ever drawn has two


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


def unpack_pictures(archive: Path, folder: Path) -> None:
    """Write an archive's pictures into a folder.

    Raises:
        DataError: it is no archive of pictures; nothing was written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            if wrong := [member.filename for member in members if not _picture(member)]:
                raise DataError(f"not an archive of pictures: {archive}: it has {wrong[0][:80]!r}")
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                (folder / member.filename).write_bytes(packed.read(member))
    except zipfile.BadZipFile as error:
        raise DataError(f"not an archive of pictures: {archive}: {error}") from error


def _picture(member: zipfile.ZipInfo) -> bool:
    """A plain file of a picture's name and size, beside the others."""
    name = member.filename
    plain = name == Path(name).name and name.endswith(SUFFIX) and not name.startswith(".")
    return plain and member.compress_type == zipfile.ZIP_STORED and member.file_size <= LARGEST
