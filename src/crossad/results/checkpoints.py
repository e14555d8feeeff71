"""Resumable states in a bucket: found by training, newest first, and used only if they are what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from crossad.results.home import Home, Kept
from crossad.store.faults import ObjectMissing

PREFIX = "checkpoints"


class Checkpoint(BaseModel):
    """Points at the newest state that one attempt sent (`checkpoints/<work>/<attempt>.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    key: str  # of the training and of its very images
    step: int
    checkpoint: Kept
    attempt: str
    parents: tuple[str, ...] = ()  # attempts that it continued, the earliest first
    logs: dict[str, tuple[Kept, ...]] = {}  # log -> chunks until then, those of the parents first


def pointer_key(work: str, attempt: str) -> str:
    """Where an attempt's pointer lies."""
    return f"{PREFIX}/{work}/{attempt}.json"


def newest_checkpoint(home: Home, work: str, key: str, state: Path, step: int) -> Checkpoint | None:
    """Bring the newest good state of a training.

    Args:
        home: where runs live.
        work: the training, with its data lock.
        key: what the state must be of.
        state: where its bytes go.
        step: states up to this one are of no use.

    Returns:
        What was brought; None where nothing newer is good.
    """
    found = [one for entry in home.state.list(f"{PREFIX}/{work}/") if (one := _read(home, entry.key)) is not None]
    useful = [one for one in found if one.key == key and one.step > step]
    for one in sorted(useful, key=lambda one: (one.step, one.attempt), reverse=True):
        if home.bring(one.checkpoint, state) is not None:  # damaged, or pruned meanwhile: the next best
            return one
    return None


def _read(home: Home, name: str) -> Checkpoint | None:
    """A pointer, or None where it was removed meanwhile or is of another version."""
    try:
        return Checkpoint.model_validate_json(home.state.get(name))
    except (ObjectMissing, ValidationError):
        return None
