"""What a check of data can find: each finding says where, what, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

SHOWN = 5  # examples in a line for people; JSON has all


@dataclass(frozen=True)
class Finding:
    """One fault (results would be wrong or impossible) or one warning (results need care)."""

    severity: Literal["error", "warning"]
    code: str  # for machines, stable
    where: str  # relative to the root
    message: str  # what was found and, where it helps, what is allowed
    hint: str | None = None
    files: tuple[str, ...] = ()  # relative to the root

    def sentence(self) -> str:
        """For a person, with the first files named."""
        more = f", and {len(self.files) - SHOWN} more" if len(self.files) > SHOWN else ""
        named = f": {', '.join(self.files[:SHOWN])}{more}" if self.files else ""
        return f"{self.severity}: {self.where}: {self.message}{named}"

    def record(self) -> dict[str, Any]:
        """For a machine."""
        return asdict(self)


def error(code: str, where: str, message: str, *, hint: str | None = None, files: Iterable[str] = ()) -> Finding:
    """A fault."""
    return Finding("error", code, where, message, hint, tuple(files))


def warning(code: str, where: str, message: str, *, hint: str | None = None, files: Iterable[str] = ()) -> Finding:
    """A warning."""
    return Finding("warning", code, where, message, hint, tuple(files))


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(values: Sequence[object]) -> str:
    """Values as words, or `nothing`."""
    return ", ".join(map(str, values)) or "nothing"
