"""Optimizers and learning rates: the rate is a function of the step, the state is tensors and plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from crossad.conditions.fields import StepSchedule, WarmupStepSchedule
from crossad.conditions.model import DinomalyConfig, TrainedConfig
from crossad.trainer.detector import GradientDetector
from crossad.trainer.networks import StableAdamW

MOMENTUM = 0.9
WARMUP_STEPS, WARMUP_SHARE = 100, 0.1
FINAL_SHARE = 0.1  # of the learning rate, at the end of a cosine


def build_optimizer(config: TrainedConfig, detector: GradientDetector) -> torch.optim.Optimizer:
    """The optimizer a condition names: adam couples weight decay with the gradient (L2), the other Adams do not."""
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=MOMENTUM)
        case "stable_adamw":
            optimizer: torch.optim.Optimizer = StableAdamW(parameters, lr=rate, weight_decay=decay, amsgrad=True)
            return optimizer


def learning_rate(config: TrainedConfig, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """The rate of a step, counted from 0; per step, never per epoch."""
    rate, schedule = config.learning_rate, config.scheduler
    if schedule is None:
        if not isinstance(config, DinomalyConfig):
            return rate
        schedule = "warmup_cosine"
    if isinstance(schedule, str):
        warmup = _warmup_steps(config, total_steps) if schedule == "warmup_cosine" else 0
        return _warm(rate, step, warmup) or _cosine(rate, FINAL_SHARE * rate, step - warmup, total_steps - warmup)
    if isinstance(schedule, StepSchedule):
        return rate * schedule.gamma ** (step // (schedule.step_size * steps_per_epoch))
    if isinstance(schedule, WarmupStepSchedule):
        warmup = schedule.warmup_epochs * steps_per_epoch
        drops = max(0, step - warmup) // (schedule.step_size * steps_per_epoch)
        return _warm(rate, step, warmup) or rate * schedule.gamma**drops
    warmup = schedule.warmup_epochs * steps_per_epoch
    span = schedule.T_max * steps_per_epoch if schedule.T_max else total_steps - warmup  # the warm-up comes before it
    return _warm(rate, step, warmup) or _cosine(rate, schedule.eta_min, step - warmup, span)


def _warmup_steps(config: TrainedConfig, total_steps: int) -> int:
    return (
        config.warmup_steps if config.warmup_steps is not None else min(WARMUP_STEPS, int(WARMUP_SHARE * total_steps))
    )


def _warm(rate: float, step: int, warmup: int) -> float | None:
    """Linear from rate / warmup to rate, so that no step learns nothing; None once the warm-up is over."""
    return rate * (step + 1) / warmup if step < warmup else None


def _cosine(high: float, low: float, step: int, span: int) -> float:
    """Half a cosine from high to low over `span` steps, then low."""
    share = min(1.0, step / max(1, span))
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


def gradient_clip(config: TrainedConfig) -> float | None:
    """The largest gradient norm, or None for no clipping."""
    return config.gradient_clip_val or None


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as tensors ("<parameter number>/<name>") and plain numbers (same keys)."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{name}"] = value
            elif value is not None:
                numbers[f"{index}/{name}"] = value
    return tensors, numbers


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> None:
    """The inverse of `optimizer_state`, for an optimizer over the same parameters.

    Raises:
        ValueError: the state belongs to other parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers}.items():
        index, name = key.split("/", 1)
        fits = int(index) < len(parameters) and (
            not isinstance(value, Tensor) or value.ndim == 0 or value.shape == parameters[int(index)].shape
        )
        if not fits:
            raise ValueError(f"optimizer state {key} is of other parameters; here are {len(parameters)}")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
