"""Which failures and beacons of a store nobody needs any more.

Needed are, of a condition that is not done, all beacons (they are its attempts, which are counted), the newest failure,
and the newest one that left something; of one that is done, what came after its commit, and the beacons of attempts of
which something is kept. The rest goes when it is old.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from crossad.errors import CrossadError
from crossad.results.leads import Leads, owner
from crossad.results.ledger import key_of, parse
from crossad.store.base import Entry, Store


@dataclass(frozen=True)
class Needless:
    """A failure or a beacon that may go."""

    entry: Entry
    given: str  # the object because of which it may: it must be there still
    why: str


class Endings:
    """The failures and beacons of one listing, in which commits come first."""

    def __init__(self, store: Store, before: datetime) -> None:
        """Take the store, and the moment before which things are old."""
        self._store, self._before = store, before
        self._done: dict[str, Entry] = {}  # condition -> its newest commit
        self._failures: dict[str, list[Entry]] = {}
        self._beacons: list[tuple[Entry, Entry]] = []  # with the commit of their condition

    def commit(self, entry: Entry) -> None:
        """Note a commit, of whatever kind."""
        condition = key_of("condition", entry.key)
        if condition is not None:
            before = self._done.get(condition, entry)
            self._done[condition] = max(before, entry, key=lambda one: one.modified)

    def failure(self, entry: Entry) -> None:
        """Note a failure."""
        self._failures.setdefault(entry.key.split("/")[1], []).append(entry)

    def beacon(self, entry: Entry) -> None:
        """Note an old beacon: `runs/<run>/live/<condition>/<attempt>.json`."""
        commit = self._done.get(entry.key.split("/")[3])
        if commit is not None and commit.modified < self._before:
            self._beacons.append((entry, commit))

    def failures(self) -> Iterator[Needless | str]:
        """What may go; the keys of those that stay."""
        for condition, entries in self._failures.items():
            commit = self._done.get(condition)
            entries.sort(key=lambda entry: (entry.modified, entry.key))
            covered = 0
            if commit is not None and commit.modified < self._before:
                covered = sum(one.modified < commit.modified for one in entries)
                for one in entries[:covered]:
                    yield Needless(one, commit.key, "its condition was done after it")
            yield from self._open(entries[covered:])

    def beacons(self, leads: Leads) -> Iterator[Needless]:
        """What may go, once it is known which attempts are kept, whole or in part."""
        kept = leads.attempts | {owner(key) for key in leads.keys}
        for entry, commit in self._beacons:
            if entry.key.rpartition("/")[2].removesuffix(".json") not in kept:
                yield Needless(entry, commit.key, "its condition is done, by another attempt")

    def _open(self, entries: list[Entry]) -> Iterator[Needless | str]:
        """The same of one condition, whose commit, if there is one, does not cover them; oldest first."""
        if not any(one.modified < self._before for one in entries[:-1]):
            yield from (one.key for one in entries)
            return
        newest = entries[-1]
        try:
            left = next((one for one in reversed(entries) if self._left_something(one)), newest)
        except (CrossadError, ValueError):  # told by whoever follows it; what is not known keeps the others
            yield from (one.key for one in entries)
            return
        for one in entries:
            if one in (newest, left) or one.modified >= self._before:
                yield one.key
            else:
                yield Needless(one, newest.key, "its condition failed again after it")

    def _left_something(self, entry: Entry) -> bool:
        """Whether it has a manifest, so that `fetch` brings it."""
        return bool(parse(self._store.get(entry.key), entry.key).get("manifest"))
