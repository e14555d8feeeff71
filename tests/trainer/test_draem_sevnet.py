"""DRAEM-SevNet: the severity head, its loss, and how it enters the score."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from crossad.conditions.model import DraemSevnetConfig
from crossad.metrics.relations import spearman
from crossad.trainer.detector import Randomness
from crossad.trainer.detectors.draem_sevnet import build
from crossad.trainer.detectors.severity_head import Gate, SeverityHead
from crossad.trainer.faults.bands import add_bands

SMALL = {"base_width": 4, "discriminator_width": 4, "image_size": (64, 64), "in_channels": 1}
GRID = {"severity_head_pooling_type": "spatial_aware"}
MULTI = {"severity_head_mode": "multi_scale"}
PATCHES = {"fault_generator": "patches_v0", "patch_width_range": (8, 16), "patch_ratio_range": (1.0, 2.0)}


def configured(**keys) -> DraemSevnetConfig:
    return DraemSevnetConfig.model_validate({"source_domain": "domain_A"} | SMALL | keys)


def made(**keys):
    torch.manual_seed(0)
    return build(configured(**keys))


def maps(count=4, size=(64, 64), channels=1, seed=0):
    """A ripple along each row and speckle, all positive: the look of an HDMAP."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(count, channels, 1, 1, generator=generator) * 2 * math.pi
    ripple = 1 + 0.4 * torch.cos(torch.arange(size[1]) * 6 * math.pi / size[1] + phase)
    speckle = 1 + 0.25 * torch.randn(count, channels, *size, generator=generator)
    return 0.1 * ripple * speckle.clamp(min=0.1)


def stepped(detector, batches, *, steps, rate=1e-2):
    optimizer = torch.optim.Adam(detector.parameters(), rate)
    detector.train()
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        losses = detector.loss(batches[step % len(batches)], Randomness(1, step))
        losses["loss"].backward()
        optimizer.step()
    return {name: float(value.detach()) for name, value in losses.items()}


def scored(detector, images):
    with torch.inference_mode():
        return detector.eval().score(images)


@pytest.mark.parametrize(
    ("keys", "count"),
    [({}, 73_985), (MULTI, 254_209), (GRID, 861_058), (GRID | MULTI, 3_955_558)],
    ids=["gap single", "gap multi", "grid single", "grid multi"],
)
def test_heads_have_the_published_number_of_parameters(keys, count):
    config = DraemSevnetConfig.model_validate({"source_domain": "domain_A"} | keys)
    with torch.device("meta"):
        detector = build(config)
    assert sum(p.numel() for p in detector.severity.parameters()) == count


@pytest.mark.parametrize("keys", [{}, MULTI, GRID, GRID | MULTI])
def test_every_head_predicts_one_number_an_image_and_learns(keys):
    detector = made(**keys).train()
    losses = detector.loss(maps(), Randomness(1, 0))
    losses["loss"].backward()
    assert set(losses) == {"l2", "ssim", "focal", "severity", "loss"}
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in detector.parameters())
    assert scored(detector, maps()).parts["severity"].shape == (4,)


def test_the_gate_is_a_residual():
    gate, features = Gate(3), torch.rand(2, 3, 4, 4)
    with torch.no_grad():
        gate.attention.weight.zero_()
        gate.attention.bias.fill_(-100.0)
        assert torch.equal(gate(features), features)
        gate.attention.bias.zero_()
        torch.testing.assert_close(gate(features), 1.5 * features)


def test_head_starts_from_zero_biases():
    head = SeverityHead(4, hidden=8, multi_scale=False, grid=None)
    biases = [parameter for name, parameter in head.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert all(not bias.detach().any() for bias in biases)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mse", functional.mse_loss), ("smooth_l1", lambda p, t: functional.smooth_l1_loss(p, t, beta=0.1))],
)
def test_severity_loss_is_on_the_share_of_the_largest_severity(kind, expected):
    detector = made(severity_loss_type=kind, severity_max=5.0, severity_weight=0.7).eval()
    images = maps(8)
    faulted = detector.add_faults(images, Randomness(1, 0))
    assert float(faulted.severity.max()) > 1
    outputs = detector(faulted.images)
    losses = detector.losses(outputs, images, faulted)
    predicted = detector.severity(outputs.activations)
    torch.testing.assert_close(losses["severity"], 0.7 * expected(predicted, faulted.severity / 5))


