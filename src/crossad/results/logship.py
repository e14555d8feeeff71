"""A log that grows on this machine, sent piece by piece: a store has no appending."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossad.results.home import Kept
from crossad.results.layout import ConditionPaths, attempt_key
from crossad.store.base import Store

CHUNK = 4 * 2**20  # bytes at most
FACTS, DETAILS = "facts", "details"


class LogShipper:
    """The logs of one attempt, from where they stand when it begins."""

    def __init__(self, state: Store, attempt: str, paths: ConditionPaths) -> None:
        """Note where the logs end now: what is there already belongs to earlier attempts."""
        self._state, self._attempt = state, attempt
        self.files: Mapping[str, Path] = {FACTS: paths.log, DETAILS: paths.detail_log}
        self._offsets = {name: _size(path) for name, path in self.files.items()}
        self._own: dict[str, list[Kept]] = {name: [] for name in self.files}
        self._earlier: dict[str, tuple[Kept, ...]] = {}
        self._lock = threading.Lock()

    def continue_from(self, earlier: Mapping[str, Sequence[Kept]]) -> None:
        """This attempt goes on where others stopped: their pieces come first."""
        with self._lock:
            self._earlier = {name: tuple(chunks) for name, chunks in earlier.items()}

    def chunks(self, name: str) -> tuple[Kept, ...]:
        """All pieces of a log so far, the earliest first."""
        with self._lock:
            return (*self._earlier.get(name, ()), *self._own[name])

    def ship(self) -> None:
        """Send what was written since the last time."""
        with self._lock:
            for name, path in self.files.items():
                while body := _read(path, self._offsets[name]):
                    own = self._own[name]
                    key = f"{log_folder(self._attempt, name)}{len(own) + 1:06d}.log"
                    sha256 = self._state.put(key, body, content_type="text/plain; charset=utf-8")
                    own.append(Kept(ref=key, bytes=len(body), sha256=sha256))
                    self._offsets[name] += len(body)


def log_folder(attempt: str, name: str) -> str:
    """How the keys of a log's pieces begin; they are in the order of the pieces."""
    return attempt_key(attempt, f"logs/{name}-")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as handle:
        handle.seek(offset)
        return handle.read(CHUNK)
