"""A store with attempts at work in it, some of them long ago: for tests of what may be removed."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import timedelta
from typing import Any

from s3servers import Place

from crossad.results.checkpoints import Checkpoint, pointer_key
from crossad.results.home import Kept
from crossad.results.janitor import Done, clear
from crossad.results.ledger import Ledger
from crossad.results.manifest import Archive, Artifact, Log, Manifest
from crossad.results.survey import Rules, Survey, survey
from crossad.store.base import Store

WEEK = Rules(timedelta(days=7))
LOCK = "ab" * 32
PLAN = "runs/night1/plans/0001.json"


class World:
    """A store with attempts at work in it, some of them long ago."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.place = place
        self.store: Store = place.open(**options) if place.kind != "folder" else place.open()
        self.ledger = Ledger(self.store)
        self.store.put(PLAN, b"{}")

    def kept(self, attempt: str, name: str, data: bytes = b"bytes") -> Kept:
        key = f"attempts/{attempt}/{name}"
        self.store.put(key, data)
        return Kept(ref=key, bytes=len(data), sha256="0" * 64)

    def manifest(self, attempt: str, *artifacts: Kept, logs: tuple[Kept, ...] = (), zipped: Kept | None = None) -> Kept:
        found = Manifest(
            attempt=attempt,
            condition_id="c",
            condition="name",
            run="night1",
            artifacts=tuple(Artifact(path=kept.ref.split("/", 2)[2], key=kept.ref) for kept in artifacts),
            archives=(Archive(path="visualizations", key=zipped.ref, bytes=1, sha256="0" * 64),) if zipped else (),
            logs=(Log(path="multi_domain_name.log", chunks=logs),),
        )
        body = found.model_dump_json().encode()
        return self.kept(attempt, "manifest.json", body).model_copy(update={"sha256": hashlib.sha256(body).hexdigest()})

    def done(self, condition: str, attempt: str, manifest: Kept) -> str:
        self.ledger.commit(
            "condition",
            condition,
            {"attempt": attempt, "run": "night1", "record": dump(manifest), "manifest": dump(manifest)},
            LOCK,
        )
        return f"commits/condition-{condition}@{LOCK[:12]}.json"

    def trained(self, key: str, attempt: str, weights: Kept) -> str:
        self.ledger.commit("training", key, {"attempt": attempt, "weights": dump(weights)}, LOCK)
        return f"commits/training-{key}@{LOCK[:12]}.json"

    def pointer(self, key: str, attempt: str, state: Kept, *logs: Kept) -> str:
        work = f"{key}@{LOCK[:12]}"
        found = Checkpoint(key=key, step=120, checkpoint=state, attempt=attempt, logs={"facts": logs})
        self.store.put(pointer_key(work, attempt), found.model_dump_json().encode())
        return pointer_key(work, attempt)

    def held(self) -> set[str]:
        """All keys but the run's plan."""
        return {entry.key for entry in self.store.list()} - {PLAN}

    def age(self, days: float = 8, *prefixes: str) -> None:
        """Make objects old, all or those below some prefixes."""
        then = time.time() - days * 86400
        for key in self.held():
            if not prefixes or key.startswith(prefixes):
                os.utime(self.place.path(key), (then, then))

    def look(self, rules: Rules = WEEK) -> Survey:
        return survey(self.store, rules)

    def tidy(self, rules: Rules = WEEK) -> list[Done]:
        return list(clear(self.store, self.look(rules)))


def dump(kept: Kept) -> dict[str, Any]:
    return kept.model_dump(mode="json")


def told(found: Survey) -> set[tuple[str, str, int]]:
    return {(item.kind, item.key, item.objects) for item in found.items}
