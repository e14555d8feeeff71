"""Plain dicts as YAML: the same text for the same dict, whatever the order of its keys, and fast.

PyYAML takes five times as long, with its C library, and its text changes between versions. What is written here is a
small part of YAML that every reader understands alike: block collections, plain words where nothing else can be meant,
and double-quoted text as JSON writes it for everything else.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

LONG = 200  # characters of a text that is said once: not worth remembering
# the order in which people look for things; other keys follow by name
_FIRST = {
    name: index
    for index, name in enumerate(("apiVersion", "kind", "name", "metadata", "namespace", "spec", "image", "command"))
}
_PLAIN = re.compile(r"(?:--)?[A-Za-z/][A-Za-z0-9_./@=-]*(?::[A-Za-z0-9_./@=-]+)*")
_Known = dict[tuple[int, str, str], tuple[Any, str]]  # (which part, where it stands) -> the part, kept, and its lines
_UNPRINTABLE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_MEANT_OTHERWISE = frozenset(
    # what some reader takes for something else than text
    ("y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf", "none")
)


def to_yaml(value: dict[str, Any]) -> str:
    """One object as a YAML document; dicts, lists, texts, numbers, booleans and None alone."""
    return Writer().text(value)


class Writer:
    """Writes one object after another; a part that an object shares with the one before is written from memory.

    Shared means the very same dict or list, which nobody changed in between: the Jobs of a run have most of a pod in
    common. Memory holds the parts of one object.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._before: _Known = {}
        self._now: _Known = {}

    def text(self, value: dict[str, Any]) -> str:
        """The object as a YAML document."""
        self._before, self._now = self._now, {}
        lines: list[str] = []
        self._mapping(value, "", "", lines)
        lines.append("")
        return "\n".join(lines)

    def _part(self, value: dict[str, Any] | list[Any], first: str, indent: str, lines: list[str]) -> None:
        """`first` stands before the first line where that is an item of a list, `indent` before all others."""
        key = (id(value), first, indent)
        known = self._before.get(key)
        if known is None:
            mine: list[str] = []
            if isinstance(value, dict):
                self._mapping(value, first, indent, mine)
            else:
                self._sequence(value, first, indent, mine)
            known = value, "\n".join(mine)
        self._now[key] = known
        lines.append(known[1])

    def _mapping(self, value: dict[str, Any], first: str, indent: str, lines: list[str]) -> None:
        deeper = indent + "  "
        for key in _ordered(tuple(value)):
            inner = value[key]
            if isinstance(inner, str):
                lines.append(
                    _pair(first, key, inner) if len(inner) < LONG else f"{first}{_text(key)}: {_quoted(inner)}"
                )
            elif inner and isinstance(inner, dict):
                lines.append(f"{first}{_text(key)}:")
                self._part(inner, deeper, deeper, lines)
            elif inner and isinstance(inner, list):
                lines.append(f"{first}{_text(key)}:")
                self._part(inner, indent + "- ", indent, lines)
            else:
                lines.append(f"{first}{_text(key)}: {_scalar(inner)}")
            first = indent

    def _sequence(self, value: list[Any], first: str, indent: str, lines: list[str]) -> None:
        """A hyphen stands before each item, and `first` has that of the first one."""
        for inner in value:
            if inner and isinstance(inner, dict):
                self._part(inner, first, indent + "  ", lines)
            elif inner and isinstance(inner, list):
                self._part(inner, f"{first}- ", indent + "  ", lines)
            else:
                lines.append(first + _scalar(inner))
            first = indent + "- "


@lru_cache(maxsize=4096)
def _ordered(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(keys, key=lambda key: (_FIRST.get(key, len(_FIRST)), key)))


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value) if len(value) < LONG else _quoted(value)
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return json.dumps(value, allow_nan=False)


@lru_cache(maxsize=16384)
def _pair(first: str, key: str, text: str) -> str:
    """A line: most of them are the same in every Job of a run."""
    return f"{first}{_text(key)}: {_text(text)}"


@lru_cache(maxsize=16384)
def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Double-quoted: JSON's escapes, and those of signs that YAML takes for the end of a line or for no sign at all."""
    return _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text, ensure_ascii=False))
