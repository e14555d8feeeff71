"""What the store says of a run, as far as whoever works on it needs it: a few listings, however many conditions."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

from crossad.control.judgement import Locks, committed
from crossad.launch.afar import View, closed_of, commits, retries_of, view
from crossad.launch.state import Verdict, VerdictKind, parse_verdict
from crossad.results.home import Home
from crossad.results.layout import run_key

THREADS = 16


@dataclass(frozen=True)
class Told:
    """What the store said at one moment."""

    view: View  # trainers' own words only of conditions that somebody asked about
    locks: Locks = field(default_factory=dict)  # of the data as they are now, where that is known

    @cached_property
    def committed(self) -> frozenset[str]:
        """Ids of the conditions that are done, in whatever run: commits are store-wide."""
        return frozenset(one for one in self.view.committed if committed(self.view, self.locks, one))

    @cached_property
    def closed(self) -> dict[str, VerdictKind]:
        """What closed the present generation of conditions that are not done."""
        return {one: verdict.kind for one, verdict in self.view.verdicts.items() if one not in self.committed}

    @property
    def retries(self) -> dict[str, int]:
        """Of conditions that were retried, how often."""
        return self.view.retries


class Teller:
    """Reads it; verdicts never change, so each is read once."""

    def __init__(self, home: Home, run: str) -> None:
        """Name the run; nothing is read yet."""
        self._home, self._run = home, run
        self._verdicts: dict[str, Verdict] = {}

    def look(self, ended: Collection[str] = (), locks: Locks | None = None) -> Told:
        """Read it now.

        Args:
            ended: conditions that were seen to end well.
            locks: of the data as they are now, where that is known.
        """
        done = commits(self._home.ledger, ended)
        listed = [
            entry for kind in ("retries/", "verdicts/") for entry in self._home.state.list(run_key(self._run, kind))
        ]
        retries = retries_of(listed, self._run)
        keys = closed_of(listed, self._run, retries)
        self._read([key for key in keys.values() if key not in self._verdicts])
        verdicts = {one: self._verdicts[key] for one, key in keys.items() if key in self._verdicts}
        return Told(View(done, verdicts, {}, {}, retries), locks or {})

    def closer(self, told: Told, conditions: Collection[str]) -> Told:
        """The same, and of some conditions what their trainers tell: whether one is heard of, and why one failed."""
        seen = view(self._home, self._run, sorted(conditions))
        return replace(told, view=replace(told.view, sightings=seen.sightings, failures=seen.failures))

    def _read(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for key, body in zip(keys, pool.map(self._home.state.read_once, keys), strict=True):
                if body is not None:  # one that is only claimed yet is read at the next look
                    self._verdicts[key] = parse_verdict(key, body)
