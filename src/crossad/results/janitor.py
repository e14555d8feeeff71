"""Removes from a store what a survey found, each thing only if it is still what nobody needs.

Commits, failures and checkpoints that were written since the survey are followed before the next few attempts are
touched, and an attempt with any new object is left alone. One thing that cannot be removed does not stop the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from crossad.crew import spread
from crossad.errors import CrossadError
from crossad.results.checkpoints import PREFIX as CHECKPOINTS
from crossad.results.layout import attempt_key
from crossad.results.leads import Trouble, follow, is_state, owner
from crossad.results.ledger import COMMITS, FAILURES
from crossad.results.survey import THREADS, Item, Survey, add_leads
from crossad.store.base import Entry, Store
from crossad.store.faults import StoreUnreachable
from crossad.store.once import CLAIMS

GROUP = 16  # attempts between two looks for new commits
MARGIN = timedelta(seconds=5)  # a store's clock has whole seconds
LEADING = (f"{COMMITS}/", f"{FAILURES}/", f"{CHECKPOINTS}/", f"{CLAIMS}/{COMMITS}/")


@dataclass(frozen=True)
class Done:
    """What became of one thing that a survey found."""

    item: Item
    objects: int = 0  # removed
    bytes: int = 0
    stays: str | None = None  # why nothing was removed after all
    troubles: tuple[Trouble, ...] = ()


def clear(store: Store, found: Survey) -> Iterator[Done]:
    """Remove what a survey found; what becomes of each thing, as it comes.

    Raises:
        StoreUnreachable: the store does not answer any more.
    """
    work = _Work(store, found)
    groups = {
        "failure": work.guarded(work.single),
        "checkpoint": work.guarded(work.single),
        "states": work.guarded(work.attempt),
        "attempt": work.guarded(work.attempt),
    }
    yield from _each(work.guarded(work.single), [item for item in found.items if item.kind not in groups])
    for kind, action in groups.items():  # what leads to others goes before them
        items = [item for item in found.items if item.kind == kind]
        for group in _groups(items):
            add_leads(store, work.news(), found.leads)
            if found.hidden:
                why = f"what {found.hidden[0].key or 'this store'} leads to is not known"
                yield from (Done(item, stays=why) for item in group)
                continue
            for done in _each(action, group):
                if done.stays and kind in ("failure", "checkpoint"):
                    found.leads.add(follow(store, done.item.key))
                yield done


class _Work:
    """One clearing."""

    def __init__(self, store: Store, found: Survey) -> None:
        self._store, self._found = store, found
        self._seen: set[tuple[str, str]] = set()

    def guarded(self, action: Callable[[Item], Done]) -> Callable[[Item], Done]:
        """The action, with an error of the store told beside the thing it is about."""

        def run(item: Item) -> Done:
            try:
                return action(item)
            except StoreUnreachable:
                raise
            except CrossadError as error:
                return Done(item, stays="it could not be removed", troubles=(Trouble(item.key, error.message),))

        return run

    def single(self, item: Item) -> Done:
        """Remove one object, or give one upload up."""
        if item.upload is not None:
            self._store.abort(item.upload)
            return Done(item, 1, item.bytes)
        entry = self._store.stat(item.key)
        if entry is None or entry.modified >= self._found.before:
            return Done(item, stays="gone or written again meanwhile")
        if item.given and self._store.stat(item.given) is None:
            return Done(item, stays=f"{item.given} is not there any more")
        self._store.delete(item.key, once=False)
        return Done(item, 1, item.bytes)

    def attempt(self, item: Item) -> Done:
        """Remove what nothing leads to of an attempt, unless somebody wrote there meanwhile."""
        leads, name = self._found.leads, owner(item.key)
        if item.kind == "attempt" and name in leads.attempts:
            return Done(item, stays="something leads to it now")
        entries = list(self._store.list(attempt_key(name, "")))
        if any(entry.modified >= self._found.before for entry in entries):
            return Done(item, stays="written to meanwhile")
        part = [entry for entry in entries if item.kind == "attempt" or is_state(entry.key)]
        return self._remove(item, [entry for entry in part if not leads.want(entry.key)])

    def _remove(self, item: Item, entries: Sequence[Entry]) -> Done:
        """Remove objects one by one; what a kill leaves is found again."""
        objects, size, troubles = 0, 0, []
        for entry in entries:
            try:
                self._store.delete(entry.key, once=False)
            except StoreUnreachable:
                raise
            except CrossadError as error:
                troubles.append(Trouble(entry.key, error.message))
            else:
                objects, size = objects + 1, size + entry.size
        return Done(item, objects, size, troubles=tuple(troubles))

    def news(self) -> Iterator[str]:
        """The keys of objects that lead to others, written since the survey began and not followed yet."""
        for prefix in LEADING:
            for entry in self._store.list(prefix):
                version = entry.key, entry.etag
                if entry.modified >= self._found.began - MARGIN and version not in self._seen:
                    self._seen.add(version)
                    yield entry.key


def _each(action: Callable[[Item], Done], items: Sequence[Item]) -> Iterator[Done]:
    with spread(action, items, THREADS) as ended:
        yield from (done for _, done in ended)


def _groups(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + GROUP] for start in range(0, len(items), GROUP))
