"""What a condition's run leaves in a bucket, as a reader finds it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crossad.results.home import BucketHome
from crossad.results.manifest import Manifest, parse_manifest
from crossad.results.record import Record
from crossad.store.base import Store

KINDS = ("commits/training-", "commits/evaluation-", "commits/condition-")


def keys(store: Store, prefix: str = "") -> list[str]:
    return [entry.key for entry in store.list(prefix)]


def manifest_of(store: Store, record: Record) -> Manifest:
    """The manifest that the condition's commit names, verified."""
    found = BucketHome(store, Path("nowhere")).ledger.committed("condition", record.condition_id)
    assert found is not None
    body = store.get(found["manifest"]["ref"])
    assert hashlib.sha256(body).hexdigest() == found["manifest"]["sha256"]
    return parse_manifest(body, "the bucket")


def log_of(store: Store, manifest: Manifest, name: str = "multi_domain_tiny.log") -> str:
    (log,) = (log for log in manifest.logs if log.path == name)
    return b"".join(store.get(chunk.ref) for chunk in log.chunks).decode()
