"""Pretrained weights are found, checked and loaded without a network."""

from __future__ import annotations

import socket

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from crossad import assets
from crossad.assets import ASSETS, hash_tensors, locate, pin
from crossad.conditions.encoders import BACKBONES, ENCODERS
from crossad.conditions.model import DinomalyConfig, PatchcoreConfig
from crossad.errors import DataError, MissingInputError
from crossad.trainer.backbones import create, ensure_weights, fill, load_pretrained
from crossad.trainer.checkpoint import state_hash

LITE0 = "tf_efficientnet_lite0"
RESNET = "resnet18"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Caches of this test only, and no network: a connection is a failure."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)

    def refuse(*_):
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def small_state(seed=0):
    torch.manual_seed(seed)
    return timm.create_model(RESNET, pretrained=False).state_dict()


def hub_file(home, name=RESNET):
    folder = home / "hub" / f"models--timm--{name}.{ASSETS[name].tag}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc123\n")
    path = folder / "snapshots" / "abc123" / "model.safetensors"
    path.parent.mkdir(parents=True)
    return path


def test_known_weights_are_timms_and_those_that_conditions_may_name():
    assert {*ASSETS} == {*ENCODERS.values(), *BACKBONES}
    for name, asset in ASSETS.items():
        known = timm.get_pretrained_cfg(name)
        assert asset.repository == known.hf_hub_id
        assert set(asset.models) == {
            model for model, names in (("patchcore", {*BACKBONES}), ("dinomaly", {*ENCODERS.values()})) if name in names
        }


def test_the_built_in_package_has_the_pinned_weights_under_timms_names():
    state, known = load_pretrained(LITE0, None)
    assert known.sha256 == ASSETS[LITE0].package.sha256 == state_hash(state)
    assert known.source.startswith("package ")
    model = timm.create_model(LITE0, pretrained=False)
    model.load_state_dict(state, strict=True)
    # a network with real weights knows its own batch statistics: random ones give variances far from them
    assert float(state["bn1.running_var"].std()) > 0.1


def test_the_conversion_is_kept_and_made_again_when_damaged(tmp_path):
    first, _ = load_pretrained(LITE0, None)
    (cached,) = (tmp_path / "cache" / "crossad").iterdir()
    data = bytearray(cached.read_bytes())
    data[-1] ^= 1
    cached.write_bytes(data)
    again, known = load_pretrained(LITE0, None)
    assert state_hash(again) == state_hash(first) == known.sha256 == hash_tensors(cached)


def test_a_read_only_home_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load_pretrained(LITE0, None)[1].sha256 == ASSETS[LITE0].package.sha256


def test_loading_draws_nothing_from_the_global_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_pretrained(LITE0, None)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("inside", [f"{RESNET}.safetensors", f"{RESNET}/model.safetensors"])
def test_a_weights_folder_comes_first(tmp_path, monkeypatch, inside):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    save_file(small_state(1), hub_file(tmp_path / "hf"))
    path = tmp_path / "weights" / inside
    path.parent.mkdir(parents=True)
    save_file(small_state(2), path)
    state, known = load_pretrained(RESNET, tmp_path / "weights")
    assert known.sha256 == state_hash(small_state(2)) == hash_tensors(path)
    assert state.keys() == small_state().keys()
    assert load_pretrained(RESNET, None)[1].sha256 == state_hash(small_state(1))


@pytest.mark.parametrize(("variable", "home"), [("HF_HOME", "hf"), ("XDG_CACHE_HOME", "x"), ("HF_HUB_CACHE", "hf/hub")])
def test_the_hubs_cache_is_found_where_its_client_keeps_it(tmp_path, monkeypatch, variable, home):
    monkeypatch.setenv(variable, str(tmp_path / home))
    path = hub_file(tmp_path / {"x": "x/huggingface", "hf/hub": "hf"}.get(home, home))
    with pytest.raises(MissingInputError):  # refs/main names a snapshot that is not there (yet)
        locate(RESNET, None)
    blob = path.parents[2] / "blob"
    path.symlink_to(blob)
    with pytest.raises(MissingInputError):  # a link whose blob was cleaned away
        locate(RESNET, None)
    save_file(small_state(), blob)
    assert locate(RESNET, None).path == path
    assert create(RESNET, pre_trained=True, weights_dir=None)[1].source == "hub cache timm/resnet18.a1_in1k"


