"""Where a condition stands, for displays and `status`: one small file, replaced whole, written by its trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from crossad.files import write_atomic

Phase = Literal[
    "starting",
    "loading",
    "fitting",
    "coreset",
    "validating",
    "scoring",
    "saving",
    "done",
    "failed",
    "interrupted",
]


class Progress(BaseModel):
    """One snapshot; times are seconds since the epoch."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    phase: Phase
    done: int = 0
    total: int = 0
    unit: str = ""
    detail: str = ""
    started: float
    updated: float
    eta_seconds: float | None = None
    pid: int
    exit_code: int | None = None
    auroc: dict[str, float | None] = {}


def write_progress(path: Path, progress: Progress) -> None:
    """Replace the snapshot."""
    write_atomic(path, progress.model_dump_json())


def read_progress(path: Path) -> Progress | None:
    """The newest snapshot, or None where there is none (yet) that can be read."""
    try:
        return Progress.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
