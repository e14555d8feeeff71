"""What the store says of a run: which conditions are committed, closed or tried again; a few listings, however many."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crossad.launch.state import parse_verdict, verdict_key
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

    def look(self) -> Told:
        """Read it now."""
        committed = frozenset(self._home.ledger.commits("condition"))
        retries: dict[str, int] = {}
        for one, _ in self._each("retries/"):
            retries[one] = retries.get(one, 0) + 1
        keys = {
            one: verdict_key(self._run, one, number)
            for one, number in self._each("verdicts/")
            if number == 1 + retries.get(one, 0) and one not in committed
        }
        self._read([key for key in keys.values() if key not in self._kinds])
        return Told(committed, {one: self._kinds[key] for one, key in keys.items() if key in self._kinds}, retries)

    def _each(self, kind: str) -> Iterator[tuple[str, int]]:
        """(condition id, generation) of all objects of a kind."""
        below = run_key(self._run, kind)
        for entry in self._home.state.list(below):
            one, _, name = entry.key.removeprefix(below).partition("/")
            if (number := name.removesuffix(".json")).isdigit():
                yield one, int(number)

    def _read(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for key, body in zip(keys, pool.map(self._home.state.read_once, keys), strict=True):
                if body is not None:  # one that is only claimed yet is read at the next look
                    self._kinds[key] = parse_verdict(key, body).kind
