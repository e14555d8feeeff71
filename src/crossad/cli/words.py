"""Words of a command line: suite files, and the pairs that follow the first one of `--set a=1 b=2`."""

from __future__ import annotations

from pathlib import Path

from crossad.errors import UsageError


def split_words(words: tuple[str, ...], *, verb: str, many: bool = False) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The suite files and the KEY=VALUE pairs among some words.

    Raises:
        UsageError: No file, or more than one where one is wanted.
    """
    files = tuple(Path(word) for word in words if "=" not in word or Path(word).exists())
    pairs = tuple(word for word in words if Path(word) not in files)
    if not files or (len(files) > 1 and not many):
        raise UsageError(
            f"got {len(files)} suite files, allowed: one{' or more' if many else ''}",
            hint=f"crossad {verb} FILE --set KEY=VALUE ...",
        )
    return files, pairs
