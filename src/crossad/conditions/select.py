"""Which conditions of a suite: "all", "2", "0,5,10", "3-6", names, and any mixture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crossad.conditions.faults import near
from crossad.errors import UsageError

if TYPE_CHECKING:
    from crossad.conditions.suite import Condition

_RANGE = re.compile(r"([0-9]{1,9})\s*-\s*([0-9]{1,9})")
_ID = re.compile(r"[0-9]{1,9}")


def select(conditions: Sequence[Condition], spec: str) -> tuple[Condition, ...]:
    """The conditions that `spec` names, each once, in the suite's order.

    Raises:
        UsageError: Something is named that the suite does not have.
    """
    names = {condition.name: condition.index for condition in conditions}
    if spec.strip() in names:  # a name may hold a comma
        wanted = {names[spec.strip()]}
    else:
        wanted = {index for part in spec.split(",") for index in _indices(part.strip(), names, conditions)}
    return tuple(condition for condition in conditions if condition.index in wanted)


def _indices(part: str, names: dict[str, int], conditions: Sequence[Condition]) -> Iterator[int]:
    if part in names:
        yield names[part]
        return
    known = {condition.index for condition in conditions}
    if part == "all":
        yield from known
        return
    span = _RANGE.fullmatch(part)
    if span is None and not _ID.fullmatch(part):
        raise UsageError(f"no such condition: {part!r}", hint=near(part, names) or _there(conditions))
    first, last = (int(span[1]), int(span[2])) if span else (int(part), int(part))
    if first > last:
        raise UsageError(f"range runs backwards: {part}", hint=f"write {last}-{first}")
    if first not in known or last not in known:
        raise UsageError(f"no such condition: {part}", hint=_there(conditions))
    yield from (index for index in known if first <= index <= last)


def _there(conditions: Sequence[Condition]) -> str:
    indices = [condition.index for condition in conditions]
    examples = ", ".join(f"{condition.index} {condition.name}" for condition in conditions[:3])
    more = ", ..." if len(indices) > 3 else ""
    return f"this suite has ids {min(indices)} to {max(indices)} ({examples}{more})"
