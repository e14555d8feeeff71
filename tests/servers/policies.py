"""The policies of docs/store.md, one a role."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs/store.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


def policies(bucket: str = "BUCKET", prefix: str = "PREFIX", data: str = "DATA") -> dict[str, dict[str, Any]]:
    """Role -> its policy, with the names filled in."""
    found = {}
    for section in PAGE.split("\n### ")[1:]:
        role, (text, *_) = section.partition("\n")[0], _BLOCK.findall(section)
        for name, value in (("BUCKET", bucket), ("PREFIX", prefix), ("DATA", data)):
            text = re.sub(rf"\b{name}\b", value, text)
        found[role] = json.loads(text)
    return found


def listed(value: Any) -> list[str]:
    """A policy's element, which is a text where there is only one."""
    return [value] if isinstance(value, str) else list(value)
