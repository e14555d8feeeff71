"""A folder of texture images: which files count, one hash over them, and the archive in which they travel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from crossad.data.archive import Member, unpack_members, write_members
from crossad.data.layout import SUFFIXES
from crossad.errors import MissingInputError
from crossad.files import sha256_file
from crossad.store.faults import KeyRefused
from crossad.store.keys import check_key
from crossad.supplies.pins import Pin

PREFIX = "dtd:"  # how a condition's anomaly_source begins that names a folder
MEMBER_BYTES = 2048  # an archive spends no more on an image's name and headers


def texture_files(folder: Path) -> list[Path]:
    """The images of a folder and of the folders in it, in the order in which draws number them."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [path for path in found if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()]


def hash_textures(folder: Path) -> str:
    """One hash over names and bytes of a folder's images: what records call its textures."""
    return _hash((path.relative_to(folder).as_posix(), sha256_file(path)) for path in texture_files(folder))


def _hash(named: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, sha256 in sorted(named, key=lambda one: PurePosixPath(one[0]).parts):  # as paths are sorted
        digest.update(f"{name}:{sha256};".encode())
    return digest.hexdigest()


def pack_textures(folder: Path, archive: Path, advance: Callable[[int], None]) -> list[Member]:
    """Write the images of a folder into one archive.

    Raises:
        MissingInputError: the folder is not there or has no image.
        DataError: an image cannot be read, or its name cannot travel.
    """
    files = texture_files(folder)
    if not files:
        what = "no texture image in" if folder.is_dir() else "no such texture folder:"
        raise MissingInputError(
            f"{what} {folder}", hint=f"allowed: a folder with images ({', '.join(sorted(SUFFIXES))})"
        )
    return write_members(archive, ((path, path.relative_to(folder).as_posix()) for path in files), _wrong_name, advance)


def unpack_textures(archive: Path, folder: Path, pin: Pin, advance: Callable[[int], None]) -> None:
    """Write an archive's images into a new folder; they are those of the pin.

    Raises:
        ValueError: it is no archive that `pack_textures` makes, or has other images than the pin says.
    """
    members = unpack_members(archive, folder, (pin.files, pin.bytes), _wrong_name, advance)
    if hash_members(members) != pin.content:
        raise ValueError("its images are not those of the pin")


def hash_members(members: Iterable[Member]) -> str:
    """As `hash_textures`, of what was packed or unpacked."""
    return _hash((member.name, member.sha256) for member in members)


def _wrong_name(name: str) -> str | None:
    """What is wrong with the name of a texture below its folder, or None."""
    try:
        check_key(name)
    except KeyRefused as error:
        return error.message
    path = PurePosixPath(name)
    if "\\" in name or path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return "not a name of an image"
    return None
