"""Putting weights and textures into a store: the bytes under their hash, then the pin that makes them count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.assets import hash_tensors
from crossad.errors import DataError, UsageError
from crossad.files import sha256_file
from crossad.store.base import Expected
from crossad.store.faults import ObjectDamaged, ObjectMissing
from crossad.supplies.pins import NAME, Pin, find_pin, pin_key
from crossad.supplies.textures import hash_members, pack_textures, unpack_textures

if TYPE_CHECKING:
    from crossad.store.base import Store


def put_weights(store: Store, name: str, path: Path, source: str, licence: str | None = None) -> tuple[Pin, bool]:
    """Pin a safetensors file under a model's name.

    Returns:
        The pin that stands, and whether this call made it.

    Raises:
        DataError: the file is damaged, or the name is pinned with other weights.
    """
    size, content = path.stat().st_size, hash_tensors(path)
    pin = Pin(name=name, type="weights", bytes=size, sha256=sha256_file(path), content=content, source=source,
              licence=licence)  # fmt: skip
    return _put(store, pin, path)


def put_textures(
    store: Store,
    name: str,
    folder: Path,
    licence: str | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Pin, bool]:
    """Pin the images of a folder under a name, which conditions then write as `dtd:NAME`.

    Returns:
        The pin that stands, and whether this call made it.

    Raises:
        UsageError: the name cannot be one.
        MissingInputError: the folder is not there or has no image.
        DataError: an image cannot be packed, or the name is pinned with other textures.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"--textures: got {name!r}, allowed: letters, digits and . _ + - (not first)")
    with tempfile.TemporaryDirectory(prefix="crossad-textures-") as scratch:
        archive = Path(scratch) / "archive.zip"
        members = pack_textures(folder, archive, advance)
        pin = Pin(name=name, type="textures", bytes=archive.stat().st_size, sha256=sha256_file(archive),
                  content=hash_members(members), files=len(members), source=f"folder {folder.name}",
                  licence=licence)  # fmt: skip
        return _put(store, pin, archive)


def _put(store: Store, pin: Pin, path: Path) -> tuple[Pin, bool]:
    there = find_pin(store, pin.name, pin.type)
    if there is not None:
        _repair(store, _same(store, there, pin), pin, path)
        return there, False
    if not _intact(store, pin):
        store.put(pin.key, path)
    if store.create_once(pin_key(pin.name), pin.text.encode()) == "created":
        return pin, True
    return _same(store, find_pin(store, pin.name, pin.type) or pin, pin), False


def _repair(store: Store, there: Pin, pin: Pin, path: Path) -> None:
    """Put bytes back that got lost.

    Raises:
        DataError: the same tensors in a file that another library wrote; the pin names other bytes.
    """
    if _intact(store, there):
        return
    if there.sha256 != pin.sha256:
        raise DataError(
            f"{store.uri}/{there.key} is gone, and this file holds the same {pin.type} in other bytes",
            hint=f"delete {store.uri}/{pin_key(pin.name)}, then run this again",
        )
    store.put(pin.key, path)


def _intact(store: Store, pin: Pin) -> bool:
    """Whether the bytes lie there, by their number: they are named by their hash and written whole."""
    entry = store.stat(pin.key)
    return entry is not None and entry.size == pin.bytes


def _same(store: Store, stands: Pin, wanted: Pin) -> Pin:
    """The pin that stands, where it means the same.

    Raises:
        DataError: it means something else; results may have been made with it.
    """
    if stands.content == wanted.content:
        return stands
    other = "another name" if wanted.type == "textures" else "another store"
    raise DataError(
        f"{wanted.name} is pinned in {store.uri} with other {wanted.type}: {stands.content}, not {wanted.content}",
        hint=f"results are remembered by that name, so it stays; choose {other}, or delete"
        f" {store.uri}/{pin_key(wanted.name)} where nothing was made with it",
    )


def check(store: Store, pin: Pin) -> str:
    """What is wrong with the bytes that a pin names, all of them read; "ok" where nothing is."""
    with tempfile.TemporaryDirectory(prefix="crossad-verify-") as scratch:
        path = Path(scratch) / "object"
        try:
            store.get_file(pin.key, path, Expected(pin.bytes, pin.sha256))
            found = content_of(pin, path, Path(scratch) / "unpacked")
        except ObjectMissing:
            return f"missing: {pin.key}"
        except ObjectDamaged as error:
            return f"damaged: {error.message}"
        except (DataError, ValueError) as error:
            return f"damaged: {pin.key}: {error}"
    return "ok" if found == pin.content else f"changed: {pin.key} holds {found}, pinned {pin.content}"


def content_of(pin: Pin, path: Path, aside: Path) -> str:
    """What records call the content of an object that is here now.

    Raises:
        DataError: it is no safetensors file.
        ValueError: it is no archive of textures, or has other images.
    """
    if pin.type == "weights":
        return hash_tensors(path)
    unpack_textures(path, aside, pin, lambda _: None)
    return pin.content
