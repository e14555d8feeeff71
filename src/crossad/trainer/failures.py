"""From what libraries raise to what a user can act on: one message, one key to change, one exit code."""

from __future__ import annotations

import errno
import re

import torch
from safetensors import SafetensorError

from crossad.errors import CrossadError, DeterministicError, EnvironmentFault
from crossad.results.record import Failure

SMALLER = "lower config.batch_size (half of it is a good next try) or config.image_size"
SMALLER_BANK = (
    "lower config.coreset_sampling_ratio (a smaller bank) or set config.limit_images;"
    " a lower config.batch_size changes no number"
)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED", re.IGNORECASE)
_OS_ERROR = re.compile(r"os error (\d+)")  # how safetensors words what the system said


def translate(error: BaseException, model_type: str = "") -> CrossadError | None:
    """The crossad error that stands for a third party's, or None where nobody foresaw it (that is a crash)."""
    if isinstance(error, CrossadError):
        return error
    if _is_memory(error):
        where = "the GPU" if isinstance(error, torch.OutOfMemoryError) or "CU" in str(error) else "this machine"
        hint = SMALLER_BANK if model_type == "patchcore" else SMALLER
        return DeterministicError(f"{where} ran out of memory: {_first_line(error)}", hint=hint)
    number = _errno(error)
    what = getattr(error, "filename", None) or "writing results"
    if number in _FULL:
        return EnvironmentFault(
            f"the disk is full: {what}",
            hint="free space or choose another --results-dir; the same command continues from the last checkpoint",
        )
    if number in _FORBIDDEN:
        return EnvironmentFault(
            f"no permission: {what}: {_first_line(error)}", hint="choose another --results-dir, or change its owner"
        )
    return None


def _is_memory(error: BaseException) -> bool:
    """Refused allocations; a process that the system kills for its memory never gets here (it ends with 137)."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    if isinstance(error, SafetensorError) and (said := _OS_ERROR.search(str(error))):
        return int(said[1])
    return None


def as_failure(error: BaseException, step: str | None = None, model_type: str = "") -> Failure:
    """An error as the record keeps it."""
    known = translate(error, model_type)
    if known is None:
        return Failure(
            kind="crash",
            message=f"{type(error).__name__}: {_first_line(error)}",
            hint="this is a fault of crossad: report it with training_detail.log",
            exit_code=1,
            step=step,
        )
    return Failure(
        kind=type(known).__name__,
        message=known.message,
        hint=known.hint,
        exit_code=known.exit_code,
        step=step,
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
