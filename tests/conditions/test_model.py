import pytest
from pydantic import ValidationError

from crossad.conditions.faults import SuiteError
from crossad.conditions.model import (
    MODELS,
    DinomalyConfig,
    DraemConfig,
    DraemSevnetConfig,
    PatchcoreConfig,
)
from crossad.conditions.suite import parse_config

A_TO_B = {"source_domain": "domain_A", "target_domains": ["domain_B"]}


def config(model, **keys):
    return parse_config({"model_type": model, **A_TO_B, **keys})


def fault(model, **keys):
    """The one fault of a config."""
    with pytest.raises(SuiteError) as raised:
        config(model, **keys)
    (only,) = raised.value.faults
    return only


@pytest.mark.parametrize("model", MODELS)
def test_a_full_dump_reads_back_as_the_same_config(model):
    checked = config(model)
    assert parse_config(checked.model_dump(mode="json")) == checked


@pytest.mark.parametrize("model", MODELS)
def test_configs_are_frozen_and_closed(model):
    with pytest.raises(ValidationError, match="frozen"):
        config(model).seed = 1
    assert "unknown key" in fault(model, no_such_key=1).message


@pytest.mark.parametrize("size", ["128x256", "128X256", " 128 x 256 ", [128, 256]])
def test_image_size_is_height_then_width(size):
    assert config("draem", image_size=size).image_size == (128, 256)


@pytest.mark.parametrize("size", [224, "224", "224x", [224], [224, 224, 3], ["224", "224"], [224.0, 224], None, "0x64"])
def test_other_image_sizes_are_refused(size):
    assert fault("patchcore", image_size=size).path == "image_size"


@pytest.mark.parametrize(
    ("model", "size", "multiple"),
    [("draem", "200x224", 32), ("draem_sevnet", "224x225", 32), ("dinomaly", "225x224", 14)],
)
def test_sizes_that_a_network_cannot_take_are_refused(model, size, multiple):
    found = fault(model, image_size=size)
    assert found.path == "image_size"
    assert f"divisible by {multiple}" in found.allowed


def test_patchcore_takes_any_size_but_for_vit_backbones():
    assert config("patchcore", image_size="31x95").image_size == (31, 95)
    assert "14" in fault("patchcore", backbone="vit_small_patch14_dinov2", image_size="31x95").allowed


@pytest.mark.parametrize("key", ["learning_rate", "optimizer", "weight_decay", "early_stopping_patience", "scheduler"])
def test_patchcore_refuses_keys_of_training_and_names_their_users(key):
    found = fault("patchcore", **{key: 1})
    assert "does not use this key" in found.message
    assert "draem, dinomaly, draem_sevnet" in found.message


def test_patchcore_has_one_epoch_only():
    assert config("patchcore").max_epochs == 1
    assert fault("patchcore", max_epochs=2).allowed == "1"


@pytest.mark.parametrize("ratio", [0, -0.1, 1.01, "0.1"])
def test_the_coreset_ratio_lies_in_0_to_1(ratio):
    assert fault("patchcore", coreset_sampling_ratio=ratio).path == "coreset_sampling_ratio"


def test_the_whole_bank_may_be_kept():
    assert config("patchcore", coreset_sampling_ratio=1).coreset_sampling_ratio == 1


@pytest.mark.parametrize(
    ("backbone", "layers"),
    [
        ("resnet18", ("layer2", "layer3")),
        ("tf_efficientnet_lite0", ("blocks.1", "blocks.2")),
        ("vit_base_patch14_dinov2", ("blocks.8",)),
    ],
)
def test_default_layers_follow_the_backbone(backbone, layers):
    assert config("patchcore", backbone=backbone).layers == layers


def test_a_stage_that_the_backbone_lacks_is_refused():
    assert "layer5" in fault("patchcore", layers=["layer2", "layer5"]).message
    assert fault("patchcore", backbone="resnet19").hint == "did you mean resnet18?"


