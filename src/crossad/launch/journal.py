"""The run's own two logs and its links: the guide's `tail`, `grep` and `ls` lines work one level up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from crossad.launch.words import clock, describe
from crossad.results.layout import ConditionPaths, RunPaths, slug
from crossad.results.progress import Progress, read_progress

MARKER = "AUROC"
PROGRESS_SECONDS = 10.0
Echo = Callable[[str], None]


class Tail:
    """Complete lines appended to a file since the last look; a replaced file is read from its start."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        """Start at the file's present end, because what an earlier attempt wrote was read then."""
        self.path = path
        self._file, self._offset = self._stat()
        if from_start:
            self._offset = 0

    def _stat(self) -> tuple[int | None, int]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None, 0
        return stat.st_ino, stat.st_size

    def lines(self) -> list[str]:
        """New lines without their ends; an unfinished one waits for the next look."""
        file, size = self._stat()
        if file != self._file or size < self._offset:
            self._file, self._offset = file, 0
        if file is None or size == self._offset:
            return []
        with self.path.open("rb") as handle:
            handle.seek(self._offset)
            text = handle.read(size - self._offset)
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", "replace").splitlines()


class Journal:
    """Appends to `multi_domain_<run>.log` and `training_detail.log` and keeps `tensorboard_logs/` linked."""

    def __init__(self, paths: RunPaths, echo: Echo) -> None:
        """Name the run; files appear with their first line. Facts are also told to `echo`."""
        self._paths = paths
        self._echo = echo
        self._tails: dict[str, Tail] = {}
        self._told: dict[str, tuple[str, float]] = {}  # condition -> phase and time of its last progress line

    def fact(self, name: str, text: str, level: str = "INFO") -> None:
        """A line about a condition (or the run), in both logs and on the screen."""
        line = f"{_now()} | {level} | {name} | {text}\n"
        for path in (self._paths.log, self._paths.detail_log):
            _append(path, line)
        self._echo(f"{name} | {text}")

    def progress(self, name: str, seen: Progress) -> None:
        """A line of progress in the detail log: each phase once, then every ten seconds."""
        phase, at = self._told.get(name, ("", 0.0))
        if seen.phase == phase and time.monotonic() - at < PROGRESS_SECONDS:
            return
        self._told[name] = (seen.phase, time.monotonic())
        eta = f", ETA {clock(seen.eta_seconds)}" if seen.eta_seconds is not None else ""
        _append(self._paths.detail_log, f"{_now()} | INFO | {name} | {describe(seen)}{eta}\n")

    def watch(self, condition: ConditionPaths) -> None:
        """Forward this condition's AUROC lines from now on."""
        self._tails[condition.name] = Tail(condition.log)

    def forward(self, condition: ConditionPaths) -> None:
        """Pass on new AUROC lines of a watched condition, its standing, and its new records."""
        for line in self._tails[condition.name].lines():
            if MARKER in line:
                self.fact(condition.name, line.split(" | ", 2)[-1])
        seen = read_progress(condition.progress)
        if seen is not None:
            self.progress(condition.name, seen)
        self.link(condition)

    def link(self, condition: ConditionPaths) -> None:
        """Link a condition's event files and records into the run's `tensorboard_logs/`."""
        name = slug(condition.name)
        if condition.tensorboard.is_dir():
            link(self._paths.tensorboard / name, condition.tensorboard)
        for record in condition.records():
            stamp = record.stem.removeprefix("result_")
            link(self._paths.tensorboard / f"result_{name}_{stamp}.json", record)


def link(at: Path, target: Path) -> None:
    """A symbolic link at `at`, relative, so that a moved results folder keeps its links."""
    wanted = os.path.relpath(target, at.parent)
    if at.is_symlink() and str(at.readlink()) == wanted:
        return
    at.parent.mkdir(parents=True, exist_ok=True)
    aside = at.with_name(f".{at.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(wanted)
    aside.replace(at)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(line)
