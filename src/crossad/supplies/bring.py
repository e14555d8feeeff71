"""From a store into this machine's cache: verified, whole or not at all, once for all processes.

<cache>/supplies/<sha256>/resnet18.safetensors   with assets.json: an ordinary weights folder
<cache>/supplies/<sha256>/                       an ordinary texture folder, read-only images
<cache>/fetching/supplies-<sha256>/              what is on its way
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.assets import pin as note
from crossad.assets import pinned
from crossad.data.archive import Advance
from crossad.data.cache import MIB, default_cache, my_turn, nothing, watched
from crossad.errors import DataError, EnvironmentFault
from crossad.files import sync_folder
from crossad.store.base import Expected
from crossad.store.disk import translated
from crossad.store.faults import ObjectDamaged, ObjectMissing
from crossad.supplies.pins import Pin, fetch_command
from crossad.supplies.textures import hash_textures, unpack_textures

if TYPE_CHECKING:
    from crossad.store.base import Store


def bring(store: Store, pin: Pin, advance: Advance = nothing, cache: Path | None = None) -> Path:
    """A folder of this machine with what a pin names.

    Args:
        store: where the pin was found.
        pin: what is wanted.
        advance: told how far a download is.
        cache: the folder of all crossad's caches; by default `default_cache()`.

    Raises:
        MissingInputError: its bytes are gone.
        DataError: they are not those of the pin; nothing of them is left here.
        EnvironmentFault: there is no room.
    """
    cache = cache or default_cache()
    folder = cache / "supplies" / pin.sha256
    with translated(str(cache)):
        cache.mkdir(parents=True, exist_ok=True)
        with my_turn(cache, f"supplies-{pin.sha256}"):
            if not _whole(folder, pin):  # or whoever was faster brought it while we waited
                _fetch(store, pin, folder, cache / "fetching" / f"supplies-{pin.sha256}", advance)
    return folder


def _whole(folder: Path, pin: Pin) -> bool:
    """Whether it lies here with its very bytes."""
    if pin.type == "textures":
        return folder.is_dir() and hash_textures(folder) == pin.content
    file = folder / f"{pin.name}.safetensors"
    return Expected(pin.bytes, pin.sha256).fits(file) and pinned(folder).get(pin.name) == pin.content


def _fetch(store: Store, pin: Pin, folder: Path, aside: Path, advance: Advance) -> None:
    """Download, verify, unpack aside, put in place; what was cut is continued."""
    _require_room(pin, folder.parents[1])
    growing, old = aside / "growing", aside / "old"
    for left in (growing, old):  # of a process that was killed here
        shutil.rmtree(left, ignore_errors=True)
    growing.mkdir(parents=True)
    path = aside / "object"
    _download(store, pin, path, advance)
    if pin.type == "weights":
        path.rename(growing / f"{pin.name}.safetensors")
        note(growing, pin.name, pin.content, f"{store.uri}/{pin.key}")
    else:
        try:
            unpack_textures(path, growing, pin, lambda count: advance(f"unpack {pin.name}", count, pin.files))
        except ValueError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise DataError(f"not textures: {store.uri}/{pin.key}: {error}", hint=_anew(store, pin)) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():  # not whole any more
        folder.rename(old)
    growing.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _download(store: Store, pin: Pin, path: Path, advance: Advance) -> None:
    expected = Expected(pin.bytes, pin.sha256)
    if expected.fits(path):
        return
    told = partial(advance, f"fetch {pin.name} (MiB)")
    try:
        with watched(path.parent, -(-pin.bytes // MIB), told):
            store.get_file(pin.key, path, expected)
    except (ObjectDamaged, ObjectMissing) as error:
        raise type(error)(f"{pin.type} {pin.name}: {error.message}", hint=_anew(store, pin)) from error


def _anew(store: Store, pin: Pin) -> str:
    return f"delete {store.uri}/{pin.key}, then fetch it anew: {fetch_command(pin.name, pin.type, store.uri)}"


def _require_room(pin: Pin, cache: Path) -> None:
    need = pin.bytes * (1 if pin.type == "weights" else 2)
    free = shutil.disk_usage(cache).free
    if need > free:
        raise EnvironmentFault(
            f"no room for {pin.name} in {cache}: {-(-need // MIB)} MiB needed, {free // MIB} MiB free",
            hint="name a folder with more room: CROSSAD_CACHE",
        )
