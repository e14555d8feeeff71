"""Records as a report holds them: checked, and packed, because ten thousand as objects would be most of its memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crossad.errors import first_fault
from crossad.results.layout import ConditionPaths
from crossad.results.record import Record

OPEN = 64  # records that stay unpacked: the few that tables and figures look at again and again
FAST = 1  # level of compression: six times smaller, and quicker than the parsing


@dataclass(frozen=True)
class Unreadable:
    """A file that is not what it should be; named in the report, never a reason to stop."""

    path: Path
    reason: str


class Packed:
    """A record in two or three kilobytes, without what no report shows."""

    __slots__ = ("_body", "attempt", "status")

    def __init__(self, record: Record) -> None:
        """Take a checked record."""
        self.attempt, self.status = record.attempt, record.status
        self._body = zlib.compress(_light(record).model_dump_json(exclude_defaults=True).encode(), FAST)

    @property
    def record(self) -> Record:
        """The record again."""
        return _unpacked(self._body)


@lru_cache(OPEN)
def _unpacked(body: bytes) -> Record:
    return Record.model_validate_json(zlib.decompress(body))


def checked(path: Path, body: bytes, condition_id: str | None) -> Packed | Unreadable:
    """A record's bytes as a record, packed, or what is wrong with them.

    Args:
        path: where they lie, or would lie.
        body: foreign bytes.
        condition_id: of the condition that it has to be one of, where that is known.
    """
    try:
        record = Record.model_validate_json(body)
    except ValidationError as error:
        return Unreadable(path, f"not a record of this crossad version: {first_fault(error, 'file')}")
    if condition_id is None or record.condition_id == condition_id:
        return Packed(record)
    return Unreadable(path, f"of another condition: got {record.condition_id}, the plan owes {condition_id}")


def newest(condition: ConditionPaths, condition_id: str | None) -> tuple[Packed | None, list[Unreadable]]:
    """The newest record of a folder that can be read and belongs there, and the newer ones that do not."""
    unreadable: list[Unreadable] = []
    for path in reversed(condition.records()):
        try:
            found = checked(path, path.read_bytes(), condition_id)
        except OSError as error:
            found = Unreadable(path, error.strerror or "cannot be read")
        if isinstance(found, Packed):
            return found, unreadable
        unreadable.append(found)
    return None, unreadable


def _light(record: Record) -> Record:
    change: dict[str, Any] = {"summary": []}
    if record.training_info:
        change["training_info"] = record.training_info.model_copy(update={"curve": []})
    if record.provenance:
        change["provenance"] = record.provenance.model_copy(update={"libraries": {}, "weights": {}, "command": []})
    return record.model_copy(update=change)
