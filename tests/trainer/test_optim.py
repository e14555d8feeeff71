"""Optimizers, learning rates at every step, and the state that makes a continuation exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.conditions.model import DinomalyConfig, DraemConfig
from crossad.conditions.suite import parse_config
from crossad.trainer.detector import GradientDetector, Scores
from crossad.trainer.optim import (
    build_optimizer,
    gradient_clip,
    learning_rate,
    load_optimizer_state,
    optimizer_state,
)

# isort: split
from anomalib.models.image.dinomaly.components.optimizer import StableAdamW, WarmCosineScheduler

OPTIMIZERS = ("adam", "adamw", "sgd", "stable_adamw")
PER_EPOCH = 5


class Line(GradientDetector):
    """One matrix, and one that is frozen: enough to see an optimizer."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 4, generator=generator))
        self.bias = nn.Parameter(torch.randn(4, generator=generator))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)

    def loss(self, images, randomness):
        return {"loss": ((images @ self.weight + self.bias) ** 2).mean()}

    def score(self, images):
        return Scores(images.mean(1), images[:, None])

    def trained_state(self):
        return dict(self.state_dict())

    def load_trained_state(self, state):
        self.load_state_dict(dict(state))


def draem(**keys) -> DraemConfig:
    return parse_config({"model_type": "draem", "source_domain": "domain_A", **keys})


def dinomaly(**keys) -> DinomalyConfig:
    return parse_config({"model_type": "dinomaly", "source_domain": "domain_A", **keys})


def rates(config, total, per_epoch=PER_EPOCH):
    return [learning_rate(config, step, total, per_epoch) for step in range(total)]


def cosine(high, low, steps, span):
    return [low + (high - low) * (1 + math.cos(math.pi * min(1, step / span))) / 2 for step in range(steps)]


def walked(optimizer, detector, steps, start=0):
    """Steps whose gradients depend on the step's number only."""
    for step in range(start, start + steps):
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        detector.loss(torch.randn(6, 3, generator=generator), None)["loss"].backward()
        optimizer.step()
    return detector


def test_without_a_schedule_the_rate_is_constant():
    assert rates(draem(learning_rate=3e-4), 23) == [3e-4] * 23


