"""From a record back to the work: the condition file and the command line behind its numbers, and what differs now."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from crossad.conditions.identity import condition_id
from crossad.conditions.suite import parse_config
from crossad.errors import CrossadError, MissingInputError
from crossad.results.parsing import parsed
from crossad.results.record import Record

_PLACES = ("--data", "--data-option", "--weights", "--precision")  # of a trainer's command line: what a repeat needs
Weight = Literal["numbers", "digits", "none"]


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was."""

    what: str
    then: str
    now: str
    decides: Weight  # numbers: other work; digits: the last digits may differ; none: worth knowing


@dataclass(frozen=True)
class Now:
    """How it is here and now; None where nothing was asked."""

    crossad_version: str
    crossad_commit: str | None
    python: str
    cpu: str
    libraries: Mapping[str, str]
    data_lock: str | None = None
    weights: Mapping[str, str | None] | None = None  # None as a hash: they are nowhere


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no record of this version.
    """
    try:
        return parse_record(path.read_bytes(), str(path))
    except OSError as error:
        raise MissingInputError(f"cannot read record: {path}: {error.strerror}", hint="name a result_*.json") from error


def parse_record(body: bytes, where: str) -> Record:
    """The record in some bytes; `where` is what faults call them.

    Raises:
        DataError: it is no record of this version.
    """
    return parsed(Record, body, "record", where)


def suite_text(record: Record) -> str:
    """A suite file with the condition alone, resolved: no default, override or data folder changes it any more."""
    named = {key: record.condition.get(key) or "" for key in ("name", "description")}
    told = {
        "suite": {"name": f"repro of {record.run}"},
        "experiment_conditions": [{**named, "config": record.condition["config"]}],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def command_line(record: Record, file: str, data: Sequence[str], results: str) -> str:
    """The command that does the work again, in a results folder of its own so that nothing finished is reused.

    Args:
        record: what is to be repeated.
        file: where its suite file is.
        data: options that name the images, instead of the recorded ones.
        results: a folder that is not there yet.
    """
    found = record.provenance
    recorded = list(_recorded(found.command if found else []))
    if data:
        kept = [pair for pair in zip(recorded[::2], recorded[1::2], strict=True) if not pair[0].startswith("--data")]
        recorded = [*data, *(word for pair in kept for word in pair)]
    device = "cpu" if found is None or found.device == "cpu" else "0"
    words = ["crossad", "train", "--config", file, "--experiment-id", "0", "--gpu-id", device]
    line = shlex.join([*words, *recorded, "--results-dir", results])
    return f"OMP_NUM_THREADS={found.threads} {line}" if found and found.threads else line


def _recorded(command: Sequence[str]) -> Iterator[str]:
    for word, value in pairwise(command):
        if word in _PLACES:
            yield from (word, value)


def differences(record: Record, now: Now) -> list[Difference]:
    """What is not as it was when the record was made; the gravest first."""
    found = [*_of_work(record), *_of_inputs(record, now), *_of_versions(record, now)]
    order: list[Weight] = ["numbers", "digits", "none"]
    return sorted(found, key=lambda one: order.index(one.decides))


def _of_work(record: Record) -> Iterator[Difference]:
    """Whether this version means the same by the condition."""
    then = record.condition_id.partition("r")[0]  # a repeat is the same work
    try:
        now = condition_id(parse_config(record.condition["config"]))
    except CrossadError as error:
        now = error.message.splitlines()[0]
    if then != now:
        yield Difference("condition id", then, now, "numbers")


def _of_inputs(record: Record, now: Now) -> Iterator[Difference]:
    found = record.provenance
    if found is None:
        return
    if now.data_lock is not None and found.data_lock is not None and found.data_lock != now.data_lock:
        yield Difference("data lock", found.data_lock, now.data_lock, "numbers")
    for name, then in found.weights.items():
        if now.weights is not None and then != "random" and now.weights.get(name) != then:
            yield Difference(f"weights {name}", then, now.weights.get(name) or "not here", "numbers")


def _of_versions(record: Record, now: Now) -> Iterator[Difference]:
    found = record.provenance
    if found is None:
        return
    pairs: list[tuple[str, str | None, str | None, Weight]] = [
        ("crossad", found.crossad_version, now.crossad_version, "digits"),
        ("crossad commit", found.crossad_commit, now.crossad_commit, "digits"),
        ("processor", found.cpu, now.cpu, "digits"),
        ("python", found.python, now.python, "none"),
    ]
    pairs += [(name, then, now.libraries.get(name), "digits") for name, then in found.libraries.items()]
    for what, then, there, decides in pairs:
        if then and then != there:
            yield Difference(what, then, there or "not here", decides)


def facts(record: Record) -> dict[str, Any]:
    """The hashes and versions behind the numbers, for people and machines."""
    found, info = record.provenance, record.training_info
    told: dict[str, Any] = {
        "condition_id": record.condition_id,
        "training_key": record.training_key,
        "run": record.run,
        "attempt": record.attempt,
        "ended": record.timestamp,
        "trained weights": info.weights_sha256 if info else None,
    }
    if found is not None:
        told |= {
            "seed": found.seed,
            "data lock": found.data_lock,
            **{f"weights {name}": sha256 for name, sha256 in found.weights.items()},
            **{f"textures {name}": sha256 for name, sha256 in found.textures.items()},
            "image": found.image_digest,
            "crossad": f"{found.crossad_version}{f' ({found.crossad_commit})' if found.crossad_commit else ''}",
            **found.libraries,
            "python": found.python,
            "device": found.device,
            "processor": found.cpu,
            "threads": found.threads,
            "precision": found.precision,
            "deterministic": found.deterministic,
        }
    return told
