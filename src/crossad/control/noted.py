"""Which Jobs of a run were there once: a Job that its TTL took away is not made again.

The API forgets them and nobody may have looked in time, so what a controller created or saw is noted in the store: one
create-once object for all that was new at a time, `runs/<run>/jobs/<hash>.json`, never changed. A controller that was
killed between a creation and its note sees the Job in its next list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from crossad.control.decide import Known
from crossad.errors import DataError
from crossad.results.layout import run_key
from crossad.store.base import Store

THREADS = 16


class Noted:
    """The notes of one run; what was read once is not read again."""

    def __init__(self, state: Store, run: str) -> None:
        """Name the run; nothing is read yet."""
        self._state, self._below = state, run_key(run, "jobs/")
        self._read: set[str] = set()
        self.known: set[Known] = set()

    def look(self) -> set[Known]:
        """All that was noted until now.

        Raises:
            DataError: a note is damaged.
        """
        new = [entry.key for entry in self._state.list(self._below) if entry.key not in self._read]
        with ThreadPoolExecutor(THREADS) as pool:
            for key, body in zip(new, pool.map(self._state.read_once, new), strict=True):
                self.known.update(_parsed(body, f"{self._state.uri}/{key}"))
                self._read.add(key)
        return set(self.known)

    def add(self, jobs: Iterable[Known]) -> None:
        """Note those that are not noted yet."""
        new = sorted(set(jobs) - self.known)
        if not new:
            return
        body = json.dumps(new).encode()
        key = f"{self._below}{hashlib.sha256(body).hexdigest()[:16]}.json"
        self._state.create_once(key, body)
        self._read.add(key)
        self.known.update(new)


def _parsed(body: bytes | None, where: str) -> set[Known]:
    try:
        found = json.loads(body or b"")
        return {(int(generation), tuple(map(str, conditions))) for generation, conditions in found}
    except (ValueError, TypeError) as error:
        raise DataError(f"damaged note of Jobs: {where}: {error}", hint="move it away and run again") from error
