"""A folder of rendered files: the same again, or nothing is touched.

Beside the files lies a list of them, in the form that `sha256sum -c` reads; kubectl does not look at it. What is not on
the list, or not as the list says, is somebody else's, and nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from crossad.errors import UsageError
from crossad.files import sha256_file, write_atomic

LIST = ".crossad-render"
_HEAD = "# written by crossad render; run: "
_SHOWN = 3


def write_folder(folder: Path, run: str, files: Mapping[str, str]) -> list[str]:
    """Write all files, remove those of an earlier render of this run that are no longer among them.

    Returns:
        The names of the removed.

    Raises:
        UsageError: the folder holds another run, files of somebody else, or changed ones.
    """
    old_run, old = _read(folder / LIST)
    there = {path.name for path in folder.iterdir()} - {LIST} if folder.is_dir() else set()
    if old_run is not None and old_run != run:
        raise UsageError(f"{folder} holds the files of run {old_run}", hint="choose another folder, or remove it")
    if foreign := sorted(there - set(old)):
        raise UsageError(
            f"{folder} holds files that crossad render did not write: {_some(foreign)}",
            hint="choose another folder: kubectl apply would take them, too",
        )
    if changed := sorted(name for name in there if sha256_file(folder / name) not in old[name]):
        raise UsageError(
            f"{folder} holds files that were changed by hand: {_some(changed)}",
            hint="choose another folder, or remove them; settings change what is rendered",
        )
    texts = {name: text.encode() for name, text in files.items()}
    new = {name: {hashlib.sha256(text).hexdigest()} for name, text in texts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    # first both: whatever is cut off here, the next render knows its own
    write_atomic(
        folder / LIST, _list(run, {name: old.get(name, set()) | new.get(name, set()) for name in {*old, *new}})
    )
    for name, text in texts.items():
        if name not in there or sha256_file(folder / name) not in new[name]:
            (folder / name).write_bytes(text)
    removed = sorted(there - set(files))
    for name in removed:
        (folder / name).unlink()
    write_atomic(folder / LIST, _list(run, new))
    return removed


def _list(run: str, hashes: Mapping[str, set[str]]) -> str:
    lines = [f"{one}  {name}" for name in sorted(hashes) for one in sorted(hashes[name])]
    return "\n".join([f"{_HEAD}{run}", *lines, ""])


def _read(file: Path) -> tuple[str | None, dict[str, set[str]]]:
    """The run of the folder and what its files may hold; nothing where there is no list."""
    try:
        head, *lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None, {}
    found: dict[str, set[str]] = {}
    for line in lines:
        one, _, name = line.partition("  ")
        found.setdefault(name, set()).add(one)
    return head.removeprefix(_HEAD), found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
