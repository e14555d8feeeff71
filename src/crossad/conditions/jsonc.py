"""JSON as people write it: comments, trailing commas, a BOM; every value knows its line and column.

Clean strict files take the standard library's parser. The tolerant one runs where that one refuses, or where
a fault needs its place. Any bytes end in a value or in faults: depth and size are bounded, and a key given
twice is a fault.
"""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Iterable
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any

from crossad.conditions.faults import Fault, Path, spell

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64
_BLANK = re.compile(r"(?:[ \t\r\n]++|//[^\n\r]*+|/\*.*?\*/)*+", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_$][\w$]*|[^\s,\]}]{1,20}")
_LITERALS = {"true": True, "false": False, "null": None}
_LONGEST_NUMBER = 400
_DOUBTFUL = re.compile(r"\\u[dD][89a-fA-F]|[0-9]{400}")  # surrogates, numbers without end


class _Syntax(Exception):  # noqa: N818 - never leaves this module
    """Where and why the text stops being JSON."""

    def __init__(self, offset: int, message: str, allowed: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.message, self.allowed, self.hint = offset, message, allowed, hint


class Document:
    """A file's value and the places of its parts."""

    def __init__(self, file: str, text: str) -> None:
        """Parse the text; `faults` says why `value` is None where it cannot be."""
        self.file = file
        self.faults: list[Fault] = []
        self.value: Any = None
        self._text = text
        self._places: dict[Path, tuple[int, int]] | None = None
        self._lines: list[int] | None = None
        try:
            self.value = _strict(text)
        except (ValueError, RecursionError):
            self._tolerant()

    @property
    def readable(self) -> bool:
        """True where the text is JSON."""
        return not self.faults

    def _tolerant(self) -> None:
        parser = _Parser(self._text)
        self._places = parser.places
        try:
            self.value = parser.document()
        except _Syntax as error:
            self._report((), error.offset, error.message, error.allowed, error.hint)
            return
        for path, offset, first in parser.duplicates:
            line, _ = self._line(first)
            self._report(path, offset, "key given twice", None, f"the first is on line {line}; remove one of them")

    def _report(self, path: Path, offset: int, message: str, allowed: str | None, hint: str | None) -> None:
        line, column = self._line(offset)
        self.faults.append(Fault(self.file, line, column, spell(path), message, allowed=allowed, hint=hint))

    def _line(self, offset: int) -> tuple[int, int]:
        if self._lines is None:
            self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self._text))]
        row = bisect.bisect_right(self._lines, offset)
        return row, offset - self._lines[row - 1] + 1

    def locate(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """(line, column) of the value at `path` or of its key; where it is missing, of what is around it."""
        if self._places is None:
            parser = _Parser(self._text)
            self._places = parser.places
            parser.document()
        wanted = path
        while wanted not in self._places:
            wanted = wanted[:-1]
        return self._line(self._places[wanted][0 if of_key and wanted == path else 1])


def read(file: str, data: bytes) -> Document:
    """The document in some bytes; what cannot be read is a document with faults."""
    if len(data) > MAX_BYTES:
        return _refused(file, 1, 1, f"file too large: {len(data)} bytes", f"at most {MAX_BYTES} bytes")
    try:
        return Document(file, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        return _refused(file, before.count(b"\n") + 1, column, "not UTF-8 text", "UTF-8, with or without a BOM")


def _refused(file: str, line: int, column: int, message: str, allowed: str) -> Document:
    document = Document(file, "null")
    document.faults.append(Fault(file, line, column, "", message, allowed=allowed))
    return document


def _strict(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a clean, strict text.

    Raises:
        ValueError: not JSON, or something that only the tolerant parser may judge.
    """
    if _DOUBTFUL.search(text):
        raise ValueError
    value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for outer in level for part in _parts(outer)]
    if level:
        raise ValueError
    return value


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError
    return value


def _refuse(_: str) -> None:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError
    return number


class _Parser:
    """Recursive descent, at most MAX_DEPTH deep; notes the offset of every key and value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[Path, tuple[int, int]] = {}  # path -> offset of its key, of its value
        self.duplicates: list[tuple[Path, int, int]] = []

    def document(self) -> Any:  # noqa: ANN401 - any JSON value
        offset = self._skip(0)
        self.places[()] = (offset, offset)
        value, end = self._value(offset, ())
        end = self._skip(end)
        if end < len(self.text):
            raise _Syntax(end, "text after the end of the document")
        return value

    def _skip(self, offset: int) -> int:
        match = _BLANK.match(self.text, offset)
        end = match.end() if match else offset
        if self.text.startswith("/*", end):
            raise _Syntax(end, "comment is never closed", "*/")
        return end

    def _value(self, offset: int, path: Path) -> tuple[Any, int]:
        if len(path) > MAX_DEPTH:
            raise _Syntax(offset, "nested too deeply", f"at most {MAX_DEPTH} levels")
        first = self.text[offset : offset + 1]
        if first == "{":
            return self._object(offset, path)
        if first == "[":
            return self._array(offset, path)
        if first == '"':
            return self._string(offset)
        if match := _NUMBER.match(self.text, offset):
            return self._number(offset, match), match.end()
        word = _WORD.match(self.text, offset)
        if word and word[0] in _LITERALS:
            return _LITERALS[word[0]], word.end()
        raise _not_a_value(offset, word[0] if word else "")

    def _number(self, offset: int, match: re.Match[str]) -> int | float:
        if len(match[0]) > _LONGEST_NUMBER:
            raise _Syntax(offset, "number too long", f"at most {_LONGEST_NUMBER} digits")
        if match[1] is None and match[2] is None:
            return int(match[0])
        number = float(match[0])
        if math.isinf(number):
            raise _Syntax(offset, "number too large", "a finite number")
        return number

    def _string(self, offset: int) -> tuple[str, int]:
        try:
            value, end = scanstring(self.text, offset + 1, True)
        except JSONDecodeError as error:
            raise _Syntax(error.pos, f"bad text: {error.msg.lower().removesuffix(' at')}") from None
        if any("\ud800" <= sign <= "\udfff" for sign in value):
            raise _Syntax(offset, "bad text: half of a surrogate pair", "complete characters")
        return value, end

    def _array(self, offset: int, path: Path) -> tuple[list[Any], int]:
        items: list[Any] = []
        offset = self._skip(offset + 1)
        while not self.text.startswith("]", offset):
            place = (*path, len(items))
            self.places[place] = (offset, offset)
            value, offset = self._value(offset, place)
            items.append(value)
            offset = self._next(offset, "]")
        return items, offset + 1

    def _object(self, offset: int, path: Path) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        offset = self._skip(offset + 1)
        while not self.text.startswith("}", offset):
            at_key = offset
            if not self.text.startswith('"', offset):
                raise _not_a_key(offset, self.text)
            name, offset = self._string(offset)
            place = (*path, name)
            if name in members:
                self.duplicates.append((place, at_key, self.places[place][0]))
            offset = self._skip(offset)
            if not self.text.startswith(":", offset):
                raise _Syntax(offset, f'no ":" after the key "{name[:40]}"', ":")
            offset = self._skip(offset + 1)
            self.places[place] = (at_key, offset)
            members[name], offset = self._value(offset, place)
            offset = self._next(offset, "}")
        return members, offset + 1

    def _next(self, offset: int, close: str) -> int:
        """Behind the comma, or at the closing bracket; a comma before it is fine."""
        offset = self._skip(offset)
        if self.text.startswith(",", offset):
            return self._skip(offset + 1)
        if not self.text.startswith(close, offset):
            if offset >= len(self.text):
                raise _Syntax(offset, "the file ends too early", f'"," or "{close}"', f'add the missing "{close}"')
            raise _Syntax(
                offset, f"unexpected {self.text[offset]!r}", f'"," or "{close}"', "is a comma missing before?"
            )
        return offset


def _not_a_value(offset: int, word: str) -> _Syntax:
    allowed = "an object, a list, a text in double quotes, a number, true, false or null"
    if not word:
        return _Syntax(offset, "value is missing", allowed)
    hints = {"True": "write true", "False": "write false", "None": "write null", "NaN": "write null"}
    hint = "use double quotes" if word.startswith("'") else hints.get(word)
    return _Syntax(offset, f"not a JSON value: {word[:20]}", allowed, hint)


def _not_a_key(offset: int, text: str) -> _Syntax:
    if offset >= len(text):
        return _Syntax(offset, "the file ends too early", 'a key or "}"', 'add the missing "}"')
    return _Syntax(offset, f"unexpected {text[offset]!r}", "a key in double quotes")
