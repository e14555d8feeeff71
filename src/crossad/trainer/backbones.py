"""Frozen networks with pretrained weights, without a network connection.

timm never downloads here: models are built empty and filled by us from the file that `crossad.assets.locate`
finds, so missing weights are an error that names every place looked at, before any training starts.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from crossad.assets import Found, Package, cache_folder, hash_tensors, locate, pinned
from crossad.conditions.common import CommonConfig
from crossad.conditions.plan import wanted_weights
from crossad.errors import DataError
from crossad.files import sha256_file, write_atomic
from crossad.trainer.checkpoint import state_hash
from crossad.trainer.detector import Backbone

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ensure_weights(config: CommonConfig, weights_dir: Path | None) -> None:
    """Fail now rather than after hours if a condition's weights are missing; builds no model.

    Raises:
        MissingInputError: they are nowhere.
    """
    if (name := wanted_weights(config)) is not None:
        locate(name, weights_dir)


def load_pretrained(name: str, weights_dir: Path | None) -> tuple[dict[str, Tensor], Backbone]:
    """The pretrained tensors of a timm model under timm's names, and where they came from.

    Raises:
        MissingInputError: they are nowhere.
        DataError: the file is damaged, or not the one that was pinned when it was fetched.
    """
    found = locate(name, weights_dir)
    state = read_weights(name, found)
    sha256 = state_hash(state)
    pins = pinned(weights_dir) if weights_dir is not None and found.path.is_relative_to(weights_dir) else {}
    if pins.get(name, sha256) != sha256:
        raise DataError(
            f"weights changed since they were fetched: {found.path}: hash {sha256}, pinned {pins[name]}",
            hint=f"crossad assets verify --weights {weights_dir}",
        )
    return state, Backbone(name, sha256, found.source)


def read_weights(name: str, found: Found) -> dict[str, Tensor]:
    """All tensors of a weights file; a package's own format is converted, and the result kept in the cache.

    Raises:
        DataError: the file is damaged.
    """
    if found.package is None:
        try:
            return load_file(found.path)
        except SafetensorError as error:
            raise DataError(
                f"not a whole safetensors file: {found.path}: {error}", hint=f"fetch {name} anew"
            ) from error
    cached = cache_folder() / f"{name}-{found.package.sha256[:16]}.safetensors"
    with contextlib.suppress(OSError, DataError):  # absent or damaged: made again below
        if hash_tensors(cached) == found.package.sha256:
            return load_file(cached)
    state = _convert(name, found.path, found.package)
    with contextlib.suppress(OSError):  # a read-only home costs half a second each time, nothing else
        write_atomic(cached, save(state))
    return state


def convert_package(name: str, found: Found, target: Path) -> None:
    """Write a package's weights as a safetensors file under timm's names, whole or not at all."""
    write_atomic(target, save(read_weights(name, found)))


def _convert(name: str, path: Path, package: Package) -> dict[str, Tensor]:
    """The package's tensors under timm's names: the same ones in the same order, so the position tells."""
    hint = f"install {package.distribution} anew"
    if sha256_file(path) != package.file_sha256:
        raise DataError(f"not the file that crossad knows: {path}", hint=hint)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    with torch.random.fork_rng(devices=[]):  # the model is built for its names only
        names = timm.create_model(name, pretrained=False).state_dict()
    renamed = dict(zip(names, (tensor.contiguous() for tensor in state.values()), strict=True))
    if state_hash(renamed) != package.sha256:
        raise DataError(f"the conversion of {path} to timm's {name} gave other weights", hint=hint)
    return renamed


def create(
    name: str,
    *,
    pre_trained: bool,
    weights_dir: Path | None,
    **arguments: Any,  # noqa: ANN401 - timm's own keyword arguments
) -> tuple[nn.Module, Backbone]:
    """A frozen timm model in eval mode: pretrained, or drawn from torch's global generator.

    Args:
        name: timm's name of the model.
        pre_trained: False draws the weights.
        weights_dir: Where `crossad assets fetch` put weights; looked at first.
        arguments: Passed on to timm.create_model.

    Raises:
        MissingInputError: the weights are nowhere.
        DataError: the file is damaged or of another model.
    """
    state, known = load_pretrained(name, weights_dir) if pre_trained else (None, Backbone(name, None, "random"))
    model: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    if state is not None:
        fill(model, state, f"{name} from {known.source}")
    return model.eval().requires_grad_(requires_grad=False), known


def fill(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights into a model, strictly for every tensor it has (a classifier it lacks is left out).

    Raises:
        DataError: the weights are another model's.
    """
    module = sys.modules[type(model).__module__]
    own = model.state_dict()
    if not own.keys() <= state.keys() and hasattr(module, "checkpoint_filter_fn"):
        state = module.checkpoint_filter_fn(dict(state), model)  # e.g. DINOv2's original names
    state = _with_positions(model, state)
    missing = sorted(own.keys() - state.keys())
    reshaped = sorted(name for name in own.keys() & state.keys() if own[name].shape != state[name].shape)
    if missing or reshaped:
        raise DataError(
            f"not the weights of {what}: missing {missing[:3]}, of another shape {reshaped[:3]}",
            hint="fetch them anew: crossad assets list",
        )
    model.load_state_dict({name: state[name] for name in own})


def _with_positions(model: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A ViT's position embedding (1, tokens, D), resampled to the model's input size.

    Bicubic without antialias, as anomalib resamples it; timm's own default, which anomalib overrides for the
    whole process, gives other features and so other scores.
    """
    own, given = getattr(model, "pos_embed", None), state.get("pos_embed")
    if own is None or given is None or own.shape == given.shape:
        return state
    resampled = resample_abs_pos_embed(
        given,
        new_size=list(model.patch_embed.grid_size),  # type: ignore[union-attr, arg-type]
        num_prefix_tokens=0 if model.no_embed_class else model.num_prefix_tokens,
        interpolation="bicubic",
        antialias=False,
    )
    return {**state, "pos_embed": resampled}


def input_statistics(name: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation the weights were trained with, each (1, 3, 1, 1), on a [0, 1] scale."""
    known = timm.get_pretrained_cfg(name)
    mean, std = (known.mean, known.std) if known else (IMAGENET_MEAN, IMAGENET_STD)
    return torch.tensor(mean).view(1, 3, 1, 1), torch.tensor(std).view(1, 3, 1, 1)
