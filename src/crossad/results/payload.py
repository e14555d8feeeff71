"""A run's plan in a packed form that travels inside cluster objects: whole in a Job, in shards in ConfigMaps.

Packed is gzip without a time stamp. What a Job carries is a plan of its own conditions alone, without anything that
differs between two who make it (when, by which command), so the Job is a complete experiment and the same for both.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from crossad.errors import ConditionError, DataError, MissingInputError
from crossad.files import canonical_json
from crossad.results.parsing import parsed
from crossad.results.plan import Plan, PlanEntry

UNDATED = "1970-01-01T00:00:00+00:00"  # `created` of a plan that nobody pinned yet: whoever pins it says when
MAX_TEXT = 64 * 1024  # of a packed plan inside a Job (contracts, "Cluster objects")
MAX_UNPACKED = 512 * 2**20
FROM_ENVIRONMENT = "env:"  # --config env:NAME
SHARD = "plan-"  # names of a plan's shards, in order


def carried(plan: Plan, entries: Sequence[PlanEntry]) -> Plan:
    """The part of a plan that some Job carries."""
    overrides = {key: value for entry in entries for key, value in entry.overrides.items()}
    changes = {"created": UNDATED, "command": (), "revision": 1, "overrides": overrides, "conditions": tuple(entries)}
    return plan.model_copy(update=changes)


def plan_json(plan: Plan) -> str:
    """The one text of a plan, whatever the order in which its parts were put together."""
    return canonical_json(plan.model_dump(mode="json"))


def pack(text: str) -> bytes:
    """A plan's text, packed; the same bytes on every machine with the same zlib."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def pack_text(text: str) -> str:
    """A plan's text, packed, as text for an environment variable.

    Raises:
        ConditionError: it is too large to travel inside a Job.
    """
    packed = base64.b64encode(pack(text)).decode()
    if len(packed) > MAX_TEXT:
        raise ConditionError(
            f"a Job's conditions are too large to travel inside it: {len(packed)} bytes packed, allowed {MAX_TEXT}",
            hint="shorten descriptions, or give the conditions that share this training other seeds",
        )
    return packed


def unpack(packed: bytes, where: str) -> Plan:
    """The plan in some packed bytes; `where` is what faults call them.

    Raises:
        DataError: they are damaged, or no plan of this version.
    """
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(packed, MAX_UNPACKED)
        if not unpacker.eof:
            raise DataError(f"not a packed plan: {where}: it ends too early", hint="apply the rendered files again")
    except zlib.error as error:
        raise DataError(f"not a packed plan: {where}: {error}", hint="apply the rendered files again") from error
    return parsed(Plan, text, "plan", where, "use an image of the version that rendered it")


def plan_from_environment(name: str) -> Plan:
    """The plan that a Job carries in an environment variable.

    Raises:
        MissingInputError: there is no such variable.
        DataError: it holds no packed plan.
    """
    text = os.environ.get(name)
    if text is None:
        raise MissingInputError(f"--config {FROM_ENVIRONMENT}{name}: no such environment variable")
    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise DataError(f"not a packed plan: environment variable {name}: {error}") from error
    return unpack(packed, f"environment variable {name}")


def plan_from_shards(folder: Path) -> Plan:
    """The plan whose shards are mounted in a folder.

    Raises:
        MissingInputError: there are none.
        DataError: together they are no packed plan.
    """
    shards = sorted(path for path in folder.glob(f"{SHARD}*") if path.is_file())
    if not shards:
        raise MissingInputError(f"no plan in {folder}: files {SHARD}* are missing")
    return unpack(b"".join(path.read_bytes() for path in shards), str(folder))
