"""Weights and resumable state on disk: safetensors with a JSON header, written whole; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crossad.errors import DataError
from crossad.files import sync_folder

HEADER = "crossad"


def state_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes: equal weights have equal hashes, whatever file holds them."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_state(path: Path, state: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header as one file: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # clones, because safetensors refuses tensors that share storage (tied weights, views of one buffer)
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
        save_file(tensors, aside, metadata={HEADER: json.dumps(dict(header), allow_nan=False)})
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote.

    Raises:
        DataError: the file is cut short or not crossad's.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {})[HEADER])
            return {name: handle.get_tensor(name) for name in handle.keys()}, header  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"not a crossad checkpoint: {path}: {error}", hint="delete it; training starts anew") from error


def saved_step(path: Path, key: str) -> int:
    """The step of a fit's state file; -1 where there is none of this work that can be read."""
    try:
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {})[HEADER])
            return int(header["standing"]["step"]) if header["key"] == key else -1
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return -1


def check_same(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Make sure that a state fits a model exactly.

    Raises:
        KeyError: a tensor is missing, extra, or of another shape.
    """
    wrong = {*own} ^ {*given} | {name for name in {*own} & {*given} if own[name].shape != given[name].shape}
    if wrong:
        raise KeyError(f"{len(wrong)} tensors do not match, among them {', '.join(sorted(wrong)[:3])}")


def nested(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with `prefix/` before each name, so that several states fit in one file."""
    return {f"{prefix}/{name}": tensor for name, tensor in state.items()}


def unnested(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `nested`."""
    start = f"{prefix}/"
    return {name[len(start) :]: tensor for name, tensor in state.items() if name.startswith(start)}
