"""What an object of a store leads to: the attempts and the objects that must stay because of it.

Followed are commits, failures, pointers at checkpoints, claims and beacons, and the manifests that they name. Whatever
an object says is taken as it stands, every key and every attempt in it, so that a version that is not known here, or a
body that is damaged, keeps more and never less.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from crossad.errors import CrossadError, DataError
from crossad.results.checkpoints import PREFIX as CHECKPOINTS
from crossad.results.checkpoints import Checkpoint
from crossad.results.layout import ATTEMPTS, RUNS
from crossad.results.ledger import COMMITS, FAILURES, WITHDRAWN
from crossad.results.ledger import parse as parse_commit
from crossad.results.manifest import parse_manifest
from crossad.store.base import Store
from crossad.store.faults import ObjectMissing
from crossad.store.once import CLAIMS

MANIFEST = "manifest.json"
_KEY = re.compile(rf"{ATTEMPTS}/([^/\"\\\s]+)/")
_NAMED = re.compile(r'"attempt"\s*:\s*"([^"\\/]+)"')


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it should be."""

    key: str
    told: str
    hides: bool = False  # True where it may lead to objects that are not known


@dataclass
class Leads:
    """What must stay, and what could not be understood on the way."""

    attempts: set[str] = field(default_factory=set)  # all that they wrote, but for their checkpoints
    keys: set[str] = field(default_factory=set)
    troubles: list[Trouble] = field(default_factory=list)

    def add(self, more: Leads) -> None:
        """Take what other objects lead to; keys that an attempt covers already are left out."""
        self.attempts |= more.attempts
        covered = more.attempts
        self.keys.update(key for key in more.keys if owner(key) not in covered or is_state(key))
        self.troubles += more.troubles

    def want(self, key: str) -> bool:
        """Whether an attempt's object must stay."""
        return key in self.keys or (owner(key) in self.attempts and not is_state(key))


def owner(key: str) -> str:
    """The attempt that wrote an object; "" where none did."""
    folder, _, rest = key.partition("/")
    attempt, separator, _ = rest.partition("/")
    return attempt if folder == ATTEMPTS and separator else ""


def is_state(key: str) -> bool:
    """Whether it is a resumable state, which is wanted as long as a pointer leads to it."""
    parts = key.split("/")
    return len(parts) > 3 and parts[0] == ATTEMPTS and parts[2] == CHECKPOINTS


def follow(store: Store, key: str) -> Leads:
    """All that an object leads to, its manifest included."""
    leads = Leads()
    body = _read(store, key, leads)
    if body is None:
        return leads
    value = _take(leads, key, body, _checker(key))
    if key.startswith((f"{FAILURES}/", f"{CHECKPOINTS}/", f"{RUNS}/")):
        leads.attempts.add(key.rpartition("/")[2].removesuffix(".json"))  # also where the body is damaged
    manifest = value.get("manifest") if isinstance(value, dict) else None
    if isinstance(manifest, dict) and isinstance(manifest.get("ref"), str) and owner(manifest["ref"]):
        _follow_manifest(store, manifest, key, leads)
    return leads


def _follow_manifest(store: Store, manifest: dict[str, Any], named_by: str, leads: Leads) -> None:
    """A manifest's artifacts, archives and logs may lie in other attempts."""
    key = str(manifest["ref"])
    body = _read(store, key, leads)
    if body is None:
        if not leads.troubles:
            leads.troubles.append(Trouble(key, f"no such object; {named_by} names it"))
        return
    if hashlib.sha256(body).hexdigest() != manifest.get("sha256"):
        leads.troubles.append(Trouble(key, f"not the bytes that {named_by} names"))
    _take(leads, key, body, parse_manifest)


def _read(store: Store, key: str, leads: Leads) -> bytes | None:
    """An object's bytes; None where it was removed meanwhile, or cannot be read, which is noted."""
    try:
        return store.get(key)
    except ObjectMissing:
        return None
    except CrossadError as error:
        leads.troubles.append(Trouble(key, error.message, hides=True))
        return None


def _take(leads: Leads, key: str, body: bytes, check: Callable[[bytes, str], object]) -> object:
    """Note all attempts and keys in a body; its JSON value, or None where it is none."""
    try:
        check(body, key)
    except (DataError, ValueError) as error:
        told = error.message if isinstance(error, DataError) else "not what this version of crossad writes"
        leads.troubles.append(Trouble(key, f"{told.splitlines()[0]}; left alone, and what it names"))
    try:
        value = json.loads(body)
    except ValueError:
        text = body.decode(errors="replace")
        leads.attempts |= {*_KEY.findall(text), *_NAMED.findall(text)}
        return None
    for name, text in _texts(value):
        if name == "attempt" and "/" not in text:
            leads.attempts.add(text)
        elif owner(text):
            leads.keys.add(text)
    return value


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """(name, text) of all texts in a JSON value."""
    waiting = [("", value)]
    while waiting:
        name, part = waiting.pop()
        if isinstance(part, dict):
            waiting += [(str(inner), one) for inner, one in part.items()]
        elif isinstance(part, list):
            waiting += [(name, one) for one in part]
        elif isinstance(part, str):
            yield name, part


def _checker(key: str) -> Callable[[bytes, str], object]:
    """What tells whether an object is of this version."""
    area = key.removeprefix(f"{CLAIMS}/").partition("/")[0]
    if area in (COMMITS, FAILURES, WITHDRAWN):
        return parse_commit
    if area == CHECKPOINTS:
        return lambda body, _: Checkpoint.model_validate_json(body)
    if key.endswith(f"/{MANIFEST}"):
        return parse_manifest
    return lambda body, _: json.loads(body)
