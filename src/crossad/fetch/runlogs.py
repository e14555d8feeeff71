"""The run's own two logs, from those of its conditions: all lines with their names, in the order of their stamps."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crossad.results.layout import ConditionPaths, RunPaths

AT_ONCE = 200  # files that are open together
Line = tuple[str, str]  # stamp, whole line


def write_logs(paths: RunPaths, conditions: Mapping[str, ConditionPaths]) -> None:
    """Write them from all logs of conditions that are here, of whatever call; memory holds one log at a time."""
    sources = [(name, condition.log) for name, condition in conditions.items() if condition.log.is_file()]
    with tempfile.TemporaryDirectory(dir=paths.root, prefix=".", suffix=".tmp") as folder:
        scratch = Path(folder)
        parts = [_sorted(name, path, scratch / f"{index}.log") for index, (name, path) in enumerate(sources)]
        while len(parts) > 1:
            groups = [parts[begin : begin + AT_ONCE] for begin in range(0, len(parts), AT_ONCE)]
            parts = [_merged(group, scratch / f"{len(parts)}-{index}.log") for index, group in enumerate(groups)]
        details, facts = scratch / "details", scratch / "facts"
        with details.open("w", encoding="utf-8") as all_lines, facts.open("w", encoding="utf-8") as few:
            for part in parts:
                for _, line in _lines(part):
                    all_lines.write(line)
                    if _of_the_run(line.split(" | ", 3)[-1]):
                        few.write(line)
        details.replace(paths.detail_log)
        facts.replace(paths.log)


def _sorted(name: str, path: Path, target: Path) -> Path:
    """One condition's log with its name in every line."""
    lines: list[Line] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        stamp, _, rest = line.partition(" | ")
        level, _, text = rest.partition(" | ")
        if text:
            lines.append((stamp, f"{stamp} | {level} | {name} | {text}\n"))
    target.write_text("".join(line for _, line in sorted(lines, key=lambda pair: pair[0])), encoding="utf-8")
    return target


def _merged(parts: Sequence[Path], target: Path) -> Path:
    with target.open("w", encoding="utf-8") as whole:
        whole.writelines(line for _, line in heapq.merge(*map(_lines, parts), key=lambda pair: pair[0]))
    for part in parts:
        part.unlink()
    return target


def _lines(part: Path) -> Iterator[Line]:
    with part.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            yield line.partition(" | ")[0], line


def _of_the_run(text: str) -> bool:
    """What the run's own log has: starts, ends, failures, and every AUROC line."""
    return "AUROC" in text or text.startswith(("Started:", "Finished:", "Ended:", "Failed:", "Interrupted:"))
