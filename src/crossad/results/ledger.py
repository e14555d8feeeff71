"""What is done, what failed: small create-once objects of a store.

A result counts only through its commit: `commits/<kind>-<key>.json`, or `<kind>-<key>@<lock>.json` where the data had
a lock, so that results of two versions of the data never mix. Losing the race to an earlier commit is success.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from crossad.errors import DataError
from crossad.store.base import Entry, Store
from crossad.store.once import CLAIMS

Kind = Literal["training", "evaluation", "condition"]
FORMAT = 2
LOCK_LENGTH = 12
COMMITS, FAILURES, WITHDRAWN = "commits", "failures", "withdrawn"
FEW = 8  # keys up to which a listing each is less than one of all


class Ledger:
    """The commits and failures of one store."""

    def __init__(self, state: Store) -> None:
        """Name the store; nothing is created before the first write."""
        self.state = state

    def committed(self, kind: Kind, key: str, lock: str | None = None) -> dict[str, Any] | None:
        """The commit of a key under a data lock; without a lock any commit of the key counts, the newest first."""
        if lock:
            return self.read(commit_key(kind, key, lock))
        there = sorted(self._all(kind, key), key=lambda entry: (entry.modified, entry.key))
        # without conditional writes a commit may be claimed and not yet listed: reading by name settles it
        return self.read(there[-1].key if there else commit_key(kind, key, None))

    def stale(self, kind: Kind, key: str, lock: str) -> bool:
        """True where the key was committed, but only with other data than `lock` names."""
        return self.committed(kind, key, lock) is None and self.committed(kind, key) is not None

    def commits(self, kind: Kind) -> dict[str, set[str]]:
        """All committed keys with their (short) locks, "" where there was none; one listing, however many."""
        found: dict[str, set[str]] = {}
        for entry in self.state.list(f"{COMMITS}/{kind}-"):
            key, lock = _parts(entry.key, kind)
            found.setdefault(key, set()).add(lock)
        return found

    def newest(self, kind: Kind, keys: Sequence[str]) -> dict[str, str]:
        """The name of the newest commit of each of some keys that has one; one listing, where they are many.

        A commit that is claimed and not listed yet (without conditional writes) counts: reading it settles it.
        """
        wanted, found = set(keys), dict[str, Entry]()
        stems = [f"{COMMITS}/{kind}-{key}" for key in keys] if len(wanted) <= FEW else [f"{COMMITS}/{kind}-"]
        for entry in self._each(f"{CLAIMS}/{stem}" for stem in stems):
            name = entry.key.removeprefix(f"{CLAIMS}/").rpartition("/")[0]
            found.setdefault(_parts(name, kind)[0], replace(entry, key=name))
        listed = sorted(self._each(stems), key=lambda entry: (entry.modified, entry.key))
        found |= {_parts(entry.key, kind)[0]: entry for entry in listed}
        return {key: entry.key for key, entry in found.items() if key in wanted}

    def failed(self, conditions: Sequence[str]) -> dict[str, list[str]]:
        """The names of the failures of some conditions, oldest first; one listing, where they are many."""
        wanted, found = set(conditions), dict[str, list[str]]()
        few = len(wanted) <= FEW
        below = self._each([f"{FAILURES}/{one}/" for one in conditions] if few else [f"{FAILURES}/"])
        for entry in sorted(below, key=lambda entry: (entry.modified, entry.key)):
            condition = entry.key.split("/")[1]
            if condition in wanted:
                found.setdefault(condition, []).append(entry.key)
        return found

    def read(self, name: str) -> dict[str, Any] | None:
        """A commit or failure by its object's name, or None.

        Raises:
            DataError: it is not what this version wrote.
        """
        body = self.state.read_once(name)
        return None if body is None else parse(body, f"{self.state.uri}/{name}")

    def _each(self, prefixes: Iterable[str]) -> Iterator[Entry]:
        for prefix in prefixes:
            yield from self.state.list(prefix)

    @staticmethod
    def short(lock: str) -> str:
        """A lock as `commits` spells it."""
        return lock[:LOCK_LENGTH]

    def failed_conditions(self) -> set[str]:
        """The ids of conditions that have at least one failure on record."""
        return {entry.key.split("/")[1] for entry in self.state.list(f"{FAILURES}/")}

    def commit(self, kind: Kind, key: str, payload: dict[str, Any], lock: str | None = None) -> bool:
        """Commit once; False where somebody else had already committed this key (theirs stands).

        The payload names the attempt: equal bytes count as ours, because a response may have been lost.
        """
        body = {"format": FORMAT, "kind": kind, "key": key, "data_lock": lock, **payload}
        return self.state.create_once(commit_key(kind, key, lock), _json(body)) == "created"

    def withdraw(self, kind: Kind, key: str, lock: str | None = None, *, seen: dict[str, Any] | None = None) -> None:
        """Set a commit aside whose artifacts are gone or damaged; its bytes are kept as evidence.

        Args:
            kind: of the work.
            key: of the work.
            lock: of its data.
            seen: the commit that was found wanting; what somebody has committed in its place since then stays.
        """
        name = commit_key(kind, key, lock)
        body = self.state.read_once(name)
        if body is None or (seen is not None and parse(body, f"{self.state.uri}/{name}") != seen):
            return
        stem = name.removeprefix(f"{COMMITS}/").removesuffix(".json")
        self.state.put(f"{WITHDRAWN}/{stem}.{hashlib.sha256(body).hexdigest()[:8]}.json", body)
        if self.state.read_once(name) == body:  # no store removes "only these bytes": the last look, as late as can be
            self.state.delete(name)

    def record_failure(self, condition_id: str, attempt: str, payload: dict[str, Any]) -> None:
        """Keep why an attempt failed."""
        body = {"format": FORMAT, "attempt": attempt, **payload}
        self.state.put(f"{FAILURES}/{condition_id}/{attempt}.json", _json(body))

    def failures(self, condition_id: str) -> list[dict[str, Any]]:
        """All failures of a condition, oldest first."""
        entries = sorted(self.state.list(f"{FAILURES}/{condition_id}/"), key=lambda entry: (entry.modified, entry.key))
        return [found for entry in entries if (found := self.read(entry.key)) is not None]

    def _all(self, kind: Kind, key: str) -> Iterator[Entry]:
        """The entries of a key's commits, under whatever lock."""
        return (entry for entry in self.state.list(f"{COMMITS}/{kind}-{key}") if _parts(entry.key, kind)[0] == key)


