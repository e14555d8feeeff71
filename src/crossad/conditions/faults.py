"""What is wrong with a suite file: where, what was found, what is allowed, and the next step."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from crossad.errors import ConditionError

Path = tuple[str | int, ...]
SHOWN = 50
_LONGEST = 120


@dataclass(frozen=True)
class Fault:
    """One fault. `line` and `column` count from 1; None where the fault is not in a file (`--set`)."""

    file: str
    line: int | None
    column: int | None
    path: str
    message: str
    found: str | None = None
    allowed: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        text = f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"
        if self.found is not None:
            text += f"\n    found:   {self.found}"
        if self.allowed is not None:
            text += f"\n    allowed: {self.allowed}"
        if self.hint is not None:
            text += f"\n    hint:    {self.hint}"
        return text

    def facts(self) -> dict[str, Any]:
        """The fault for a machine (`--json`)."""
        return asdict(self)


class SuiteError(ConditionError):
    """A suite file with all its faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Keep the faults apart, and one text of them for people."""
        self.faults = list(faults)
        shown = "\n".join(str(fault) for fault in self.faults[:SHOWN])
        more = len(self.faults) - SHOWN
        if more > 0:
            shown += f"\n... and {more} more faults (all of them: crossad validate --json)"
        count = len(self.faults)
        super().__init__(f"{count} fault{'s' if count != 1 else ''} found\n{shown}")


def spell(path: Path) -> str:
    """A path for people: experiment_conditions[3].config.batch_size."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def show(value: object) -> str:
    """A found value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def near(word: object, words: Iterable[str]) -> str | None:
    """A did-you-mean for a misspelt word, or None."""
    if not isinstance(word, str):
        return None
    spelt = {known.lower(): known for known in words}
    close = difflib.get_close_matches(word.lower()[:80], list(spelt), n=1)
    return f"did you mean {spelt[close[0]]}?" if close else None
