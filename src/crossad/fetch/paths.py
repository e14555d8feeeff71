"""Paths and names that come from outside: none leads out of the folder, none hides another, all can be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from crossad.errors import DataError
from crossad.results.layout import STATE, RunPaths
from crossad.store.faults import KeyRefused
from crossad.store.keys import check_key

_OURS = {"manifest.json", "progress.json"}  # written here, or by a trainer that works here
_ELSEWHERE = "fetch into another folder, or move it away"


def printable(text: str) -> str:
    """A text from outside for a terminal: what would move the cursor is spelled out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def same_name(path: str) -> str:
    """Equal for paths that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def check_path(path: str) -> str:
    """A relative path from outside, as one of a finished file in a folder of ours.

    Raises:
        DataError: it is absolute, climbs out, is hidden, or is the name of a file that only we write.
    """
    told = f"a path from outside is refused: {path[:80]!r}"
    try:
        check_key(path)
    except KeyRefused as error:
        raise DataError(f"a path from outside is refused: {error.message}") from error
    if "\\" in path:
        raise DataError(f"{told}: it has a backslash")
    if any(part.startswith(".") for part in path.split("/")):
        raise DataError(f"{told}: it is hidden")
    if same_name(path) in _OURS:
        raise DataError(f"{told}: the name is taken")
    return path


def inside(root: Path, path: str, *, folder: bool = False) -> Path:
    """A path below a folder, where nothing on this disk is in its way.

    Args:
        root: the folder.
        path: from outside.
        folder: whether it is to be a folder.

    Raises:
        DataError: it leads elsewhere, by its parts or by a link, or a file or folder of this name is in the way.
    """
    target = root / check_path(path)
    check_plain(root, folder=True)
    place = root
    for part in path.split("/"):
        place = place / part
        check_plain(place, folder=folder or place != target)
    return target


def check_plain(place: Path, *, folder: bool) -> None:
    """Refuse a link, and a file where a folder has to be or the other way round; nothing there is fine.

    Raises:
        DataError: there is.
    """
    if place.is_symlink():
        raise DataError(f"a link is in the way: {place}", hint=_ELSEWHERE)
    if place.exists() and place.is_dir() != folder:
        raise DataError(f"a {'file' if folder else 'folder'} is in the way: {place}", hint=_ELSEWHERE)


def check_target(paths: RunPaths) -> None:
    """See that a run's own folders are none that lead elsewhere; the results folder itself may be a link.

    Raises:
        DataError: one of them is a link, or a file.
    """
    for place in (paths.root, paths.tensorboard, paths.report, paths.results / STATE):
        check_plain(place, folder=True)


def check_apart(paths: Iterable[str]) -> None:
    """See that no path is another one, on any file system, and none is a folder of another.

    Raises:
        DataError: two of them are in each other's way.
    """
    names: dict[str, str] = {}
    for path in paths:
        if (name := same_name(path)) in names:
            raise DataError(f"two paths from outside are one: {names[name][:80]!r} and {path[:80]!r}")
        names[name] = path
    for name, path in names.items():
        parent = name
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in names:
                raise DataError(f"a path from outside is refused: {path[:80]!r} lies below {names[parent][:80]!r}")