def commit_key(kind: Kind, key: str, lock: str | None) -> str:
    """The object that holds a commit."""
    suffix = f"@{lock[:LOCK_LENGTH]}" if lock else ""
    return f"{COMMITS}/{kind}-{key}{suffix}.json"


def parse(body: bytes, where: str) -> dict[str, Any]:
    """A ledger object's content.

    Raises:
        DataError: it is not what this version wrote.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise DataError(f"not a crossad commit: {where}: {error}", hint="move it away and run again") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise DataError(
            f"commit of another version: {where}:"
            f" got format {value.get('format') if isinstance(value, dict) else value!r}, allowed {FORMAT}",
            hint="use the crossad version that wrote it, or another store",
        )
    return value


def faults_of(failure: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a failure tells: a trainer's own has a list, a queue's one error."""
    error = failure.get("error")
    return failure.get("failures") or ([error] if error else [])


def fault_of(failure: Mapping[str, Any], code: int | None) -> Mapping[str, Any] | None:
    """What a failure tells of an exit code: a code alone names no domain and no key."""
    return next((one for one in faults_of(failure) if code is not None and one.get("exit_code") == code), None)


def key_of(kind: Kind, name: str) -> str | None:
    """The key that an object is a commit of, whatever its lock; None where it is none of that kind."""
    return _parts(name, kind)[0] if name.startswith(f"{COMMITS}/{kind}-") else None


def _parts(name: str, kind: Kind) -> tuple[str, str]:
    """The key and the short lock ("" without one) in a commit's name."""
    stem = name.removeprefix(f"{COMMITS}/{kind}-").removesuffix(".json")
    key, _, lock = stem.partition("@")
    return key, lock


def _json(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=2, allow_nan=False) + "\n").encode()
