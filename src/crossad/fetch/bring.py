"""The transfers: each object once, whatever the number of places that want it; nothing half-written is left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from crossad.errors import DataError, MissingInputError
from crossad.fetch.wanted import Item
from crossad.results.pictures import unpack_pictures
from crossad.store.base import Store

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
    wrong: list[Wrong] = []
    waiting = iter(groups.values())
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[None], list[Item]] = {}
        try:
            while True:
                while len(running) < 2 * threads and (group := next(waiting, None)):
                    running[pool.submit(_bring_group, store, group)] = group
                if not running:
                    return wrong
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    group = running.pop(future)
                    try:
                        future.result()
                    except (DataError, MissingInputError) as error:
                        wrong += [(item, error.message) for item in group]
                    for item in group:
                        advance(item.size)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _bring_group(store: Store, group: Sequence[Item]) -> None:
    first, *others = group
    _BRING[first.what](store, first)
    for other in others:
        if first.what == "file":
            _link(first.target, other.target)
        else:
            _BRING[other.what](store, other)


def _file(store: Store, item: Item) -> None:
    ((key, expected),) = item.pieces
    store.get_file(key, item.target, expected)


def _archive(store: Store, item: Item) -> None:
    """Beside its folder, then unpacked aside, then moved into place."""
    ((key, expected),) = item.pieces
    item.target.parent.mkdir(parents=True, exist_ok=True)
    packed = item.target.with_name(f".{item.target.name[:40]}.zip")
    store.get_file(key, packed, expected)
    aside = Path(tempfile.mkdtemp(dir=item.target.parent, prefix=f".{item.target.name[:40]}.", suffix=".tmp"))
    try:
        unpack_pictures(packed, aside)
        aside.chmod(0o755)
        if item.target.exists():
            shutil.rmtree(item.target)
        aside.replace(item.target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        packed.unlink(missing_ok=True)


def _log(store: Store, item: Item) -> None:
    """Piece after piece into one file, which appears when it is whole."""
    item.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=item.target.parent, prefix=f".{item.target.name[:40]}.") as folder:
        piece, joined = Path(folder) / "piece", Path(folder) / "joined"
        with joined.open("wb") as whole:
            for key, expected in item.pieces:
                store.get_file(key, piece, expected)
                with piece.open("rb") as part:
                    shutil.copyfileobj(part, whole)
        joined.replace(item.target)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name[:40]}.{os.getpid()}.tmp")
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(source)
    except OSError:  # a file system without links
        shutil.copyfile(source, aside)
    aside.replace(target)


_BRING: dict[str, Callable[[Store, Item], None]] = {"file": _file, "archive": _archive, "log": _log}
