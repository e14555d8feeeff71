"""Plain dicts as YAML: the same text for the same dict, whatever the order of its keys, and fast.

PyYAML takes 20 times as long, even with its C library, and its text changes between versions. What is written here is a
small part of YAML that every reader understands alike: block collections, plain words where nothing else can be meant,
and double-quoted text as JSON writes it for everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

# the order in which people look for things; other keys follow by name
_FIRST = {
    name: index
    for index, name in enumerate(("apiVersion", "kind", "name", "metadata", "namespace", "spec", "image", "command"))
}
_PLAIN = re.compile(r"(?:--)?[A-Za-z/][A-Za-z0-9_./@=-]*(?::[A-Za-z0-9_./@=-]+)*")
_UNPRINTABLE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_MEANT_OTHERWISE = frozenset(
    # what some reader takes for something else than text
    ("y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf", "none")
)


def to_yaml(value: Mapping[str, Any]) -> str:
    """One object as a YAML document."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key in sorted(value, key=_place):
        inner = value[key]
        head = f"{indent}{_text(key)}:"
        if isinstance(inner, Mapping) and inner:
            yield head
            yield from _mapping(inner, indent + "  ")
        elif isinstance(inner, list | tuple) and inner:
            yield head
            yield from _sequence(inner, indent)
        else:
            yield f"{head} {_scalar(inner)}"


def _sequence(value: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    deeper = indent + "  "
    for inner in value:
        if isinstance(inner, Mapping) and inner:
            lines = _mapping(inner, deeper)
        elif isinstance(inner, list | tuple) and inner:
            lines = _sequence(inner, deeper)
        else:
            yield f"{indent}- {_scalar(inner)}"
            continue
        yield f"{indent}- {next(lines)[len(deeper) :]}"
        yield from lines


@lru_cache(maxsize=4096)
def _place(key: str) -> tuple[int, str]:
    return _FIRST.get(key, len(_FIRST)), key


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value) if len(value) < 200 else _quoted(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return json.dumps(value, allow_nan=False)


@lru_cache(maxsize=16384)
def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Double-quoted: JSON's escapes, and those of signs that YAML takes for the end of a line or for no sign at all."""
    return _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text, ensure_ascii=False))
