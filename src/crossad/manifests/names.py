"""Names that every cluster takes: short, lower-case, and different for different content."""

from __future__ import annotations

import hashlib
import re

from crossad.files import canonical_json

LONGEST = 52  # of a Job: its pods' names add a hyphen and five characters, and 63 is the end
HASH = 10
PART = "\0part"  # no name, label or path holds a zero
_PART_JSON = canonical_json(PART)
_UNSAFE = re.compile(r"[^a-z0-9]+")


def digest(value: object, part: str | None = None) -> str:
    """SHA-256 of a JSON value, in hex.

    Args:
        value: what to hash.
        part: canonical JSON of what stands at `PART` in it: large parts that many values share are spelled once.
    """
    text = canonical_json(value)
    return hashlib.sha256((text if part is None else text.replace(_PART_JSON, part, 1)).encode()).hexdigest()


def object_name(text: str, full: str, *, prefix: str = "") -> str:
    """What is safe of some text, and the first characters of a hash of the whole content.

    Args:
        text: any text, such as a condition's name in any language.
        full: the hash, in hex.
        prefix: kept whole.
    """
    room = LONGEST - HASH - 1 - len(prefix)
    safe = _UNSAFE.sub("-", text.lower()).strip("-")[:room].strip("-")
    return f"{prefix}{safe or 'condition'}-{full[:HASH]}"


def run_hash(run: str) -> str:
    """A run's name as a label's value."""
    return hashlib.sha256(run.encode()).hexdigest()[:HASH]
