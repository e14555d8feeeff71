"""Weights and state on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossad.errors import DataError
from crossad.trainer.checkpoint import load_state, nested, save_state, state_hash, unnested


def _state() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0)
    return {"a": shared.view(2, 3), "b": shared, "count": torch.tensor(3), "empty": torch.zeros(0)}


def test_tensors_and_header_come_back_as_they_were(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", _state(), {"step": 7})
    state, header = load_state(tmp_path / "state.safetensors")
    assert header == {"step": 7}
    assert all(torch.equal(state[name], tensor) for name, tensor in _state().items())
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_cut_file_is_named_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, _state(), {})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"state\.safetensors"):
        load_state(path)


def test_the_hash_sees_values_names_and_types_but_not_the_file() -> None:
    state = _state()
    assert state_hash(state) == state_hash(dict(reversed(state.items())))
    assert state_hash(state) != state_hash({**state, "b": state["b"] + 1})
    assert state_hash(state) != state_hash({**state, "b": state["b"].double()})
    assert state_hash({"x": state["b"]}) != state_hash({"y": state["b"]})


def test_several_states_share_a_file_without_mixing() -> None:
    joined = nested("model", {"w": torch.ones(1)}) | nested("best", {"w": torch.zeros(1)})
    assert torch.equal(unnested("model", joined)["w"], torch.ones(1))
    assert torch.equal(unnested("best", joined)["w"], torch.zeros(1))
