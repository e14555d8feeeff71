"""DRAEM: anomalib's networks and scores, our faults and losses."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from crossad.conditions.model import DraemConfig
from crossad.errors import ConditionError, MissingInputError
from crossad.trainer.detector import Randomness
from crossad.trainer.detectors import draem
from crossad.trainer.detectors.draem import build, reduce_map

# isort: split
from anomalib.models.image.draem.torch_model import DraemModel
from kornia.losses import FocalLoss

SMALL = {"base_width": 4, "discriminator_width": 4, "image_size": (32, 64), "in_channels": 1}


def configured(**keys) -> DraemConfig:
    return DraemConfig.model_validate({"source_domain": "domain_A"} | SMALL | keys)


def made(**keys):
    torch.manual_seed(0)
    return build(configured(**keys))


def maps(count=6, size=(32, 64), channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, *size, generator=generator).pow(2) * 0.3 + 0.02


def stepped(detector, images, *, steps, rate=1e-2):
    """Train some steps, as the trainer's loop does; returns the last losses."""
    optimizer = torch.optim.Adam(detector.parameters(), rate)
    detector.train()
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        losses = detector.loss(images[step % len(images)], Randomness(1, step))
        losses["loss"].backward()
        optimizer.step()
    return {name: float(value.detach()) for name, value in losses.items()}


def scored(detector, images):
    with torch.inference_mode():
        return detector.eval().score(images)


def test_full_size_networks_have_97_million_parameters():
    with torch.device("meta"):
        detector = build(DraemConfig(source_domain="domain_A"))
    reconstruct, discriminate = (
        sum(p.numel() for p in part.parameters()) for part in (detector.reconstruct, detector.discriminate)
    )
    assert round(reconstruct / 1e6, 2) == 69.05
    assert round(discriminate / 1e6, 2) == 28.37
    assert reconstruct + discriminate == sum(p.numel() for p in detector.parameters())


def test_scores_equal_anomalibs_at_full_size():
    torch.manual_seed(0)
    reference = DraemModel().train()
    images = torch.rand(3, 3, 32, 64)
    with torch.no_grad():
        for _ in range(3):
            reference(images)  # moves BatchNorm's statistics away from their start
        expected = reference.eval()(images)
    with torch.device("meta"):
        detector = build(DraemConfig(source_domain="domain_A"))
    renamed = {
        name.replace("reconstructive_subnetwork", "reconstruct").replace(
            "discriminative_subnetwork", "discriminate"
        ): tensor
        for name, tensor in reference.state_dict().items()
    }
    detector.load_state_dict(renamed, assign=True)
    found = scored(detector, images)
    torch.testing.assert_close(found.map, expected.anomaly_map, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.image, expected.pred_score, rtol=0, atol=1e-6)


def test_losses_are_finite_weighted_and_summed():
    losses = made().train().loss(maps(), Randomness(1, 0))
    assert set(losses) == {"l2", "ssim", "focal", "loss"}
    assert float(losses["loss"].detach()) == pytest.approx(
        sum(float(value.detach()) for name, value in losses.items() if name != "loss")
    )


def test_the_reconstruction_is_taught_the_clean_image():
    detector = made(anomaly_probability=1.0).train()
    images = maps()
    outputs = detector(images)
    faulted = detector.add_faults(images, Randomness(1, 0))
    perfect = outputs._replace(reconstruction=images)
    assert float(detector.losses(perfect, images, faulted)["l2"]) == 0
    assert float(detector.losses(perfect, images, faulted)["ssim"].detach()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.05, 5.0, -1.0])
def test_images_of_one_intensity_give_finite_losses_and_gradients(value):
    detector = made().train()
    losses = detector.loss(torch.full((4, 1, 32, 64), value), Randomness(1, 0))
    losses["loss"].backward()
    assert math.isfinite(float(losses["loss"].detach()))
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())


def test_networks_see_the_pixels_as_they_are():
    """No statistics of ImageNet, no clamp: they collapse this model, or give its faults away."""
    detector, images, seen = made().eval(), maps() * 10 - 1, []
    detector.reconstruct.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    scored(detector, images)
    assert torch.equal(seen[0], images)


def test_grey_is_repeated_and_colour_averaged():
    grey, colour = maps(), maps(channels=3)
    three, one = made(in_channels=3), made()
    assert torch.equal(scored(three, grey).map, scored(three, grey.expand(-1, 3, -1, -1)).map)
    assert torch.equal(scored(one, colour).map, scored(one, colour.mean(1, keepdim=True)).map)


def test_faults_come_before_channels_are_repeated():
    detector, seen = made(in_channels=3, anomaly_probability=1.0).train(), []
    detector.reconstruct.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    detector.loss(maps(), Randomness(1, 0))
    assert torch.equal(seen[0][:, 0], seen[0][:, 2])


