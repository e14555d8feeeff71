"""What is done, what failed: small create-once files below `results/.crossad/`.

A result counts only through its commit: `commits/<kind>-<key>.json`, or `<kind>-<key>@<lock>.json` where the data had
a lock, so that results of two versions of the data never mix. Losing the race to an earlier commit is success.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from crossad.errors import DataError
from crossad.files import create_once, write_json
from crossad.results.layout import STATE

Kind = Literal["training", "evaluation", "condition"]
FORMAT = 1
LOCK_LENGTH = 12


class Ledger:
    """The commits and failures of one results folder."""

    def __init__(self, results: Path) -> None:
        """Name the results folder; nothing is created before the first write."""
        self.root = results / STATE

    def _path(self, kind: Kind, key: str, lock: str | None) -> Path:
        suffix = f"@{lock[:LOCK_LENGTH]}" if lock else ""
        return self.root / "commits" / f"{kind}-{key}{suffix}.json"

    def committed(self, kind: Kind, key: str, lock: str | None = None) -> dict[str, Any] | None:
        """The commit of a key under a data lock; without a lock any commit of the key counts, the newest first."""
        if lock:
            return _read(self._path(kind, key, lock))
        found = [self._path(kind, key, None), *(self.root / "commits").glob(f"{kind}-{key}@*.json")]
        there = sorted((path for path in found if path.exists()), key=lambda path: path.stat().st_mtime_ns)
        return _read(there[-1]) if there else None

    def stale(self, kind: Kind, key: str, lock: str) -> bool:
        """True where the key was committed, but only with other data than `lock` names."""
        return self.committed(kind, key, lock) is None and self.committed(kind, key) is not None

    def commits(self, kind: Kind) -> dict[str, set[str]]:
        """All committed keys with their (short) locks, "" where there was none; one listing, however many."""
        found: dict[str, set[str]] = {}
        for path in (self.root / "commits").glob(f"{kind}-*.json"):
            key, _, lock = path.stem.removeprefix(f"{kind}-").partition("@")
            found.setdefault(key, set()).add(lock)
        return found

    @staticmethod
    def short(lock: str) -> str:
        """A lock as `commits` spells it."""
        return lock[:LOCK_LENGTH]

    def failed_conditions(self) -> set[str]:
        """The ids of conditions that have at least one failure on record."""
        return {path.name for path in (self.root / "failures").glob("*") if any(path.glob("*.json"))}

    def commit(self, kind: Kind, key: str, payload: dict[str, Any], lock: str | None = None) -> bool:
        """Commit once; False where somebody else had already committed this key (theirs stands)."""
        body = {"format": FORMAT, "kind": kind, "key": key, "data_lock": lock, **payload}
        return create_once(self._path(kind, key, lock), json.dumps(body, indent=2, allow_nan=False) + "\n")

    def withdraw(self, kind: Kind, key: str, lock: str | None = None) -> None:
        """Set a commit aside whose artifacts are gone or damaged; the file is kept as evidence."""
        path = self._path(kind, key, lock)
        if path.exists():
            aside = self.root / "withdrawn" / f"{path.stem}.{path.stat().st_mtime_ns}.json"
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)

    def record_failure(self, condition_id: str, attempt: str, payload: dict[str, Any]) -> None:
        """Keep why an attempt failed."""
        write_json(self.root / "failures" / condition_id / f"{attempt}.json", {"format": FORMAT, **payload})

    def failures(self, condition_id: str) -> list[dict[str, Any]]:
        """All failures of a condition, oldest first."""
        paths = sorted((self.root / "failures" / condition_id).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [found for path in paths if (found := _read(path)) is not None]


def _read(path: Path) -> dict[str, Any] | None:
    """A ledger file, or None where there is none.

    Raises:
        DataError: the file is not what this version wrote.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"not a crossad commit: {path}: {error}", hint="move the file away and run again") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise DataError(
            f"commit of another version: {path}:"
            f" got format {value.get('format') if isinstance(value, dict) else value!r}, allowed {FORMAT}",
            hint="use the crossad version that wrote it, or another results folder",
        )
    return value
