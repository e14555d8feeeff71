"""PatchCore against anomalib's, and what the trainer needs of it."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.conditions.model import PatchcoreConfig
from crossad.errors import ConditionError, DeterministicError
from crossad.trainer import rows
from crossad.trainer.detector import Randomness
from crossad.trainer.detectors.patchcore import Patchcore, build

# isort: split
from anomalib.models.image.patchcore.torch_model import PatchcoreModel

LITE0 = {"backbone": "tf_efficientnet_lite0", "layers": ("blocks.1", "blocks.2"), "image_size": (64, 96)}
RESNET = {
    "backbone": "resnet18",
    "layers": ("layer2", "layer3"),
    "image_size": (64, 96),
    "pre_trained": False,
}
VIT = {"backbone": "vit_small_patch14_dinov2", "layers": ("blocks.1", "blocks.2"), "image_size": (56, 84)}


def configured(**keys) -> PatchcoreConfig:
    given = {"source_domain": "domain_A", "coreset_sampling_ratio": 0.1} | LITE0 | keys
    return PatchcoreConfig.model_validate(given)


def images(count, size=(64, 96), seed=0, channels=1):
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(seed))


def fitted(weights_dir=None, *, seed=0, **keys) -> Patchcore:
    config = configured(**keys)
    torch.manual_seed(0)
    detector = build(config, weights_dir=weights_dir).eval()
    detector.collect(images(6, config.image_size))
    detector.build(Randomness(seed, 0))
    return detector


@pytest.fixture(scope="module", autouse=True)
def caches_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        yield


@pytest.fixture(scope="module")
def vit_weights(tmp_path_factory):
    """Weights of the size they are published in, 518 x 518, so that positions must be resampled."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(7)
    state = timm.create_model(VIT["backbone"], pretrained=False).state_dict()
    state["pos_embed"] = torch.randn(state["pos_embed"].shape)
    save_file(state, folder / f"{VIT['backbone']}.safetensors")
    return folder


def theirs(ours: Patchcore, full: dict[str, torch.Tensor] | None = None) -> PatchcoreModel:
    """anomalib's model on the same weights and the same bank."""
    config = ours.config
    model = PatchcoreModel(
        layers=list(config.layers),
        backbone=config.backbone,
        pre_trained=False,
        num_neighbors=config.num_neighbors,
    )
    model.feature_extractor.feature_extractor.load_state_dict(full or ours.extractor.state_dict())
    model.memory_bank = ours.bank
    return model.eval()


@pytest.mark.parametrize("neighbours", [1, 9])
@pytest.mark.parametrize("keys", [LITE0, RESNET, VIT], ids=["lite0", "resnet18", "vit"])
def test_raw_scores_and_maps_equal_anomalibs(keys, neighbours, vit_weights):
    """Tolerance 1e-4 of the score: anomalib's distances carry the rounding of |x|^2 - 2xy + |y|^2."""
    ours = fitted(vit_weights, num_neighbors=neighbours, **keys)
    as_published = load_file(vit_weights / f"{VIT['backbone']}.safetensors") if keys is VIT else None
    batch = images(3, keys["image_size"], seed=1)
    mean, std = ours.mean, ours.std
    expected = theirs(ours, as_published)((batch.expand(-1, 3, -1, -1) - mean) / std)
    found = ours.score(batch)
    torch.testing.assert_close(found.image, expected.pred_score, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.map, expected.anomaly_map[:, 0], rtol=1e-4, atol=1e-5)


def test_images_from_the_bank_score_zero_and_others_do_not():
    detector = fitted(coreset_sampling_ratio=1.0, num_neighbors=1)
    assert float(detector.score(images(6)).image.max()) == 0.0
    assert float(detector.score(images(2, seed=9)).image.min()) > 0.1


def test_grey_is_repeated_and_batches_do_not_matter():
    detector = fitted()
    grey = images(4, seed=5)
    whole = detector.score(grey)
    torch.testing.assert_close(detector.score(grey.repeat(1, 3, 1, 1)).image, whole.image, rtol=0, atol=0)
    one_by_one = torch.cat([detector.score(image[None]).image for image in grey])
    torch.testing.assert_close(one_by_one, whole.image, rtol=1e-5, atol=0)
    assert whole.map.shape == (4, 64, 96)


def test_the_seed_decides_the_bank_and_nothing_else_does():
    one, same, other = fitted(seed=1), fitted(seed=1), fitted(seed=2)
    assert torch.equal(one.bank, same.bank)
    assert not torch.equal(one.bank, other.bank)
    assert one.bank.shape == (int(6 * 16 * 24 * 0.1), 64)


def test_layers_are_taken_in_the_networks_order():
    backwards = fitted(layers=("blocks.2", "blocks.1"))
    assert torch.equal(backwards.bank, fitted().bank)


def test_more_neighbours_than_patches_is_all_of_them():
    detector = fitted(coreset_sampling_ratio=0.002, num_neighbors=50)
    assert len(detector.bank) == 4
    assert torch.isfinite(detector.score(images(2, seed=3)).image).all()


def test_distances_stay_float32_under_autocast(monkeypatch):
    detector = fitted()
    features = detector.patches(images(2, seed=4))
    monkeypatch.setattr(detector, "patches", lambda _: features)
    exact = detector.score(images(2, seed=4))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = detector.score(images(2, seed=4))
    assert torch.equal(mixed.image, exact.image)
    assert torch.equal(mixed.map, exact.map)


@pytest.mark.parametrize(("keys", "tensors"), [(LITE0, 1), (RESNET, 1 + 92)], ids=["pretrained", "random"])
def test_what_fitting_made_is_all_that_a_fresh_model_needs(keys, tensors):
    detector = fitted(**keys)
    state = detector.trained_state()
    assert len(state) <= tensors
    assert (len(state) > 1) == detector.backbone.random
    torch.manual_seed(99)
    fresh = build(configured(**keys)).eval()
    fresh.load_trained_state(state)
    batch = images(2, seed=8)
    assert torch.equal(fresh.score(batch).image, detector.score(batch).image)
    with pytest.raises(KeyError, match="extra"):
        fresh.load_trained_state(state | {"extra": torch.zeros(1)})
    with pytest.raises(KeyError, match="bank"):
        fresh.load_trained_state({name: tensor for name, tensor in state.items() if name != "bank"})


def test_the_backbone_is_frozen():
    detector = fitted(**RESNET)
    assert not any(parameter.requires_grad for parameter in detector.parameters())
    assert not detector.score(images(1)).image.requires_grad


def test_a_ratio_that_keeps_nothing_names_its_key():
    with pytest.raises(ConditionError, match="coreset_sampling_ratio"):
        fitted(coreset_sampling_ratio=1e-6)


def test_features_beyond_the_memory_are_refused_before_they_are_taken(monkeypatch):
    monkeypatch.setattr(rows, "available", lambda _: 1_000_000)
    with pytest.raises(DeterministicError, match="do not fit into memory") as caught:
        fitted()
    assert "limit_images" in caught.value.hint
