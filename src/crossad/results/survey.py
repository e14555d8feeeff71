"""Looks through a store for what nobody needs any more: one listing, and every object that leads to others.

Memory is bounded by the number of attempts and of keys that lead from one attempt into another, never by the number of
objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from crossad.crew import spread
from crossad.errors import CrossadError
from crossad.results.checkpoints import PREFIX as CHECKPOINTS
from crossad.results.endings import Endings, Needless
from crossad.results.layout import ATTEMPTS, RUNS, attempt_key
from crossad.results.leads import MANIFEST, Leads, Trouble, follow, is_state, owner
from crossad.results.ledger import COMMITS, FAILURES, WITHDRAWN
from crossad.store.base import Entry, Store, Unfinished
from crossad.store.once import CLAIMS, MARK

THREADS = 16
PROBE, LIVE = "probe", "live"
# crossad's, and not for here
OTHERS = frozenset({"archives", "assets", "crossad-data.json", "evaluations", "sidecars", MARK})
NAMED = 100  # objects of unknown kinds that are told by name
EPOCH = datetime.fromtimestamp(0, UTC)
Kind = Literal["upload", "probe", "checkpoint", "states", "attempt", "claim", "failure", "beacon", "withdrawn"]


@dataclass(frozen=True)
class Rules:
    """What counts as old, and whether evidence goes too."""

    older_than: timedelta
    withdrawn: bool = False  # also commits that were set aside, and what only they lead to


@dataclass(frozen=True)
class Item:
    """Something that nobody needs: one object, or all of a folder's that are not wanted."""

    kind: Kind
    key: str  # ends with "/" for a folder
    objects: int
    bytes: int
    why: str
    upload: Unfinished | None = None
    given: str = ""  # an object because of which nobody needs it: it goes only while that is there


@dataclass
class Survey:
    """What a store holds, as far as tidying it goes."""

    began: datetime  # by the store's clock
    before: datetime  # what was written before is old
    objects: int = 0
    bytes: int = 0
    items: list[Item] = field(default_factory=list)
    leads: Leads = field(default_factory=Leads)
    unknown: int = 0
    unknown_names: list[str] = field(default_factory=list)

    @property
    def hidden(self) -> list[Trouble]:
        """Why no attempt is touched: what must stay is not known."""
        return [trouble for trouble in self.leads.troubles if trouble.hides]

    def age(self, moment: datetime) -> str:
        """How long ago that is, in words."""
        seconds = max(0.0, (self.began - moment).total_seconds())
        return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else f"{seconds / 3600:.1f} hours"


@dataclass
class _Attempt:
    objects: int = 0
    bytes: int = 0
    states: int = 0
    state_bytes: int = 0
    newest: datetime = EPOCH


def survey(store: Store, rules: Rules) -> Survey:
    """Find what may go; nothing is changed.

    Raises:
        CrossadError: the store cannot be listed.
    """
    now = store.now()
    found = Survey(now, now - rules.older_than)
    work = _Work(store, rules, found)
    for keys in (work.sort(), work.failures(), work.pointers()):
        add_leads(store, keys, found.leads)
    work.decide()
    return found


def add_leads(store: Store, keys: Iterable[str], leads: Leads) -> None:
    """Follow objects, a few at once; the keys come from a listing that this thread alone reads."""
    with spread(lambda key: follow(store, key), keys, THREADS) as followed:
        for _, found in followed:
            leads.add(found)