def test_dinomaly_alone_trains_as_its_paper_does():
    checked = config("dinomaly")
    assert (checked.optimizer, checked.learning_rate, checked.weight_decay) == ("stable_adamw", 2e-3, 0.0)
    assert checked.gradient_clip_val == 0.1


def test_dinomaly_with_another_optimizer_takes_the_usual_rate():
    assert config("dinomaly", optimizer="adam").learning_rate == 1e-4
    assert config("dinomaly", optimizer="adam", learning_rate=3e-4).learning_rate == 3e-4


def test_encoders_are_known_by_the_guides_and_timms_names():
    assert config("dinomaly", encoder_name="vit_base_patch14_reg4_dinov2")
    found = fault("dinomaly", encoder_name="dinov2reg_vit_bas_14")
    assert found.hint == "did you mean dinov2reg_vit_base_14?"
    assert "dinov2reg_vit_large_14" in found.allowed


def test_target_layers_lie_inside_the_encoder():
    assert config("dinomaly", encoder_name="dinov2reg_vit_large_14").target_layers == (
        4,
        6,
        8,
        10,
        12,
        14,
        16,
        18,
    )
    assert fault("dinomaly", target_layers=[2, 12]).allowed == "0 to 11"
    assert "named more than once: 3" in fault("dinomaly", target_layers=[3, 3]).message
    assert "order" in fault("dinomaly", target_layers=[5, 3]).message
    assert "two equal groups" in fault("dinomaly", target_layers=[1, 2, 3]).message


def test_huber_means_smooth_l1():
    found = fault("draem_sevnet", severity_loss_type="huber")
    assert (found.hint, found.allowed) == ("did you mean smooth_l1?", "mse or smooth_l1")


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_the_combination_weight_lies_in_0_to_1(weight):
    found = fault("draem_sevnet", score_combination="weighted_average", severity_weight_for_combination=weight)
    assert found.path == "severity_weight_for_combination"


@pytest.mark.parametrize(
    ("key", "value", "switch"),
    [
        ("severity_weight_for_combination", 0.3, {"score_combination": "weighted_average"}),
        ("severity_head_spatial_size", 5, {"severity_head_pooling_type": "spatial_aware"}),
        ("severity_head_use_spatial_attention", False, {"severity_head_pooling_type": "spatial_aware"}),
        ("patch_count", 2, {"fault_generator": "patches_v0"}),
        ("patch_width_range", [10, 20], {"fault_generator": "patches_v0"}),
        ("patch_ratio_range", [1, 2], {"fault_generator": "patches_v0"}),
    ],
)
def test_keys_that_another_key_switches_off_are_refused(key, value, switch):
    assert fault("draem_sevnet", **{key: value}).path == key
    assert getattr(config("draem_sevnet", **switch, **{key: value}), key) == (
        tuple(value) if isinstance(value, list) else value
    )
    assert getattr(config("draem_sevnet"), key) is None
    assert getattr(config("draem_sevnet", **switch), key) is not None


def test_the_severity_grid_is_no_finer_than_the_map():
    spatial = {"severity_head_pooling_type": "spatial_aware"}
    assert config("draem_sevnet", **spatial).severity_head_spatial_size == 4
    assert config("draem_sevnet", **spatial, severity_head_spatial_size=7)
    assert "7x7" in fault("draem_sevnet", **spatial, severity_head_spatial_size=8).allowed
    assert config("draem_sevnet", **spatial, image_size=[32, 96]).severity_head_spatial_size == 1


def test_ranges_ascend():
    assert "empty" in fault("draem_sevnet", fault_generator="patches_v0", patch_width_range=[80, 20]).message


def test_warm_up_steps_need_a_schedule_that_warms_up():
    assert config("dinomaly", warmup_steps=10).warmup_steps == 10
    assert config("draem", scheduler="warmup_cosine", warmup_steps=10)
    assert fault("draem", warmup_steps=10).path == "warmup_steps"
    assert fault("dinomaly", scheduler="cosine", warmup_steps=10).path == "warmup_steps"