def with_constant_severity(detector, value):
    last = detector.severity.head[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(value)
    return detector


@pytest.mark.parametrize(
    ("keys", "combine"),
    [
        ({"score_combination": "simple_average"}, lambda m, s: (m + s) / 2),
        ({"score_combination": "weighted_average"}, lambda m, s: (m + s) / 2),
        (
            {"score_combination": "weighted_average", "severity_weight_for_combination": 0.2},
            lambda m, s: 0.8 * m + 0.2 * s,
        ),
        ({"score_combination": "maximum"}, torch.maximum),
    ],
)
@pytest.mark.parametrize("value", [-0.4, 0.5, 3.0])
def test_score_combines_map_and_share_without_a_clamp(keys, combine, value):
    detector = with_constant_severity(made(severity_max=4.0, **keys), value)
    found = scored(detector, maps())
    assert found.parts["severity"].tolist() == [pytest.approx(4 * value)] * 4  # in the unit of severity_max
    torch.testing.assert_close(found.parts["mask"], found.map.amax((1, 2)))
    torch.testing.assert_close(found.image, combine(found.parts["mask"], torch.tensor(value)))


def test_map_reduction_enters_the_mask_part():
    found = scored(made(score_reduction="top1pct_mean"), maps())
    torch.testing.assert_close(found.parts["mask"], found.map.flatten(1).topk(40).values.mean(1))


def test_an_image_is_scored_on_its_own():
    detector, images = made(**(GRID | MULTI)), maps()
    stepped(detector, [images], steps=3)
    together = scored(detector, images)
    alone = [scored(detector, image[None]) for image in images]
    torch.testing.assert_close(together.image, torch.cat([one.image for one in alone]), rtol=0, atol=1e-5)
    assert float(together.parts["severity"].std()) > 1e-6


def test_dropout_is_the_only_draw_beside_the_faults_and_scoring_has_none():
    detector = made(severity_head_hidden_dim=64).train()
    torch.manual_seed(5)
    first = detector.loss(maps(), Randomness(1, 0))
    second = detector.loss(maps(), Randomness(1, 0))
    assert torch.equal(first["focal"], second["focal"])
    assert not torch.equal(first["severity"], second["severity"])
    assert torch.equal(scored(detector, maps()).image, scored(detector, maps()).image)


def test_state_round_trip_is_exact_and_strict():
    trained, fresh = made(**GRID), made(**GRID)
    stepped(trained, [maps()], steps=2)
    state = {name: tensor.clone() for name, tensor in trained.trained_state().items()}
    fresh.load_trained_state(state)
    assert torch.equal(scored(fresh, maps()).image, scored(trained, maps()).image)
    with pytest.raises(KeyError, match="severity"):
        made().load_trained_state(state)


@pytest.mark.parametrize("value", [0.0, 0.2, -1.0])
@pytest.mark.parametrize("generator", [{}, PATCHES], ids=["bands", "patches"])
def test_images_of_one_intensity_give_finite_losses(value, generator):
    losses = made(**generator).train().loss(torch.full((4, 1, 64, 64), value), Randomness(1, 0))
    assert math.isfinite(float(losses["loss"].detach()))


@pytest.mark.parametrize(
    ("base", "changed"),
    [
        ({}, MULTI),
        ({}, GRID),
        (GRID, {"severity_head_spatial_size": 1}),
        (GRID, {"severity_head_use_spatial_attention": False}),
        ({}, {"severity_head_hidden_dim": 64}),
        ({}, {"severity_weight": 1.3}),
        ({}, {"severity_loss_type": "smooth_l1"}),
        ({}, {"severity_max": 2.0}),
        ({}, {"score_combination": "maximum"}),
        ({"score_combination": "weighted_average"}, {"severity_weight_for_combination": 0.3}),
        ({}, {"score_reduction": "top1pct_mean"}),
        ({}, {"anomaly_probability": 0.9}),
        ({}, {"base_width": 8}),
        ({}, {"discriminator_width": 8}),
        ({}, {"in_channels": 3}),
        ({}, {"sspcab": True}),
        ({}, PATCHES),
        (PATCHES, {"patch_width_range": (20, 30)}),
        (PATCHES, {"patch_ratio_range": (2.0, 3.0)}),
        (PATCHES, {"patch_count": 2}),
    ],
    ids=lambda keys: "-".join(keys)[:40] or "default",
)
def test_every_key_changes_the_scores_after_real_steps(base, changed):
    plain, other = made(**base), made(**(base | changed))
    for detector in (plain, other):
        stepped(detector, [maps()], steps=2)
    assert not torch.equal(scored(plain, maps()).image, scored(other, maps()).image)


@pytest.fixture(scope="module")
def trained():
    """Eighty steps at reduced width on 32 x 96 maps: seconds."""
    torch.manual_seed(0)
    size = {"base_width": 8, "discriminator_width": 8, "image_size": (32, 96)}
    detector = build(configured(**size, severity_loss_type="smooth_l1"))
    stepped(detector, [maps(8, (32, 96), seed=step) for step in range(20)], steps=80, rate=3e-3)
    return detector


def test_after_a_few_steps_normals_have_a_low_map(trained):
    assert float(scored(trained, maps(32, (32, 96), seed=999)).map.mean()) < 0.3


def test_after_a_few_steps_predicted_severity_rises_with_the_true_one(trained):
    faulted = add_bands(maps(64, (32, 96), seed=999), Randomness(7, 0), probability=1.0)
    predicted = scored(trained, faulted.images).parts["severity"]
    assert spearman(predicted.double().numpy(), faulted.severity.double().numpy()) > 0.3


def test_after_a_few_steps_faulted_maps_score_higher(trained):
    normals = maps(64, (32, 96), seed=999)
    faulted = add_bands(normals, Randomness(7, 0), probability=1.0)
    clean, broken = scored(trained, normals).image, scored(trained, faulted.images).image
    assert float((broken[:, None] > clean[None]).float().mean()) > 0.7
