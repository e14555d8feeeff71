"""What a condition tells while it runs: the two logs of the guide, TensorBoard, and the progress file for displays."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from crossad.results.layout import ConditionPaths
from crossad.results.progress import Phase, Progress, write_progress

PROGRESS_SECONDS = 1.0


class Reporter:
    """One condition's voice; use it as a context manager."""

    def __init__(self, paths: ConditionPaths, *, now: Callable[[], float] = time.time, echo: bool = True) -> None:
        """Open the logs for appending, so that a continued attempt keeps the earlier lines."""
        paths.tensorboard.mkdir(parents=True, exist_ok=True)
        self._paths = paths
        self._now = now
        self._echo = echo
        self._facts: IO[str] = paths.log.open("a", encoding="utf-8", buffering=1)
        self._details: IO[str] = paths.detail_log.open("a", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(str(paths.tensorboard), flush_secs=10)
        self._bar: tqdm[Any] | None = None
        self._started = self._phase_started = now()
        self._written = 0.0
        self._phase: Phase = "starting"
        self._done = self._total = 0
        self._unit = self._detail = ""
        self.auroc: dict[str, float | None] = {}
        self._handler = logging.StreamHandler(self._details)  # libraries' own messages belong in the detail log
        self._handler.setFormatter(logging.Formatter("%(asctime)s | %(levelname)s | %(name)s | %(message)s"))
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(capture=True)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()
        logging.captureWarnings(capture=False)
        logging.getLogger().removeHandler(self._handler)
        for stream in (self._board, self._facts, self._details):
            with contextlib.suppress(OSError):  # on a full disk the last lines are lost, never the reason
                stream.close()

    def fact(self, line: str, level: str = "INFO") -> None:
        """One line for people and grep, in both logs and on the screen."""
        if self._echo:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the program's talk
        stamped = f"{datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')} | {level} | {' '.join(line.split())}"
        self._facts.write(f"{stamped}\n")
        self.detail(stamped)

    def detail(self, line: str) -> None:
        """One line for the detail log only."""
        self._details.write(f"{line}\n")

    def scalar(self, name: str, value: float | None, step: int) -> None:
        """A point of a TensorBoard curve; an undefined value leaves a hole, not a zero."""
        if value is not None:
            self._board.add_scalar(name, value, step)

    def hyperparameters(self, config: dict[str, Any], metrics: dict[str, float]) -> None:
        """The table of TensorBoard's HPARAMS tab."""
        plain = {
            key: value if isinstance(value, int | float | str | bool) else str(value) for key, value in config.items()
        }
        self._board.add_hparams(plain, metrics, run_name=".")
        self._board.flush()

    def phase(self, phase: Phase, total: int = 0, unit: str = "", detail: str = "") -> None:
        """Begin a phase of `total` units; a bar appears in the detail log."""
        self._close_bar()
        self._phase, self._done, self._total, self._unit, self._detail = phase, 0, total, unit, detail
        self._phase_started = self._now()
        if total:
            label = f"{phase} {detail}".strip()
            self._bar = tqdm(
                total=total, unit=unit or "it", desc=label, file=self._details, mininterval=2.0, ascii=True
            )
        self._snapshot(force=True)

    def advance(self, count: int = 1, **values: float) -> None:
        """Count units done; `values` (a loss, a rate) show beside the bar."""
        self._done += count
        if self._bar is not None:
            if values:
                self._bar.set_postfix(values, refresh=False)
            self._bar.update(count)
        self._snapshot()

    def stage(self, name: str, count: int, total: int) -> None:
        """Count units of a named piece of loading, which begins with its first ones."""
        if (self._phase, self._detail) != ("loading", name):
            self.phase("loading", total, detail=name)
        self.advance(count)

    def finish(self, phase: Phase, exit_code: int) -> None:
        """The last snapshot."""
        self._close_bar()
        self._phase = phase
        self._snapshot(force=True, exit_code=exit_code)

    def freeze(self) -> None:
        """Close the event file: what is listed in a manifest must not grow any more."""
        self._close_bar()
        self._board.close()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _snapshot(self, *, force: bool = False, exit_code: int | None = None) -> None:
        now = self._now()
        if not force and now - self._written < PROGRESS_SECONDS:
            return
        self._written = now
        spent = now - self._phase_started
        eta = spent / self._done * (self._total - self._done) if self._done and self._total else None
        write_progress(
            self._paths.progress,
            Progress(
                phase=self._phase,
                done=self._done,
                total=self._total,
                unit=self._unit,
                detail=self._detail,
                started=self._started,
                updated=now,
                eta_seconds=eta,
                pid=os.getpid(),
                exit_code=exit_code,
                auroc=self.auroc,
            ),
        )
