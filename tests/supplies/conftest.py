"""Tiny weights and textures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., Path]:
    """Writes a weights file; another seed gives other tensors."""

    def make(seed: int = 0, count: int = 1000, name: str = "weights") -> Path:
        path = tmp_path / f"{name}-{seed}.safetensors"
        draw = np.random.default_rng(seed)
        save_file({"a.weight": draw.random(count, dtype=np.float32), "b": np.zeros(3, np.int64)}, path)
        return path

    return make


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    """A folder with images in folders, and files that are none."""
    folder = tmp_path / "dtd"
    for name in ("banded/one.png", "banded/two.PNG", "woven/one.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"bytes of {name}".encode())
    (folder / "README.txt").write_text("not a texture")
    (folder / "banded/.hidden.png").write_text("not one either")
    return folder
