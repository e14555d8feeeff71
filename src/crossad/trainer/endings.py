"""What an attempt says and leaves when it does not come to its end."""

from __future__ import annotations

import traceback
from contextlib import suppress

from crossad.errors import CrossadError, InterruptedRun
from crossad.trainer.context import Context
from crossad.trainer.detector import Detector
from crossad.trainer.failures import as_failure
from crossad.trainer.finish import Outcome, finish


def tell_interrupted(context: Context, step: str, error: BaseException) -> None:
    """Say so; state, trainings and evaluations that are finished lie safe already."""
    with suppress(OSError):
        if not isinstance(error, InterruptedRun):
            context.reporter.detail(f"{step}: {type(error).__name__}: {error}")
        context.reporter.fact(f"Interrupted: {context.task.name} at {step}; progress is saved", "WARNING")
        context.reporter.finish("interrupted", InterruptedRun.exit_code)


def record_failed(context: Context, outcome: Outcome, detector: Detector | None, step: str, error: Exception) -> None:
    """Leave a failed record, a ledger entry and a last line, as far as the disk takes them."""
    reporter = context.reporter
    failure = outcome.failure = as_failure(error, step, context.config.model_type)
    try:
        finish(context, outcome, detector)
    except (
        OSError,
        CrossadError,
    ) as fault:  # the first error is the one to tell
        with suppress(OSError):
            reporter.detail(f"its record could not be kept: {fault}")
    with suppress(OSError):
        reporter.fact(
            f"Failed: {context.task.name} at {step}: {failure.message}"
            + (f" | next: {failure.hint}" if failure.hint else ""),
            "ERROR",
        )
        if failure.kind == "crash":
            reporter.detail("".join(traceback.format_exception(error)))
        reporter.finish("failed", failure.exit_code)
