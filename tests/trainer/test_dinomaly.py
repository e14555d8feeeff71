"""Dinomaly: anomalib's network with our construction; scores, maps and gradients must be anomalib's."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.conditions.model import DinomalyConfig
from crossad.conditions.suite import parse_config
from crossad.errors import ConditionError, MissingInputError
from crossad.trainer.detector import Randomness
from crossad.trainer.detectors.dinomaly import ENCODER, Dinomaly, build
from crossad.trainer.optim import build_optimizer

# isort: split
from anomalib.models.image.dinomaly.torch_model import DinomalyModel

SIZE = (28, 42)
SMALL = {
    "encoder_name": "dinov2reg_vit_small_14",
    "target_layers": [0, 1],
    "decoder_depth": 2,
    "image_size": list(SIZE),
    "pre_trained": False,
}
PUBLISHED = {
    "dinov2reg_vit_small_14": "vit_small_patch14_reg4_dinov2",
    "dinov2_vit_small_14": "vit_small_patch14_dinov2",
}


def configured(**keys) -> DinomalyConfig:
    return parse_config({"model_type": "dinomaly", "source_domain": "domain_A"} | SMALL | keys)


def made(weights_dir=None, **keys) -> Dinomaly:
    torch.manual_seed(0)
    return build(configured(**keys), weights_dir=weights_dir)


def images(count=3, channels=1, seed=0):
    return torch.rand(count, channels, *SIZE, generator=torch.Generator().manual_seed(seed))


def scored(detector, batch):
    with torch.inference_mode():
        return detector.eval().score(batch)


def stepped(detector, steps=2, **keys):
    """Train some steps, as the trainer's loop does."""
    optimizer = build_optimizer(configured(**keys), detector)
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        detector.train().loss(images(seed=step), Randomness(1, step))["loss"].backward()
        optimizer.step()
    return detector


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the size they are published in, 518 x 518, so that positions must be resampled."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("HF_HOME", str(folder / "hub"))
        for number, name in enumerate(PUBLISHED.values()):
            torch.manual_seed(number)
            state = timm.create_model(name, pretrained=False).state_dict()
            state["pos_embed"] = torch.randn(state["pos_embed"].shape)
            save_file(state, folder / f"{name}.safetensors")
        yield folder


@pytest.fixture
def theirs(monkeypatch, weights):
    """anomalib's model with the weights of ours; its constructor asks for a download, which finds `weights`."""
    create = timm.create_model

    def found(name, *, pretrained, pretrained_cfg=None, **arguments):
        assert pretrained
        model = create(name, pretrained=False, **arguments)
        model.load_state_dict(load_file(weights / f"{name}.safetensors"))
        return model

    def make(ours: Dinomaly) -> DinomalyModel:
        config = ours.config
        with monkeypatch.context() as patch:
            patch.setattr(timm, "create_model", found)
            model = DinomalyModel(
                encoder_name=PUBLISHED[config.encoder_name],
                bottleneck_dropout=config.bottleneck_dropout,
                decoder_depth=config.decoder_depth,
                target_layers=list(config.target_layers),
                remove_class_token=config.remove_class_token,
            )
        missing, extra = model.load_state_dict(ours.trained_state(), strict=False)
        assert not extra
        assert all(name.startswith(ENCODER) for name in missing)
        model.encoder.requires_grad_(requires_grad=False)
        return model

    return make


def normalised(batch):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (batch.expand(-1, 3, -1, -1) - mean) / std


FULL = {"pre_trained": True, "target_layers": list(range(2, 10)), "decoder_depth": 8}


@pytest.mark.parametrize(
    "keys",
    [{}, {"remove_class_token": True}, {"encoder_name": "dinov2_vit_small_14"}],
    ids=["registers", "no class token", "no registers"],
)
def test_scores_and_maps_after_training_equal_anomalibs(keys, weights, theirs):
    ours = stepped(made(weights, **FULL, **keys), **FULL, **keys)
    batch = images(seed=9)
    with torch.inference_mode():
        expected = theirs(ours).eval()(normalised(batch))
    found = scored(ours, batch)
    torch.testing.assert_close(found.map, expected.anomaly_map[:, 0], rtol=0, atol=2e-6)
    torch.testing.assert_close(found.image, expected.pred_score, rtol=0, atol=2e-6)
    assert float(found.image.std()) > 1e-5


def test_loss_and_gradients_equal_anomalibs_at_any_step(weights, theirs):
    ours = made(weights, bottleneck_dropout=0.0, **FULL)
    reference = theirs(ours).train()
    for step in (0, 500, 2000):  # the share of discounted points grows over the first 1000 steps
        ours.zero_grad()
        reference.zero_grad()
        found = ours.train().loss(images(), Randomness(1, step))["loss"]
        expected = reference(normalised(images()), global_step=step)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        found.backward()
        expected.backward()
        for name in ("bottleneck.0.fc1.weight", "decoder.3.mlp.fc2.weight"):
            mine, other = ours.network.get_parameter(name).grad, reference.get_parameter(name).grad
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-7)


def test_features_do_not_depend_on_what_the_process_built_before(weights, theirs, monkeypatch):
    """anomalib switches an antialias in timm off for the whole process when it makes its first extractor."""
    monkeypatch.setattr(timm.models.vision_transformer, "resample_abs_pos_embed", resample_abs_pos_embed)
    before = scored(made(weights, pre_trained=True), images()).map
    theirs(made(weights, **FULL))
    assert torch.equal(scored(made(weights, pre_trained=True), images()).map, before)