def test_missing_weights_are_named_with_every_place_and_the_way_to_get_them(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        load_pretrained(RESNET, tmp_path)
    assert caught.value.exit_code == 66
    for place in (f"{RESNET}.safetensors", f"{RESNET}/model.safetensors", "models--timm--resnet18.a1_in1k"):
        assert place in caught.value.message
    assert f"crossad assets fetch {RESNET} --weights {tmp_path} --from-hub" in caught.value.hint
    assert "pre_trained" in caught.value.hint


def test_a_package_that_is_not_installed_is_a_missing_input(monkeypatch):
    monkeypatch.setattr(assets.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingInputError, match="not installed"):
        locate(LITE0, None)


def test_weights_are_asked_for_before_any_model_is_built(tmp_path):
    common = {"source_domain": "a", "image_size": (56, 56)}
    ensure_weights(PatchcoreConfig(backbone=LITE0, **common), None)
    ensure_weights(PatchcoreConfig(backbone=RESNET, pre_trained=False, **common), None)
    ensure_weights(DinomalyConfig(pre_trained=False, **common), None)
    with pytest.raises(MissingInputError, match="resnet18"):
        ensure_weights(PatchcoreConfig(backbone=RESNET, **common), tmp_path)
    with pytest.raises(MissingInputError, match="vit_base_patch14_reg4_dinov2"):
        ensure_weights(DinomalyConfig(**common), tmp_path)


def test_weights_that_changed_since_they_were_fetched_are_refused(tmp_path):
    path = tmp_path / f"{RESNET}.safetensors"
    save_file(small_state(1), path)
    pin(tmp_path, RESNET, hash_tensors(path), "hub")
    assert load_pretrained(RESNET, tmp_path)[1].sha256 == hash_tensors(path)
    save_file(small_state(2), path)
    with pytest.raises(DataError, match="changed since they were fetched"):
        load_pretrained(RESNET, tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / f"{RESNET}.safetensors"
    save_file({"a": torch.ones(3000)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="not a whole safetensors file"):
        load_pretrained(RESNET, tmp_path)
    with pytest.raises(DataError, match="not a whole safetensors file"):
        hash_tensors(path)


def test_another_models_weights_are_refused(tmp_path):
    save_file(small_state(), tmp_path / "resnet34.safetensors")
    with pytest.raises(DataError, match=r"not the weights of resnet34 .* missing"):
        create("resnet34", pre_trained=True, weights_dir=tmp_path)
    with pytest.raises(DataError, match="another shape"):
        fill(timm.create_model("resnet18", pretrained=False, in_chans=1), small_state(), RESNET)


def test_random_weights_follow_the_global_generator_and_say_so():
    torch.manual_seed(1)
    one, known = create(RESNET, pre_trained=False, weights_dir=None)
    torch.manual_seed(1)
    same, _ = create(RESNET, pre_trained=False, weights_dir=None)
    other, _ = create(RESNET, pre_trained=False, weights_dir=None)
    assert known.random
    assert known.sha256 is None
    assert state_hash(one.state_dict()) == state_hash(same.state_dict()) != state_hash(other.state_dict())


@pytest.mark.parametrize("name", ["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL"])
def test_the_light_hash_equals_the_trainers(tmp_path, name):
    kind = getattr(torch, assets._TYPES[name])
    state = {
        "b": torch.arange(6).reshape(2, 3).to(kind),
        "a": torch.tensor(1).to(kind),
        "none": torch.zeros(0, 4),
    }
    save_file(state, tmp_path / "f.safetensors", metadata={"any": "thing"})
    assert hash_tensors(tmp_path / "f.safetensors") == state_hash(load_file(tmp_path / "f.safetensors"))
