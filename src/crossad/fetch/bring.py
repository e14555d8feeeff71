"""The transfers: each object once, whatever the number of places that want it; nothing half-written is left."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from crossad.crew import spread
from crossad.errors import DataError, MissingInputError
from crossad.fetch.present import leading, same
from crossad.fetch.wanted import Item
from crossad.results.pictures import unpack_pictures
from crossad.store.base import SMALL, Expected, Store
from crossad.store.disk import translated
from crossad.store.landing import BLOCK

_UNPACKING = threading.Semaphore(2)  # many small files: more threads at once only take the interpreter from each other
Advance = Callable[[int], None]  # bytes done
Wrong = tuple[Item, str]  # what could not be brought, and why


def bring_all(store: Store, items: Sequence[Item], threads: int, advance: Advance) -> list[Wrong]:
    """Bring what is listed.

    Args:
        store: where the bytes are.
        items: what to bring where; items of the same object are brought once and linked.
        threads: transfers at once.
        advance: told of the bytes of each item that is done.

    Returns:
        What is damaged or gone, in no particular order.

    Raises:
        CrossadError: the store or the disk cannot do any more; what was begun is continued by the next call.
    """
    groups: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in items:
        groups[(item.what, item.pieces)].append(item)
    ordered = sorted(groups.values(), key=lambda group: -group[0].size)  # a large one that comes last is waited for
    wrong: list[Wrong] = []
    with spread(lambda group: _tried(store, group), ordered, threads) as ended:
        for group, why in ended:
            if why:
                wrong += [(item, why) for item in group]
            for item in group:
                advance(item.size)
    return wrong


def _tried(store: Store, group: Sequence[Item]) -> str:
    """Bring one object to where it is wanted; what is wrong with it, if anything."""
    try:
        with translated(str(group[0].target)):
            _bring_group(store, group)
    except (DataError, MissingInputError) as error:
        return error.message
    return ""


def _bring_group(store: Store, group: Sequence[Item]) -> None:
    first, *others = group
    _BRING[first.what](store, first)
    for other in others:
        if first.what == "archive":
            _archive(store, other)
        else:
            _link(first.target, other.target)


def _file(store: Store, item: Item) -> None:
    ((key, expected),) = item.pieces
    store.get_file(key, item.target, expected)


def _archive(store: Store, item: Item) -> None:
    """Beside its folder, then unpacked aside, then moved into place."""
    ((key, expected),) = item.pieces
    packed, aside = _beside(item, expected, "zip"), _beside(item, expected, "tmp")
    if not same(packed, expected):  # else an earlier call was killed while it unpacked
        store.get_file(key, packed, expected, lasting=False)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with _UNPACKING:
            item.unpacked.update(unpack_pictures(packed, aside))
        if item.target.exists():
            shutil.rmtree(item.target)
        aside.replace(item.target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        packed.unlink(missing_ok=True)


def _log(store: Store, item: Item) -> None:
    """Piece after piece into one file, which appears when it is whole; after a cut, only the pieces that lack."""
    joined = _beside(item, item.pieces[0][1] if item.pieces else Expected(), "part")
    joined.parent.mkdir(parents=True, exist_ok=True)
    if item.target.is_file() and not joined.exists():
        shutil.copyfile(item.target, joined)  # a shorter one, or one that somebody wrote to
    descriptor = os.open(joined, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "r+b") as whole:
            there = leading(whole, item.pieces)
            whole.truncate()
            for key, expected in item.pieces[there:]:
                _append(whole, store, key, expected)
            whole.flush()
            os.fsync(whole.fileno())
    except (DataError, MissingInputError):
        joined.unlink(missing_ok=True)
        raise
    joined.replace(item.target)


def _append(whole: IO[bytes], store: Store, key: str, expected: Expected) -> None:
    if (expected.size or 0) > SMALL:
        raise DataError(f"{key}: a piece of a log of {expected.size} bytes, allowed {SMALL}")
    body = store.get(key)
    digest = hashlib.sha256(body).hexdigest()
    if len(body) != expected.size or digest != expected.sha256:
        raise DataError(
            f"{key}: got {len(body)} bytes, sha256 {digest}, expected {expected.size}, sha256 {expected.sha256}"
        )
    whole.write(body)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name[:40]}.{'0' * 16}.tmp")
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(source)
    except OSError:  # a file system without links
        with source.open("rb") as into, aside.open("wb") as out:
            shutil.copyfileobj(into, out, BLOCK)
    aside.replace(target)


def _beside(item: Item, expected: Expected, suffix: str) -> Path:
    """An unfinished file of an item; `tree.sweep` knows it by its name."""
    about = hashlib.sha256(f"{item.target.name} {expected.sha256}".encode()).hexdigest()[:16]
    return item.target.with_name(f".{item.target.name[:40]}.{about}.{suffix}")


_BRING: dict[str, Callable[[Store, Item], None]] = {"file": _file, "archive": _archive, "log": _log}