def test_the_start_is_the_authors():
    detector = made()
    for part in (detector.network.bottleneck, detector.network.decoder):
        for module in part.modules():
            if isinstance(module, nn.Linear):
                assert float(module.weight.detach().abs().max()) <= 0.03
                assert float(module.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
                assert module.bias is None or not module.bias.detach().any()
            elif isinstance(module, nn.LayerNorm):
                assert (module.weight.detach() == 1).all()
                assert not module.bias.detach().any()


def test_full_size_has_148_million_parameters_and_trains_61():
    with torch.device("meta"):
        detector = build(parse_config({"model_type": "dinomaly", "source_domain": "a", "pre_trained": False}))
    # positions are those of 224 x 224 here; the published ones, of 518 x 518, hold 0.9 million more
    positions = detector.network.encoder.vit.pos_embed
    total = sum(p.numel() for p in detector.parameters()) - positions.numel() + 37 * 37 * positions.shape[-1]
    assert round(total / 1e6, 1) == 148.0
    assert round(sum(p.numel() for p in detector.parameters() if p.requires_grad) / 1e6, 1) == 61.4


def test_the_encoder_is_frozen_and_in_eval_mode_while_the_decoder_trains():
    detector = made()
    before = {name: tensor.clone() for name, tensor in detector.network.state_dict().items()}
    stepped(detector)
    assert detector.network.bottleneck.training
    assert not any(module.training for module in detector.network.encoder.vit.modules())
    after = detector.network.state_dict()
    frozen = [name for name in before if torch.equal(before[name], after[name])]
    assert {name for name in before if name.startswith(ENCODER)} == {
        name for name in frozen if name != "gaussian_blur.kernel"
    }


@pytest.mark.parametrize(
    "keys",
    [
        {"encoder_name": "dinov2_vit_small_14"},
        {"target_layers": [1, 2]},
        {"target_layers": [0, 1, 2, 3]},
        {"bottleneck_dropout": 0.4},
        {"decoder_depth": 4},
        {"remove_class_token": True},
    ],
    ids=lambda keys: "-".join(str(part) for pair in keys.items() for part in pair),
)
def test_every_key_changes_the_scores_after_real_steps(keys):
    plain, changed = (scored(stepped(made(**given), **given), images()).image for given in ({}, keys))
    assert not torch.equal(plain, changed)


def test_keys_shape_the_network():
    network = made(target_layers=[1, 2, 4, 7], decoder_depth=6, bottleneck_dropout=0.35).network
    assert network.target_layers == [1, 2, 4, 7]
    assert network.fuse_layer_encoder == [[0, 1], [2, 3]]
    assert network.fuse_layer_decoder == [[0, 1, 2], [3, 4, 5]]
    assert len(network.decoder) == 6
    assert {m.p for m in network.bottleneck.modules() if isinstance(m, nn.Dropout)} == {0.35}


def test_dropout_is_off_when_scoring():
    detector = made(bottleneck_dropout=0.9)
    assert torch.equal(scored(detector, images()).map, scored(detector, images()).map)


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items(), ids=str)
def test_names_of_the_guide_and_of_timm_are_the_same_encoder(name, published):
    one, two = made(encoder_name=name), made(encoder_name=published)
    assert one.backbone.name == two.backbone.name == published
    assert torch.equal(scored(one, images()).map, scored(two, images()).map)
    assert one.network.encoder.num_register_tokens == (4 if "reg" in name else 0)


def test_an_image_is_scored_on_its_own():
    detector, batch = stepped(made()), images(5)
    together = scored(detector, batch).image
    alone = torch.cat([scored(detector, image[None]).image for image in batch])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_grey_is_repeated():
    detector = made()
    assert torch.equal(scored(detector, images()).map, scored(detector, images().expand(-1, 3, -1, -1)).map)


def test_a_frozen_download_is_not_saved_but_a_random_encoder_is(weights):
    published, random = made(weights, pre_trained=True), made()
    assert not any(name.startswith(ENCODER) for name in published.trained_state())
    assert any(name.startswith(ENCODER) for name in random.trained_state())
    assert published.backbone.sha256 is not None
    assert random.backbone.random


@pytest.mark.parametrize("pre_trained", [True, False])
def test_state_round_trip_is_exact_and_strict(pre_trained, weights):
    trained = stepped(made(weights, pre_trained=pre_trained), pre_trained=pre_trained)
    torch.manual_seed(5)
    fresh = build(configured(pre_trained=pre_trained), weights_dir=weights)
    state = {name: tensor.clone() for name, tensor in trained.trained_state().items()}
    assert not torch.equal(scored(fresh, images()).map, scored(trained, images()).map)
    fresh.load_trained_state(state)
    assert torch.equal(scored(fresh, images()).map, scored(trained, images()).map)
    name = "decoder.0.norm1.weight"
    for wrong in (
        {key: value for key, value in state.items() if key != name},
        state | {"extra": torch.zeros(1)},
        state | {name: torch.zeros(3)},
    ):
        with pytest.raises(KeyError, match=r"extra|norm1"):
            fresh.load_trained_state(wrong)


@pytest.mark.parametrize("size", [(100, 224), (224, 100)], ids=["height", "width"])
def test_a_size_that_no_patch_fits_is_refused_before_anything_is_built(size):
    with pytest.raises(ConditionError, match=r"divisible by 14 \(ViT patches of 14 pixels\), for example \d+x\d+"):
        configured(image_size=list(size))


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with pytest.raises(MissingInputError, match="vit_small_patch14_reg4_dinov2"):
        made(tmp_path, pre_trained=True)