@pytest.mark.parametrize(
    "scheduler",
    ["cosine", "warmup_cosine", {"type": "steplr", "step_size": 10, "gamma": 0.5},
     {"type": "cosine", "T_max": 30}, {"type": "warmup_steplr", "step_size": 10, "warmup_epochs": 2}],
)  # fmt: skip
def test_schedules_of_older_files_are_known(scheduler):
    checked = config("draem", scheduler=scheduler)
    assert parse_config(checked.model_dump(mode="json")) == checked


@pytest.mark.parametrize(
    ("scheduler", "path"),
    [
        ("cosin", "scheduler"),
        ({"type": "step"}, "scheduler"),
        ({"type": "steplr"}, "scheduler.step_size"),
        ({"type": "cosine", "gamma": 1}, "scheduler.gamma"),
        (7, "scheduler"),
    ],
)
def test_a_wrong_schedule_is_one_fault_at_its_place(scheduler, path):
    assert fault("draem", scheduler=scheduler).path == path


def test_the_source_is_no_target():
    assert "also a target" in fault("draem", target_domains=["domain_B", "domain_A"]).message


def test_targets_are_named_once():
    assert "named more than once: domain_B" in fault("draem", target_domains=["domain_B", "domain_B"]).message


@pytest.mark.parametrize("targets", [[], "all", "domain_B", ["../outside"], ["a/b"], [".."], [3], {}])
def test_other_targets_are_refused(targets):
    assert fault("draem", target_domains=targets).path.startswith("target_domains")


def test_single_domain_mode_holds_out_a_tenth_of_the_source():
    checked = parse_config({"model_type": "draem", "source_domain": "domain_A"})
    assert (checked.target_domains, checked.validation, checked.val_split_ratio) == (None, "holdout", 0.1)


def test_the_guides_val_split_ratio_works_in_single_domain_mode():
    checked = parse_config({"model_type": "draem", "source_domain": "domain_A", "val_split_ratio": 0.02})
    assert checked.val_split_ratio == 0.02


def test_val_split_ratio_is_not_silently_ignored():
    assert "crossad migrate" in fault("draem", val_split_ratio=0.1).hint
    assert config("draem", val_split_ratio=0.1, validation="holdout").val_split_ratio == 0.1


@pytest.mark.parametrize("value", ["16", 16.0, True, 0, -1, [16]])
def test_numbers_are_not_guessed(value):
    assert fault("draem", batch_size=value).path == "batch_size"


@pytest.mark.parametrize("source", ["procedural_v1", "dtd:/textures"])
def test_draem_faults_are_procedural_or_from_a_folder(source):
    assert config("draem", anomaly_source=source).anomaly_source == source
    assert fault("draem", anomaly_source="dtd").path == "anomaly_source"


def test_all_faults_of_a_config_come_at_once():
    with pytest.raises(SuiteError) as raised:
        parse_config(
            {
                "model_type": "draem",
                "batch_size": 0,
                "image_size": "100x100",
                "target_domains": ["b", "b"],
                "lr": 1,
            }
        )
    paths = {found.path for found in raised.value.faults}
    assert paths == {"batch_size", "image_size", "target_domains", "lr", "source_domain"}


@pytest.mark.parametrize("model", ["dream", None, 3, [], {}])
def test_an_unknown_model_names_the_known_ones(model):
    with pytest.raises(SuiteError) as raised:
        parse_config({"model_type": model, **A_TO_B})
    assert "draem, dinomaly, patchcore, draem_sevnet" in raised.value.faults[0].allowed


@pytest.mark.parametrize(("key", "word"), [("domain", "migrate"), ("dataset_root", "--data"), ("gpu_id", "--gpus")])
def test_keys_of_older_files_say_what_to_do_now(key, word):
    assert word in fault("draem", **{key: 1}).hint


def test_models_may_be_made_in_code():
    assert DraemConfig(source_domain="a").model_type == "draem"
    assert DinomalyConfig(source_domain="a").model_type == "dinomaly"
    assert PatchcoreConfig(source_domain="a").model_type == "patchcore"
    assert DraemSevnetConfig(source_domain="a", image_size=(64, 96)).image_size == (64, 96)
