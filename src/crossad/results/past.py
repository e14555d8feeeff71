"""What finished conditions cost: a few of the newest records of a store, read side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from crossad.errors import DataError, first_fault
from crossad.results.home import Home, Kept
from crossad.results.ledger import COMMITS
from crossad.results.manifest import Manifest, parse_manifest
from crossad.results.record import Record
from crossad.store.faults import ObjectMissing

EACH = 8  # records of a model, the newest
LOOKED = 64  # commits that are looked at for them
THREADS = 16


@dataclass(frozen=True)
class Past:
    """The cost of one finished condition; None where it did not do that part itself."""

    model: str
    device: str
    fit_seconds: float | None
    fit_work: float  # images x passes x pixels
    score_seconds: float | None
    score_work: float  # images x pixels
    other_seconds: float  # start, building, pictures, the end
    batch_work: float  # what is in memory at once: images of a batch, or of the memory bank, x pixels
    memory: int | None
    device_memory: int | None
    bytes: int | None  # that it left in the store


def past(home: Home, models: Collection[str], known: Mapping[str, str]) -> list[Past]:
    """The newest records of some models; of each at most a few, and not more than some commits are looked at.

    Args:
        home: where runs live.
        models: those that are asked about.
        known: condition id -> model, where that is known: those are looked at first.
    """
    entries = sorted(home.state.list(f"{COMMITS}/condition-"), key=lambda entry: entry.modified, reverse=True)
    mine = [entry.key for entry in entries if _condition(entry.key) in known]
    others = [entry.key for entry in entries if _condition(entry.key) not in known]
    found: dict[str, list[Past]] = {model: [] for model in models}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="past") as pool:
        for one in pool.map(lambda key: _one(home, key), [*_few(mine, known), *others][:LOOKED]):
            if one is not None and one.model in found and len(found[one.model]) < EACH:
                found[one.model].append(one)
    return [one for kept in found.values() for one in kept]


def _few(keys: Collection[str], known: Mapping[str, str]) -> list[str]:
    """The first commits of each model."""
    taken: dict[str, list[str]] = {}
    for key in keys:
        taken.setdefault(known[_condition(key)], []).append(key)
    return [key for of_model in taken.values() for key in of_model[:EACH]]


def _condition(key: str) -> str:
    return key.removeprefix(f"{COMMITS}/condition-").removesuffix(".json").partition("@")[0]


def _one(home: Home, key: str) -> Past | None:
    """The cost that a commit leads to; None for what cannot be read: an estimate stops nobody."""
    try:
        commit = home.ledger.read(key)
        record = None if commit is None else read_kept(home, commit.get("record"))
        if commit is None or record is None:
            return None
        manifest = read_kept(home, commit.get("manifest"))
        left = None if manifest is None else _bytes(parse_manifest(manifest, key))
        return cost(Record.model_validate_json(record), left)
    except (DataError, ValidationError):
        return None


def read_kept(home: Home, kept: Any) -> bytes | None:  # noqa: ANN401 - of a commit that anybody may have written
    """The bytes of a small object that a commit names, verified; None where they are gone or others.

    Raises:
        DataError: the commit names nothing.
    """
    try:
        named = Kept.model_validate(kept)
    except ValidationError as error:
        raise DataError(f"not a commit of this crossad version: {first_fault(error, 'record')}") from error
    try:
        body = home.state.get(named.ref) if home.remote else (home.results / named.ref).read_bytes()
    except (ObjectMissing, OSError):
        return None
    return body if hashlib.sha256(body).hexdigest() == named.sha256 else None


def _bytes(manifest: Manifest) -> int:
    files = sum(artifact.bytes or 0 for artifact in manifest.artifacts)
    files += sum(archive.bytes for archive in manifest.archives)
    return files + sum(chunk.bytes for log in manifest.logs for chunk in log.chunks)


def cost(record: Record, left: int | None) -> Past | None:
    """What a condition cost by its record; None where the record does not tell its model."""
    config, info, timings = record.condition.get("config") or {}, record.training_info, record.timings_seconds
    model, size = config.get("model_type"), config.get("image_size")
    if not isinstance(model, str) or not size:
        return None
    pixels = float(size[0] * size[1])
    results = [one for one in (record.source_results, *record.target_results.values()) if one is not None]
    rated = [(sum(one.counts.values()), one.images_per_second) for one in results if one.images_per_second]
    own = info is not None and info.shared_with is None and info.resumed_from_step is None
    passes = _passes(info.total_steps, info.training_images, config.get("batch_size")) if info and own else 0
    once = info.training_images if info and not info.total_steps else config.get("batch_size") or 1
    fit, score = timings.get("fit"), timings.get("score")
    total = timings.get("total", 0.0)
    # scores that another attempt had made already are in the record, and took none of its time
    anew = score is not None and score >= sum(images / rate for images, rate in rated)
    return Past(
        model=model,
        device=record.provenance.device if record.provenance else "",
        fit_seconds=fit if passes else None,
        fit_work=passes * pixels,
        score_seconds=score if anew and rated else None,
        score_work=sum(images for images, _ in rated) * pixels,
        other_seconds=max(0.0, total - (fit or 0.0) - (score or 0.0)),
        batch_work=once * pixels,
        memory=record.peak_memory_bytes,
        device_memory=record.peak_device_memory_bytes,
        bytes=left,
    )


def _passes(steps: int, images: int, batch: int | None) -> int:
    """Images that went through the network in training; a memory bank sees each once and takes no step."""
    return steps * (batch or 1) if steps else images
