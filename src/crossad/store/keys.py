"""Names of objects: what is a good one, on every store. A key from outside never leaves the store's root."""

from __future__ import annotations

import unicodedata

from crossad.store.faults import KeyRefused

PART_BYTES = 200  # a file name holds 255, and unfinished writes add to it
KEY_BYTES = 900  # S3 holds 1024, the store's own prefix included
UNFINISHED = (".tmp", ".part")  # how names of unfinished writes end, after a leading dot
_BAD_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control signs, lone surrogates, line ends: no listing carries them


def check_key(key: str) -> str:
    """The key itself, where it is one.

    Raises:
        KeyRefused: it is empty, absolute, too long, climbs out, or has signs that a listing cannot carry.
    """
    if not key:
        raise KeyRefused("an empty key", hint="name the object: runs/night1/plan.json")
    if wrong := _wrong(key):
        raise KeyRefused(
            f"key refused: {key[:80]!r}: {wrong}",
            hint='keys are relative, with parts between single "/", such as runs/night1/plan.json',
        )
    return key


def check_prefix(prefix: str) -> str:
    """A prefix of keys: empty, or a key that may end within a part or with "/"."""
    if prefix.rstrip("/"):
        check_key(prefix.removesuffix("/"))
    elif prefix:
        raise KeyRefused(f"prefix refused: {prefix!r}: absolute", hint='leave it out, or name parts: "commits/"')
    return prefix


def unfinished(name: str) -> bool:
    """True for a file name that only writes in progress have."""
    return name.startswith(".") and name.endswith(UNFINISHED)


def _wrong(key: str) -> str | None:
    """What is wrong with a key, or None."""
    if any(unicodedata.category(sign) in _BAD_CATEGORIES for sign in key):
        return "it has control signs"
    if key.startswith("/"):
        return "it is absolute"
    if len(key.encode()) > KEY_BYTES:
        return f"it has {len(key.encode())} bytes, allowed {KEY_BYTES}"
    return next((wrong for part in key.split("/") if (wrong := _wrong_part(part))), None)


def _wrong_part(part: str) -> str | None:
    if part in ("", ".", ".."):
        return f"it has the part {part!r}"
    if len(part.encode()) > PART_BYTES:
        return f"a part has {len(part.encode())} bytes, allowed {PART_BYTES}"
    return f"{part!r} is a name of an unfinished write" if unfinished(part) else None
