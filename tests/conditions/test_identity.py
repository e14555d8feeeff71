import pytest

from crossad.conditions import identity as module
from crossad.conditions.identity import (
    condition_id,
    evaluation_domains,
    evaluation_key,
    identity,
    resolve,
    role,
    training_key,
)
from crossad.conditions.model import MODELS
from crossad.conditions.suite import parse_config
from crossad.errors import ConditionError

BASE = {"source_domain": "domain_A", "target_domains": ["domain_B", "domain_C"]}
SEVNET = {"model_type": "draem_sevnet", **BASE}
# another legal value for every key, with what must be set beside it for the key to be used
OTHER = {
    "source_domain": "domain_Z",
    "target_domains": ["domain_B"],
    "seed": 7,
    "image_size": "448x448",
    "normalisation": "source_stats",
    "validation": "holdout",
    "val_split_ratio": 0.3,
    "limit_images": 5,
    "batch_size": 3,
    "num_workers": 3,
    "max_visualizations": 3,
    "max_epochs": 3,
    "max_steps": 3,
    "learning_rate": 3e-5,
    "optimizer": "sgd",
    "weight_decay": 0.3,
    "scheduler": "cosine",
    "warmup_steps": 3,
    "gradient_clip_val": 0.3,
    "early_stopping_patience": 3,
    "early_stopping_min_delta": 0.3,
    "check_val_every_n_epoch": 3,
    "base_width": 16,
    "discriminator_width": 16,
    "in_channels": 1,
    "anomaly_probability": 0.3,
    "score_reduction": "top1pct_mean",
    "sspcab": True,
    "anomaly_source": "dtd:folder",
    "severity_head_mode": "multi_scale",
    "severity_head_hidden_dim": 64,
    "severity_head_pooling_type": "spatial_aware",
    "severity_head_spatial_size": 2,
    "severity_head_use_spatial_attention": False,
    "score_combination": "maximum",
    "severity_weight_for_combination": 0.3,
    "severity_weight": 0.3,
    "severity_loss_type": "smooth_l1",
    "severity_max": 3.0,
    "fault_generator": "patches_v0",
    "patch_width_range": [3, 30],
    "patch_ratio_range": [0.3, 3.0],
    "patch_count": 3,
    "encoder_name": "dinov2reg_vit_small_14",
    "target_layers": [1, 3],
    "bottleneck_dropout": 0.3,
    "decoder_depth": 4,
    "remove_class_token": True,
    "backbone": "resnet50",
    "layers": ["layer1"],
    "pre_trained": False,
    "coreset_sampling_ratio": 0.3,
    "num_neighbors": 3,
}
BESIDE = {
    "val_split_ratio": {"validation": "holdout"},
    "severity_head_spatial_size": {"severity_head_pooling_type": "spatial_aware"},
    "severity_head_use_spatial_attention": {"severity_head_pooling_type": "spatial_aware"},
    "severity_weight_for_combination": {"score_combination": "weighted_average"},
    "patch_width_range": {"fault_generator": "patches_v0"},
    "patch_ratio_range": {"fault_generator": "patches_v0"},
    "patch_count": {"fault_generator": "patches_v0"},
}
KEYS = [
    (model, name)
    for model, checked in MODELS.items()
    for name in checked.model_fields
    if name != "model_type" and not checked.fixed(name)
]


def keys_of(config):
    return training_key(config), evaluation_key(config, "domain_B"), condition_id(config)


@pytest.mark.parametrize(("model", "name"), KEYS)
def test_every_key_changes_what_its_role_says_and_nothing_else(model, name):
    beside = dict(BESIDE.get(name, {}))
    if name == "warmup_steps":
        beside["scheduler"] = "warmup_cosine"
    plain = parse_config({"model_type": model, **BASE, **beside})
    other = parse_config({"model_type": model, **BASE, **beside, name: OTHER[name]})
    assert getattr(plain, name) != getattr(other, name)
    changed = tuple(one != two for one, two in zip(keys_of(plain), keys_of(other), strict=True))
    assert (
        changed
        == {
            "training": (True, True, True),
            "evaluation": (False, True, True),
            "condition": (False, False, True),
            "execution": (False, False, False),
        }[role(MODELS[model], name)]
    )


def test_spelling_is_not_identity():
    one = parse_config({**SEVNET, "image_size": "224x224", "seed": 42, "severity_max": 1})
    two = parse_config({**SEVNET, "image_size": [224, 224], "target_domains": ["domain_C", "domain_B"]})
    assert keys_of(one) == keys_of(two)


def test_default_written_out_is_the_same_work():
    plain = parse_config(SEVNET)
    assert condition_id(parse_config(plain.model_dump(mode="json"))) == condition_id(plain)


def test_models_and_domains_never_share_keys():
    configs = [parse_config({"model_type": model, **BASE}) for model in MODELS]
    keys = [key for config in configs for key in (*keys_of(config), evaluation_key(config, "domain_C"))]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)


def test_raising_the_protocol_makes_other_work(monkeypatch):
    config = parse_config(SEVNET)
    before = keys_of(config)
    monkeypatch.setitem(module.PROTOCOL, "draem_sevnet", 99)
    assert not set(before) & set(keys_of(config))


def test_every_model_has_a_protocol():
    assert set(module.PROTOCOL) == set(MODELS)


def test_two_target_lists_share_the_training_and_common_evaluations():
    one = parse_config({**SEVNET, "target_domains": ["domain_B"]})
    two = parse_config({**SEVNET, "target_domains": ["domain_B", "domain_D"]})
    assert training_key(one) == training_key(two)
    assert evaluation_key(one, "domain_B") == evaluation_key(two, "domain_B")
    assert condition_id(one) != condition_id(two)


def test_auto_means_all_domains_but_the_source():
    config = parse_config({**SEVNET, "target_domains": "auto"})
    resolved = resolve(config, ["domain_C", "domain_A", "domain_B"])
    assert resolved.target_domains == ("domain_B", "domain_C")
    assert condition_id(resolved) == condition_id(parse_config(SEVNET))
    assert evaluation_domains(resolved) == ("domain_A", "domain_B", "domain_C")


def test_named_targets_stay_as_they_are():
    config = parse_config(SEVNET)
    assert resolve(config, ["domain_X"]) is config


def test_auto_without_other_domains_is_an_error():
    with pytest.raises(ConditionError, match="finds no target"):
        resolve(parse_config({**SEVNET, "target_domains": "auto"}), ["domain_A"])


def test_unresolved_targets_have_no_identity():
    with pytest.raises(ConditionError, match="not resolved"):
        identity(parse_config({**SEVNET, "target_domains": "auto"}))


def test_single_domain_mode_evaluates_the_source_alone():
    config = parse_config({"model_type": "draem", "source_domain": "domain_A"})
    assert evaluation_domains(config) == ("domain_A",)
    assert len(condition_id(config)) == 16


def test_keys_are_pinned():
    """A change here orphans every result made so far; raise PROTOCOL on purpose instead."""
    assert keys_of(parse_config({"model_type": "patchcore", **BASE})) == (
        "946b7025cdb19fa6",
        "101bfa56bc3bbab7",
        "e380826de63eb2c8",
    )
