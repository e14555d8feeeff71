"""`data.lock.json`: which bytes a result was made from, per domain and split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from crossad.data.layout import SPLITS, list_domains, list_images
from crossad.errors import DataError
from crossad.files import canonical_json, sha256_file, write_json

NAME = "data.lock.json"
FORMAT = 1


def make_lock(root: Path, known: Mapping[Path, str] | None = None) -> dict[str, Any]:
    """Count, bytes and hash of every split: the hash covers relative paths and contents, and the metadata rows.

    Hashes that are `known` already, by path, spare a second reading.
    """
    known = known or {}
    domains: dict[str, dict[str, Any]] = {}
    for domain in list_domains(root):
        metadata = root / domain / "metadata.csv"
        rows = sha256_file(metadata) if metadata.is_file() else None
        splits: dict[str, Any] = {}
        for split in SPLITS:
            if not (root / domain / split).is_dir():
                continue
            files = list_images(root, domain, split)
            with ThreadPoolExecutor() as pool:
                hashes = list(pool.map(lambda file: known.get(file.path) or sha256_file(file.path), files))
            splits[split] = split_lock(
                rows,
                [
                    (file.relative, content, file.path.stat().st_size)
                    for file, content in zip(files, hashes, strict=True)
                ],
            )
        domains[domain] = splits
    return {"format": FORMAT, "domains": domains}


def split_lock(rows: str | None, images: Iterable[tuple[str, str, int]]) -> dict[str, Any]:
    """The lock of one split.

    Args:
        rows: SHA-256 of the domain's `metadata.csv`, or None where there is none.
        images: (path below the domain's folder, SHA-256, bytes) in the order of `list_images`.
    """
    digest, count, size = hashlib.sha256(f"metadata:{rows};".encode()), 0, 0
    for relative, content, length in images:
        digest.update(f"{relative}:{content};".encode())
        count, size = count + 1, size + length
    return {"images": count, "bytes": size, "sha256": digest.hexdigest()}


def write_lock(root: Path, known: Mapping[Path, str] | None = None) -> dict[str, Any]:
    """Make the lock and write it into the root."""
    lock = make_lock(root, known)
    write_json(root / NAME, lock)
    return lock


def read_lock(root: Path) -> dict[str, Any] | None:
    """The lock of a root, or None where there is none.

    Raises:
        DataError: the file is not a lock of this version.
    """
    path = root / NAME
    try:
        lock = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}", hint=f"write it anew: crossad data check {root}") from error
    if not isinstance(lock, dict) or lock.get("format") != FORMAT:
        raise DataError(f"{path}: not a data lock of format {FORMAT}", hint=f"write it anew: crossad data check {root}")
    return lock


def lock_part(root: Path, parts: Iterable[tuple[str, str]]) -> str | None:
    """One hash over some (domain, split) parts of the lock; None without a lock.

    A part that the lock does not have counts as absent, so that it gets another hash once it is there.
    """
    lock = read_lock(root)
    return None if lock is None else hash_parts(lock, parts)


def hash_parts(lock: Mapping[str, Any], parts: Iterable[tuple[str, str]]) -> str:
    """One hash over some (domain, split) parts of a lock that is at hand."""
    chosen = {
        f"{domain}/{split}": lock["domains"].get(domain, {}).get(split, {}).get("sha256") for domain, split in parts
    }
    return hashlib.sha256(canonical_json(chosen).encode()).hexdigest()


def lock_hash(root: Path) -> str | None:
    """One hash over the whole lock; None without a lock."""
    lock = read_lock(root)
    return None if lock is None else hashlib.sha256(canonical_json(lock).encode()).hexdigest()


def changes(root: Path, known: Mapping[Path, str] | None = None) -> list[str]:
    """How the images differ from the lock, as sentences; empty where they do not or where there is no lock.

    Hashes that are `known` already, by path, spare a second reading.
    """
    lock = read_lock(root)
    if lock is None:
        return []
    now, found = make_lock(root, known), []
    for domain in sorted({*lock["domains"], *now["domains"]}):
        for split in SPLITS:
            old, new = lock["domains"].get(domain, {}).get(split), now["domains"].get(domain, {}).get(split)
            if old != new:
                counts = f"{old['images'] if old else 'no'} images then, {new['images'] if new else 'none'} now"
                found.append(f"{domain}/{split} is not what the lock says ({counts})")
    return found
