"""Why an attempt ended as it did: from its record where it left one, else from code and last words."""

from __future__ import annotations

import signal
from pathlib import Path

from pydantic import ValidationError

from crossad.errors import InterruptedRun
from crossad.results.layout import ConditionPaths
from crossad.results.record import Failure, Record

_NAMES = {
    64: "usage",
    65: "bad condition or data",
    66: "missing input",
    70: "deterministic failure",
    78: "broken environment",
}
_TAIL_BYTES = 4096


def newest_record(condition: ConditionPaths, condition_id: str, since: float = 0.0) -> Record | None:
    """The newest readable record of this very condition, if written after `since` (epoch seconds)."""
    for path in reversed(condition.records()):
        try:
            if path.stat().st_mtime < since:
                return None
            record = Record.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if record.condition_id == condition_id:
            return record
    return None


def failure_of(record: Record | None, exit_code: int, output: Path) -> Failure:
    """Why it failed and the next step.

    Args:
        record: what this attempt left, if it left one; it knows best.
        exit_code: 128 + N for a death by signal N.
        output: file with what the process printed.
    """
    if record is not None:
        if record.error is not None:
            return record.error
        for domain, result in record.target_results.items():
            if result.error is not None:
                return result.error.model_copy(update={"message": f"target {domain}: {result.error.message}"})
    if exit_code == InterruptedRun.exit_code:
        return Failure(kind="interrupted", message="stopped from outside; progress is saved", exit_code=exit_code)
    words = last_words(output)
    said = f": {words}" if words else ""
    if exit_code == 128 + signal.SIGKILL:
        return Failure(
            kind="killed",
            message=f"killed (SIGKILL), most likely because this machine ran out of memory{said}",
            hint="lower config.batch_size or --jobs; the kernel's log (dmesg) says whether it was memory",
            exit_code=exit_code,
        )
    if exit_code > 128:
        name = _signal_name(exit_code - 128)
        return Failure(kind="crash", message=f"died of {name}{said}", hint=f"see {output}", exit_code=exit_code)
    what = _NAMES.get(exit_code, "crash")
    return Failure(
        kind=what, message=f"{what} (exit code {exit_code}){said}", hint=f"see {output}", exit_code=exit_code
    )


def last_words(output: Path) -> str:
    """The last line that a process printed, without trailing blanks; empty where it printed nothing."""
    try:
        with output.open("rb") as handle:
            handle.seek(max(0, output.stat().st_size - _TAIL_BYTES))
            lines = handle.read().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.split("\r")[-1].strip() for line in reversed(lines) if line.strip()), "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
