"""From what libraries raise to what a user can act on: one message, one key to change, one exit code."""

from __future__ import annotations

import errno

import torch

from crossad.errors import CrossadError, DeterministicError, EnvironmentFault
from crossad.results.record import Failure

SMALLER = "lower config.batch_size (half of it is a good next try), or use a GPU with more memory"


def translate(error: BaseException) -> CrossadError | None:
    """The crossad error that stands for a third party's, or None where nobody foresaw it (that is a crash)."""
    if isinstance(error, CrossadError):
        return error
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return DeterministicError(f"the GPU ran out of memory: {_first_line(error)}", hint=SMALLER)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error) and "memory" in str(error)
    ):
        return CrossadError(
            f"this machine ran out of memory: {_first_line(error)}",
            hint="lower config.batch_size, config.limit_images or, for PatchCore, config.coreset_sampling_ratio",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFault(
            f"the disk is full: {error.filename or 'writing results'}",
            hint="free space or choose another --results-dir; the same command continues from the last checkpoint",
        )
    return None


def as_failure(error: BaseException, step: str | None = None) -> Failure:
    """An error as the record keeps it."""
    known = translate(error)
    if known is None:
        return Failure(kind="crash", message=f"{type(error).__name__}: {_first_line(error)}", exit_code=1, step=step)
    return Failure(
        kind=type(known).__name__,
        message=known.message,
        hint=known.hint,
        exit_code=known.exit_code,
        step=step,
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
