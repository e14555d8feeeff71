"""What the store says of a run: which conditions are committed, closed or tried again; a few listings, however many."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crossad.launch.afar import closed_of, commits, retries_of
from crossad.launch.state import parse_verdict
from crossad.results.home import Home
from crossad.results.layout import run_key

THREADS = 16


@dataclass(frozen=True)
class Told:
    """What the store said at one moment."""

    committed: frozenset[str]  # condition ids, of every run: commits are store-wide
    closed: dict[str, str]  # condition id -> "failed" or "cancelled", of its present generation, if not committed
    retries: dict[str, int]  # condition id -> how many


class Teller:
    """Reads it; verdicts never change, so each is read once."""

    def __init__(self, home: Home, run: str) -> None:
        """Name the run; nothing is read yet."""
        self._home, self._run = home, run
        self._kinds: dict[str, str] = {}

    def look(self, ended: Collection[str] = ()) -> Told:
        """Read it now; `ended` are conditions that were seen to end well."""
        committed = frozenset(commits(self._home.ledger, ended))
        listed = [
            entry for kind in ("retries/", "verdicts/") for entry in self._home.state.list(run_key(self._run, kind))
        ]
        retries = retries_of(listed, self._run)
        keys = {one: key for one, key in closed_of(listed, self._run, retries).items() if one not in committed}
        self._read([key for key in keys.values() if key not in self._kinds])
        return Told(committed, {one: self._kinds[key] for one, key in keys.items() if key in self._kinds}, retries)

    def _read(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for key, body in zip(keys, pool.map(self._home.state.read_once, keys), strict=True):
                if body is not None:  # one that is only claimed yet is read at the next look
                    self._kinds[key] = parse_verdict(key, body).kind