class _Work:
    """One pass."""

    def __init__(self, store: Store, rules: Rules, found: Survey) -> None:
        self._store, self._rules, self._found = store, rules, found
        self._attempts: dict[str, _Attempt] = {}
        self._pointers: list[Entry] = []
        self._trained: dict[str, datetime] = {}  # <work> -> when its training was committed
        self._endings = Endings(store, found.before)
        self._runs = False  # whether there is anything that a run or a commit left
        self._claims: dict[str, list[Entry]] = {}  # claimed key -> claims; its pin, where there is one, takes them out
        self._sorts: dict[str, Callable[[Entry], Iterator[str]]] = {
            ATTEMPTS: self._attempt,
            CHECKPOINTS: self._checkpoint,
            CLAIMS: self._claim,
            COMMITS: self._commit,
            FAILURES: self._failure,
            PROBE: self._probe,
            RUNS: self._run,
            WITHDRAWN: self._withdrawn,
        }

    def sort(self) -> Iterator[str]:
        """Go through the listing; the keys of objects that lead to others."""
        for entry in self._store.list():
            self._found.objects += 1
            self._found.bytes += entry.size
            if (claims := self._claims.pop(entry.key, None)) is not None:
                self._settled(entry.key, claims)
            area = entry.key.partition("/")[0]
            if area in self._sorts:
                yield from self._sorts[area](entry)
            elif area not in OTHERS:
                self._strange(entry)
        yield from (
            claim.key for key, claims in self._claims.items() if key.startswith(f"{COMMITS}/") for claim in claims
        )

    def failures(self) -> Iterator[str]:
        """Decide on failures; the keys of those that stay."""
        for one in self._endings.failures():
            if isinstance(one, str):
                yield one
            else:
                self._needless("failure", one)

    def pointers(self) -> Iterator[str]:
        """Decide on the checkpoints' pointers; the keys of those that are still wanted.

        A training that was committed a short while ago may still have a second trainer at work, which continued an
        old attempt and will name that attempt's logs.
        """
        for entry in self._pointers:
            _, work, name = entry.key.split("/")
            trained = self._trained.get(work)
            attempt = self._attempts.get(name.removesuffix(".json"), _Attempt())
            if trained is not None and max(trained, entry.modified, attempt.newest) < self._found.before:
                why = f"its training was committed {self._found.age(trained)} ago"
                self._drop("checkpoint", entry, why, f"{COMMITS}/training-{work}.json")
            else:
                yield entry.key

    def decide(self) -> None:
        """Decide on attempts and uploads, now that all is known that leads to them."""
        if self._attempts and not self._runs:
            told = "attempts, but no run and no commit: the address of another thing, or of a part of a store?"
            self._found.leads.troubles.append(Trouble("", told, hides=True))
        if not self._found.hidden:
            partly = {owner(key) for key in self._found.leads.keys}
            for name, attempt in sorted(self._attempts.items()):
                if attempt.newest < self._found.before:
                    self._decide(name, attempt, name in partly)
            for one in self._endings.beacons(self._found.leads):
                self._needless("beacon", one)
        else:
            self._found.items = [item for item in self._found.items if item.kind not in ("checkpoint", "failure")]
        try:
            for upload in self._store.uploads(self._found.before):
                if self._attempts.get(owner(upload.key), _Attempt()).newest >= self._found.before:
                    continue
                why = f"a large write begun {self._found.age(upload.begun)} ago and never ended"
                self._found.items.append(Item("upload", upload.key, 1, upload.size, why, upload))
        except CrossadError as error:
            self._found.leads.troubles.append(Trouble("", f"unfinished uploads: {error.message}"))

    def _decide(self, name: str, attempt: _Attempt, partly: bool) -> None:
        leads, prefix, age = self._found.leads, attempt_key(name, ""), self._found.age(attempt.newest)
        whole = name not in leads.attempts
        count, size = (attempt.objects, attempt.bytes) if whole else (attempt.states, attempt.state_bytes)
        if count and partly:
            gone = [entry for entry in self._store.list(prefix) if not leads.want(entry.key)]
            count, size = len(gone), sum(entry.size for entry in gone)
        if not count:
            return
        if whole:
            why = f"no commit, failure, checkpoint or manifest leads to it; last written {age} ago"
            self._found.items.append(Item("attempt", prefix, count, size, why))
        else:
            why = f"states of a training that is committed or was given up; last written {age} ago"
            self._found.items.append(Item("states", f"{prefix}{CHECKPOINTS}/", count, size, why))

    def _attempt(self, entry: Entry) -> Iterator[str]:
        name = owner(entry.key)
        if not name:
            self._strange(entry)
            return
        attempt = self._attempts.setdefault(name, _Attempt())
        attempt.objects += 1
        attempt.bytes += entry.size
        attempt.newest = max(attempt.newest, entry.modified)
        if is_state(entry.key):
            attempt.states += 1
            attempt.state_bytes += entry.size
        if entry.key == attempt_key(name, MANIFEST) and not self._old(entry):
            yield entry.key  # its commit may be on the way

    def _checkpoint(self, entry: Entry) -> Iterator[str]:
        if entry.key.count("/") == 2 and entry.key.endswith(".json"):
            self._pointers.append(entry)
        else:
            self._strange(entry)
        yield from ()

    def _claim(self, entry: Entry) -> Iterator[str]:
        self._claims.setdefault(entry.key.removeprefix(f"{CLAIMS}/").rpartition("/")[0], []).append(entry)
        yield from ()

    def _commit(self, entry: Entry) -> Iterator[str]:
        self._runs = True
        self._endings.commit(entry)
        training = entry.key.removeprefix(f"{COMMITS}/training-")
        if training != entry.key:
            self._trained[training.removesuffix(".json")] = entry.modified
        yield entry.key

    def _failure(self, entry: Entry) -> Iterator[str]:
        self._endings.failure(entry)
        yield from ()

    def _probe(self, entry: Entry) -> Iterator[str]:
        if self._old(entry):
            self._drop("probe", entry, f"left by a probe {self._found.age(entry.modified)} ago")
        yield from ()

    def _run(self, entry: Entry) -> Iterator[str]:
        """Plans and verdicts stay; a beacon that was lit a short while ago names an attempt at work."""
        self._runs = True
        parts = entry.key.split("/")
        if parts[2:3] == [LIVE] and not self._old(entry):
            yield entry.key
        elif parts[2:3] == [LIVE] and len(parts) == 5:
            self._endings.beacon(entry)

    def _withdrawn(self, entry: Entry) -> Iterator[str]:
        if self._rules.withdrawn and self._old(entry):
            self._drop("withdrawn", entry, f"a commit that was set aside {self._found.age(entry.modified)} ago")
        else:
            yield entry.key

    def _settled(self, key: str, claims: list[Entry]) -> None:
        """Claims whose key is pinned decide nothing any more; without the pin they would bring the commit back."""
        for claim in claims:
            if self._old(claim):
                self._drop("claim", claim, f"{key} is settled", key)

    def _strange(self, entry: Entry) -> None:
        self._found.unknown += 1
        if len(self._found.unknown_names) < NAMED:
            self._found.unknown_names.append(entry.key)

    def _old(self, entry: Entry) -> bool:
        return entry.modified < self._found.before

    def _needless(self, kind: Kind, one: Needless) -> None:
        age = self._found.age(one.entry.modified)
        self._drop(kind, one.entry, f"{one.why}; written {age} ago", one.given)

    def _drop(self, kind: Kind, entry: Entry, why: str, given: str = "") -> None:
        self._found.items.append(Item(kind, entry.key, 1, entry.size, why, given=given))
