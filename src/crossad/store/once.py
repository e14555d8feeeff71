"""Creating an object once, of many writers at a time: by the server's conditional write, or without one.

`ConditionalOnce` sends `If-None-Match: *`. `PlainOnce` is for servers that do not have it or only pretend: every writer
leaves a claim of its own below `claims/<key>/`; once no older claim can appear any more, the earliest by the *server's*
clock wins, and whoever sees that first, writer or reader, pins its bytes at the key. A client's clock decides nothing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from crossad.errors import CrossadError
from crossad.store.base import Entry, Once
from crossad.store.faults import (
    AlreadyThere,
    ObjectDamaged,
    ObjectMissing,
    StoreBroken,
    StoreUnreachable,
    Unsupported,
    WriteConflict,
)

if TYPE_CHECKING:
    from crossad.store.bucket import Bucket
    from crossad.store.patience import Patience

CLAIMS = "claims"
MARK = "crossad-store.json"  # what `store probe --remember` found out about the server, for all who come later
LONGEST_WAIT = 60.0  # seconds beyond the settling that a claim from a server's "future" is waited for
CONFLICTS = 8  # answers of 409 in a row before it counts as "not now"


class Creation(Protocol):
    """A way to create once."""

    @property
    def mode(self) -> str:
        """Its name: conditional or plain."""

    def create(self, key: str, data: bytes) -> Once:
        """Create, or find somebody's."""

    def read(self, key: str) -> bytes | None:
        """What was created, or None."""

    def forget(self, key: str) -> None:
        """Remove it, and all that would bring it back."""


@dataclass(frozen=True)
class ConditionalOnce:
    """By `If-None-Match: *`: the server decides."""

    bucket: Bucket
    patience: Patience
    mode: str = "conditional"

    def create(self, key: str, data: bytes) -> Once:
        """Write if there is none; a time-out is asked again, and a lost response is recognised by the bytes."""
        return self.patience.run(lambda: self._round(key, data))

    def read(self, key: str) -> bytes | None:
        """The object."""
        return self.patience.run(lambda: _found(self.bucket, key))

    def forget(self, key: str) -> None:
        """Delete the object."""
        self.patience.run(lambda: self.bucket.delete(key))

    def _round(self, key: str, data: bytes) -> Once:
        for again in range(CONFLICTS):
            try:
                self.bucket.put(key, data, once=True)
            except AlreadyThere:
                standing = _found(self.bucket, key)
                if standing is not None:  # else it was deleted in between
                    return "created" if standing == data else "exists"
            except WriteConflict:
                self.patience.sleep(self.patience.pause(again) / 8)
            else:
                return "created"
        raise StoreUnreachable(
            f"{self.bucket.where(key)}: {CONFLICTS} conflicts in a row", hint="another writer is at work; run again"
        )


@dataclass(frozen=True)
class PlainOnce:
    """By claims: the earliest by the server's clock, pinned by whoever sees first that it is settled."""

    bucket: Bucket
    patience: Patience
    settle: timedelta
    mode: str = "plain"

    def create(self, key: str, data: bytes) -> Once:
        """Claim, wait until claims are settled, pin the winner."""
        standing = self.read(key)
        if standing is None:
            claim = f"{CLAIMS}/{key}/{hashlib.sha256(data).hexdigest()[:32]}"
            self.patience.run(lambda: self._claim(claim, data))
            standing = self.read(key)
        if standing is None:
            raise StoreUnreachable(
                f"{self.bucket.where(key)}: a claim just written is not listed", hint="run again; see docs/store.md"
            )
        return "created" if standing == data else "exists"

    def read(self, key: str) -> bytes | None:
        """The pinned bytes; where there are only claims, wait until they are settled and pin."""
        waited = 0.0
        while waited < self.settle.total_seconds() + LONGEST_WAIT:
            settled, value, wait = self.patience.run(lambda: self._look(key))
            if settled:
                return value
            self.patience.sleep(wait)
            waited += wait
        raise StoreBroken(
            f"{self.bucket.where(key)}: claims do not settle: the server's clock and the times it writes differ",
            hint="set the server's clocks (NTP), or take another server",
        )

    def forget(self, key: str) -> None:
        """Delete the claims first: with the pin first, a reader could pin again in between."""
        for entry in self.patience.run(lambda: self._claims(key)):
            self.patience.run(lambda name=entry.key: self.bucket.delete(name))  # type: ignore[misc]
        self.patience.run(lambda: self.bucket.delete(key))

    def _claim(self, claim: str, data: bytes) -> None:
        """Look before the put: writing a claim again would make it younger."""
        if self.bucket.stat(claim) is None:
            self.bucket.put(claim, data)

    def _claims(self, key: str) -> list[Entry]:
        """All claims of a key, the earliest first; the claim's name decides between equals."""
        found, token = self.bucket.entries(f"{CLAIMS}/{key}/")
        while token is not None:
            more, token = self.bucket.entries(f"{CLAIMS}/{key}/", token)
            found += more
        own = [entry for entry in found if "/" not in entry.key.removeprefix(f"{CLAIMS}/{key}/")]
        return sorted(own, key=lambda entry: (entry.modified, entry.key))

    def _look(self, key: str) -> tuple[bool, bytes | None, float]:
        """(whether it is settled, its bytes, else the seconds until it may be)."""
        pinned = _found(self.bucket, key)
        if pinned is not None:
            return True, pinned, 0.0
        now = self.bucket.now()  # before the listing: what it shows is at least as new
        claims = self._claims(key)
        if not claims:
            return True, None, 0.0
        left = claims[0].modified + self.settle - now
        if left > timedelta(0):
            return False, None, max(0.1, left.total_seconds())
        winner = _found(self.bucket, claims[0].key)
        if winner is None:
            return False, None, 0.1  # deleted in between: look again
        if _found(self.bucket, key) is None:
            self.bucket.put(key, winner)
        return True, _found(self.bucket, key), 0.0


def choose(bucket: Bucket, patience: Patience, settle: timedelta) -> Creation:
    """What the store's mark says; else one try whether the server honours `If-None-Match`."""
    mode = patience.run(lambda: _marked(bucket)) or patience.run(lambda: _tried(bucket))
    return ConditionalOnce(bucket, patience) if mode == "conditional" else PlainOnce(bucket, patience, settle)


def mark(mode: str) -> bytes:
    """The mark's bytes."""
    return json.dumps({"format": 1, "commit": mode}).encode()


def _marked(bucket: Bucket) -> str | None:
    body = _found(bucket, MARK)
    if body is None:
        return None
    try:
        mode = json.loads(body)["commit"]
    except (ValueError, KeyError, TypeError) as error:
        raise ObjectDamaged(f"{bucket.where(MARK)}: not a store's mark", hint="delete it, then probe again") from error
    if mode not in ("conditional", "plain"):
        raise ObjectDamaged(f"{bucket.where(MARK)}: commit: got {mode!r}, allowed conditional, plain")
    return str(mode)


def _tried(bucket: Bucket) -> str:
    """A server that takes a second conditional write to the same key only pretends."""
    key = f"probe/{uuid.uuid4().hex}"
    bucket.put(key, b"first")
    try:
        bucket.put(key, b"second", once=True)
    except AlreadyThere:
        return "conditional"
    except Unsupported:
        return "plain"
    finally:
        with suppress(CrossadError):  # a scratch object left behind harms nobody; the first fault is the one to tell
            bucket.delete(key)
    return "plain"


def _found(bucket: Bucket, key: str) -> bytes | None:
    try:
        return bucket.get(key)
    except ObjectMissing:
        return None
