"""Finds literal secrets in a suite: they would travel into plans, records, reports and logs."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from functools import lru_cache

from crossad.conditions.faults import Path
from crossad.conditions.model import MODELS

_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|api_?key|access_?key|private_?key|^aws_|authorization",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\b(ghp|gho|ghs|github_pat|hf|glpat|xox[abp])[_-][A-Za-z0-9_-]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@"
)
_WORD40 = re.compile(r"(?<![A-Za-z0-9/+=_.-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_.-])")
_SHORTEST = 16
_OURS = frozenset(name for model in MODELS.values() for name in model.model_fields)


def secrets(value: object, references: Container[str] = ()) -> Iterator[tuple[Path, str]]:
    """(path, why) of everything in a JSON value that looks like a literal secret.

    Args:
        value: what is looked through.
        references: keys that name a secret kept elsewhere; only the look of their texts counts.
    """
    waiting: list[tuple[Path, object]] = [((), value)]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, dict):
            for name, inner in part.items():
                if _secret_name(name) and name not in references and isinstance(inner, str | int | float | list):
                    yield (*path, name), "this key holds a secret"
                elif isinstance(inner, dict | list | str):
                    waiting.append(((*path, name), inner))
        elif isinstance(part, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(part))
        elif isinstance(part, str) and len(part) >= _SHORTEST and _secret_value(part):
            yield path, "this text looks like a secret key"


@lru_cache(maxsize=4096)
def _secret_name(name: str) -> bool:
    return name not in _OURS and _KEY.search(name) is not None


def _secret_value(text: str) -> bool:
    if _VALUE.search(text):
        return True
    return any(
        any(sign.isupper() for sign in word) and any(sign.islower() for sign in word) and re.search(r"\d", word)
        for word in _WORD40.findall(text)
    )