def test_an_image_is_scored_on_its_own():
    detector, images = made(), maps()
    stepped(detector, [images], steps=3)
    together = scored(detector, images).image
    alone = torch.cat([scored(detector, image[None]).image for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    assert float(together.std()) > 1e-5


def test_a_batch_too_small_for_batch_norm_is_refused_with_its_key():
    detector = made(image_size=(32, 32)).train()
    with pytest.raises(ConditionError, match=r"one image at config\.image_size 32x32") as caught:
        detector.loss(maps(1, (32, 32)), Randomness(1, 0))
    assert "config.batch_size" in caught.value.hint
    assert math.isfinite(float(detector.loss(maps(2, (32, 32)), Randomness(1, 0))["loss"].detach()))
    assert math.isfinite(float(made().train().loss(maps(1), Randomness(1, 0))["loss"].detach()))
    assert scored(detector, maps(1, (32, 32))).image.shape == (1,)


def test_scoring_changes_no_state():
    detector = made()
    before = {name: tensor.clone() for name, tensor in detector.trained_state().items()}
    scored(detector, maps())
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.trained_state().items())


def test_same_seeds_same_bits_and_other_seeds_other_bits():
    first, again = made(), made()
    assert stepped(first, [maps()], steps=2) == stepped(again, [maps()], steps=2)
    for name, tensor in first.trained_state().items():
        assert torch.equal(tensor, again.trained_state()[name])
    losses = made().train().loss(maps(), Randomness(1, 0))
    assert not torch.equal(losses["loss"], made().train().loss(maps(), Randomness(2, 0))["loss"])


def test_state_round_trip_is_exact_and_strict():
    trained, fresh = made(), made(seed=1)
    stepped(trained, [maps()], steps=2)
    state = {name: tensor.clone() for name, tensor in trained.trained_state().items()}
    fresh.load_trained_state(state)
    assert torch.equal(scored(fresh, maps()).map, scored(trained, maps()).map)
    name = next(iter(state))
    for wrong in (
        {key: value for key, value in state.items() if key != name},
        state | {"extra": torch.zeros(1)},
        state | {name: state[name][..., :1]},
    ):
        with pytest.raises(KeyError, match=r"extra|reconstruct"):
            fresh.load_trained_state(wrong)


def test_reductions_are_the_maximum_and_the_mean_of_the_top_percent():
    anomaly_map = torch.arange(20 * 20, dtype=torch.float32).view(1, 20, 20)
    assert reduce_map(anomaly_map, "max").tolist() == [399.0]
    assert reduce_map(anomaly_map, "top1pct_mean").tolist() == [pytest.approx((399 + 398 + 397 + 396) / 4)]
    assert reduce_map(anomaly_map[:, :2, :2], "top1pct_mean").tolist() == [21.0]


@pytest.mark.parametrize(
    "keys",
    [
        {"base_width": 8},
        {"discriminator_width": 8},
        {"in_channels": 3},
        {"anomaly_probability": 0.9},
        {"score_reduction": "top1pct_mean"},
        {"sspcab": True},
        {"anomaly_source": "dtd:{folder}"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_every_key_changes_the_scores_after_real_steps(keys, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    keys = {name: value.format(folder=tmp_path) if isinstance(value, str) else value for name, value in keys.items()}
    plain, changed = made(), made(**keys)
    for detector in (plain, changed):
        stepped(detector, [maps()], steps=2)
    assert not torch.equal(scored(plain, maps()).image, scored(changed, maps()).image)


def test_sspcab_is_taught_its_own_masked_input():
    detector = made(base_width=8, sspcab=True).train()
    assert float(detector.loss(maps(), Randomness(1, 0))["sspcab"].detach()) > 0
    scored(detector, maps())
    assert "sspcab" in detector.train().loss(maps(), Randomness(1, 0))


def test_a_missing_texture_folder_is_found_before_the_networks_are_made(tmp_path):
    with pytest.raises(MissingInputError, match="dtd"):
        build(configured(anomaly_source=f"dtd:{tmp_path / 'gone'}"))


def kornias(logits, mask):
    """The focal term as anomalib asks for it."""
    return FocalLoss(alpha=1, reduction="mean")(logits, mask[:, 0].long())


@pytest.mark.parametrize(("focal", "learns"), [(None, True), (kornias, False)], ids=["ours", "anomalib's"])
def test_normals_get_a_low_map_which_anomalibs_loss_cannot_teach(monkeypatch, focal, learns):
    if focal is not None:
        monkeypatch.setattr(draem, "focal_loss", focal)
    detector = made(base_width=8, discriminator_width=8)
    stepped(detector, [maps(8, seed=step) for step in range(10)], steps=120)
    mean = float(scored(detector, maps(16, seed=99)).map.mean())
    assert (mean < 0.3) is learns