@pytest.mark.parametrize(("total", "warmup"), [(4, 0), (50, 5), (999, 99), (1000, 100), (3000, 100)])
def test_dinomalys_own_schedule_warms_up_and_ends_at_a_tenth(total, warmup):
    found = rates(dinomaly(), total, per_epoch=max(1, total // 4))
    assert found[:warmup] == pytest.approx([2e-3 * (step + 1) / warmup for step in range(warmup)])
    assert found[warmup:] == pytest.approx(cosine(2e-3, 2e-4, total - warmup, total - warmup))
    assert found[0] > 0
    assert max(found) == pytest.approx(2e-3)
    assert found[-1] < 2e-4 + 2e-3 * (total < 10 or 0.01)


def test_dinomalys_own_schedule_is_anomalibs_taken_per_step_after_the_warm_up():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2e-3)
    theirs = WarmCosineScheduler(optimizer, base_value=2e-3, final_value=2e-4, total_iters=400, warmup_iters=40)
    np.testing.assert_allclose(rates(dinomaly(), 400)[40:], theirs.schedule[40:], rtol=1e-12)


def test_a_run_of_three_epochs_already_learns_at_the_full_rate():
    """Stepped once an epoch, as anomalib does, the rate would still be 2 % of what was asked for."""
    assert rates(dinomaly(), 30, per_epoch=10)[10] > 1.5e-3


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_warm_up_steps_are_as_written(warmup):
    config = draem(learning_rate=1e-3, scheduler="warmup_cosine", warmup_steps=warmup)
    expected = [1e-3 * (step + 1) / warmup for step in range(warmup)] + cosine(1e-3, 1e-4, 20 - warmup, 20 - warmup)
    assert rates(config, 20) == pytest.approx(expected)
    assert rates(dinomaly(learning_rate=1e-3, warmup_steps=warmup), 20) == pytest.approx(expected)


def test_a_named_warm_up_has_dinomalys_length_where_none_is_given():
    assert rates(draem(learning_rate=2e-3, scheduler="warmup_cosine"), 60) == pytest.approx(rates(dinomaly(), 60))


def test_a_named_cosine_has_no_warm_up():
    for config in (draem(learning_rate=1e-3, scheduler="cosine"), dinomaly(learning_rate=1e-3, scheduler="cosine")):
        assert rates(config, 20) == pytest.approx(cosine(1e-3, 1e-4, 20, 20))


def test_steps_drop_the_rate_every_so_many_epochs():
    found = rates(draem(learning_rate=1.0, scheduler={"type": "steplr", "step_size": 2, "gamma": 0.5}), 24)
    assert found == [1.0] * 10 + [0.5] * 10 + [0.25] * 4
    assert rates(draem(learning_rate=1.0, scheduler={"type": "steplr", "step_size": 1}), 8)[5:] == pytest.approx(
        [0.1] * 3
    )


def test_steps_after_a_warm_up_are_counted_from_its_end():
    schedule = {"type": "warmup_steplr", "step_size": 1, "gamma": 0.5, "warmup_epochs": 2}
    found = rates(draem(learning_rate=1.0, scheduler=schedule), 22)
    assert found == pytest.approx([(step + 1) / 10 for step in range(10)] + [1.0] * 5 + [0.5] * 5 + [0.25] * 2)


@pytest.mark.parametrize(
    ("schedule", "warmup", "span", "low"),
    [
        ({}, 0, 20, 0.0),
        ({"eta_min": 0.25}, 0, 20, 0.25),
        ({"T_max": 2}, 0, 10, 0.0),
        ({"warmup_epochs": 1}, 5, 15, 0.0),
        ({"T_max": 2, "warmup_epochs": 1, "eta_min": 0.5}, 5, 10, 0.5),
    ],
    ids=["whole training", "eta_min", "T_max", "warm-up", "all"],
)
def test_a_cosine_object_is_as_written(schedule, warmup, span, low):
    found = rates(draem(learning_rate=1.0, scheduler={"type": "cosine", **schedule}), 20)
    expected = [(step + 1) / warmup for step in range(warmup)] + cosine(1.0, low, 20 - warmup, span)
    assert found == pytest.approx(expected)


def test_a_cosine_object_is_torchs_taken_per_step():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    expected = []
    for _ in range(20):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    config = draem(learning_rate=0.3, scheduler={"type": "cosine", "eta_min": 0.01})
    assert rates(config, 20) == pytest.approx(expected, rel=1e-9)


def test_adam_couples_weight_decay_with_the_gradient_and_adamw_does_not():
    config = {"learning_rate": 0.01, "weight_decay": 0.1}
    found = {
        name: walked(build_optimizer(draem(optimizer=name, **config), one), one, 5)
        for name in ("adam", "adamw")
        for one in [Line()]
    }
    for name, reference in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        two = Line()
        walked(reference([two.weight, two.bias], lr=0.01, weight_decay=0.1), two, 5)
        assert torch.equal(found[name].weight, two.weight)
    assert not torch.equal(found["adam"].weight, found["adamw"].weight)
    # with a gradient of zero, coupled decay is normalised away to steps of the rate; decoupled decay shrinks
    shrunk = {}
    for name in ("adam", "adamw"):
        one = Line()
        optimizer = build_optimizer(draem(optimizer=name, **config), one)
        one.weight.grad, one.bias.grad = torch.zeros_like(one.weight), torch.zeros_like(one.bias)
        optimizer.step()
        shrunk[name] = one.weight.detach()
    start = Line().weight.detach()
    torch.testing.assert_close(shrunk["adam"], start - 0.01 * start.sign(), rtol=0, atol=1e-6)
    torch.testing.assert_close(shrunk["adamw"], start * (1 - 0.01 * 0.1))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_absent_weight_decay_is_none(name):
    for config in (draem(optimizer=name), dinomaly(optimizer=name)):
        optimizer = build_optimizer(config, Line())
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_named_optimizer_gets_the_rate_and_the_decay_as_written(name):
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "stable_adamw": StableAdamW}
    optimizer = build_optimizer(draem(optimizer=name, learning_rate=0.03, weight_decay=0.2), Line())
    (group,) = optimizer.param_groups
    assert type(optimizer) is kinds[name]
    assert (group["lr"], group["weight_decay"]) == (0.03, 0.2)
    assert group.get("momentum", 0.9) == 0.9
    assert group.get("amsgrad", False) is (name == "stable_adamw")


def test_dinomaly_has_its_own_optimizer_rate_and_clip_where_none_is_given():
    config = dinomaly()
    optimizer = build_optimizer(config, Line())
    assert type(optimizer) is StableAdamW
    assert optimizer.param_groups[0]["lr"] == 2e-3
    assert gradient_clip(config) == 0.1
    assert build_optimizer(dinomaly(optimizer="adamw"), Line()).param_groups[0]["lr"] == 1e-4
    assert build_optimizer(dinomaly(learning_rate=5e-4), Line()).param_groups[0]["lr"] == 5e-4


def test_other_models_have_no_clip_and_zero_means_none():
    assert gradient_clip(draem()) is None
    assert gradient_clip(draem(gradient_clip_val=0.5)) == 0.5
    assert gradient_clip(dinomaly(gradient_clip_val=0.0)) is None


def test_frozen_parameters_are_left_out():
    optimizer = build_optimizer(draem(), Line())
    assert [parameter.shape for parameter in optimizer.param_groups[0]["params"]] == [(3, 4), (4,)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_continuation_from_saved_state_is_exact(name):
    config = draem(optimizer=name, learning_rate=0.01, weight_decay=0.1)
    whole, first, second = Line(), Line(), Line()
    walked(build_optimizer(config, whole), whole, 9)
    optimizer = build_optimizer(config, first)
    walked(optimizer, first, 4)
    tensors, numbers = optimizer_state(optimizer)
    assert not tensors.keys() & numbers.keys()
    second.load_trained_state(first.trained_state())
    continued = build_optimizer(config, second)
    load_optimizer_state(continued, {key: value.clone() for key, value in tensors.items()}, dict(numbers))
    walked(continued, second, 5, start=4)
    assert torch.equal(second.weight, whole.weight)
    assert torch.equal(second.bias, whole.bias)


@pytest.mark.parametrize("key", ["7/exp_avg", "0/exp_avg"])
def test_state_of_other_parameters_is_refused(key):
    optimizer = build_optimizer(draem(), Line())
    with pytest.raises(ValueError, match=f"{key} is of other parameters"):
        load_optimizer_state(optimizer, {key: torch.zeros(1)}, {})
