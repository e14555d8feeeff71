"""The suites in conditions/ say what the guide says."""

from pathlib import Path

import pytest

from crossad.conditions.suite import load_suite

FOLDER = Path(__file__).parents[2] / "conditions"
TARGETS = ("domain_B", "domain_C", "domain_D")
FOUR = ["baseline", "high_lr", "large_batch", "optimized"]
RATES = [1e-4, 5e-4, 2e-4, 3e-4]
PATIENCE = [10, 8, 12, 15]
TRAINED = {
    "draem": (0, [16, 12, 24, 20], ["adamw", "adamw", "adam", "adamw"], [0.0, 1e-4, 1e-4, 1e-5]),
    "dinomaly": (4, [8, 6, 12, 10], ["adam", "adamw", "adam", "adamw"], [1e-4, 1e-4, 1e-4, 1e-5]),
    "draem_sevnet": (12, [16, 12, 24, 20], ["adam", "adamw", "adam", "adamw"], [1e-4, 1e-4, 1e-4, 1e-5]),
}


@pytest.fixture(scope="module")
def base():
    return load_suite(FOLDER / "base.json").conditions


@pytest.mark.parametrize(("name", "count"), [("smoke", 4), ("quick", 4), ("base", 16), ("matrix", 48)])
def test_every_shipped_file_is_strict_and_good(name, count, monkeypatch):
    monkeypatch.setattr("crossad.conditions.jsonc._Parser", None)  # only the strict parser is left
    assert len(load_suite(FOLDER / f"{name}.json").conditions) == count


def test_no_other_file_is_shipped_untested():
    assert {file.stem for file in FOLDER.glob("*.json")} == {"smoke", "quick", "base", "matrix"}


def test_base_goes_from_a_to_b_c_d(base):
    for condition in base:
        config = condition.config
        assert (config.source_domain, config.target_domains) == ("domain_A", TARGETS)
        assert (config.seed, config.num_workers, config.validation) == (42, 8, "source_test")


@pytest.mark.parametrize("model", TRAINED)
def test_base_has_the_guides_trained_conditions(base, model):
    first, batches, optimizers, decays = TRAINED[model]
    conditions = base[first : first + 4]
    assert [condition.name for condition in conditions] == [f"domainA_to_BCD_{model}_{suffix}" for suffix in FOUR]
    configs = [condition.config for condition in conditions]
    assert [config.learning_rate for config in configs] == RATES
    assert [config.batch_size for config in configs] == batches
    assert [config.early_stopping_patience for config in configs] == PATIENCE
    assert [config.optimizer for config in configs] == optimizers
    assert [config.weight_decay for config in configs] == decays
    assert {config.max_epochs for config in configs} == {50}
    assert {config.image_size for config in configs} == {(224, 224)}


def test_base_has_the_guides_dinomaly(base):
    for condition in base[4:8]:
        assert condition.config.encoder_name == "dinov2reg_vit_base_14"
        assert condition.config.target_layers == (2, 3, 4, 5, 6, 7, 8, 9)
        assert condition.config.remove_class_token is False


def test_base_has_the_guides_patchcore(base):
    found = [
        (
            condition.name.removeprefix("domainA_to_BCD_patchcore_"),
            condition.config.backbone,
            condition.config.image_size,
            condition.config.layers,
            condition.config.coreset_sampling_ratio,
            condition.config.num_neighbors,
            condition.config.batch_size,
        )
        for condition in base[8:12]
    ]
    assert found == [
        ("baseline", "resnet18", (224, 224), ("layer2", "layer3"), 0.1, 9, 32),
        ("high_res", "resnet34", (288, 288), ("layer2", "layer3"), 0.15, 15, 16),
        ("large_batch", "resnet18", (224, 224), ("layer1", "layer2", "layer3"), 0.08, 12, 48),
        ("optimized", "wide_resnet50_2", (256, 256), ("layer2", "layer3"), 0.12, 18, 24),
    ]


def test_base_has_the_guides_sevnet(base):
    configs = [condition.config for condition in base[12:]]
    assert [config.score_combination for config in configs] == [
        "weighted_average",
        "maximum",
        "simple_average",
        "weighted_average",
    ]
    assert [config.severity_loss_type for config in configs] == ["smooth_l1", "mse", "smooth_l1", "smooth_l1"]
    assert [config.severity_weight for config in configs] == [1.0, 0.8, 1.2, 0.7]
    assert {config.severity_head_pooling_type for config in configs} == {"gap"}
    assert (FOLDER / "base.json").read_text().count('"fault_generator"') == 4


def test_quick_and_smoke_have_every_model_once():
    for name in ("quick", "smoke"):
        models = [condition.config.model_type for condition in load_suite(FOLDER / f"{name}.json").conditions]
        assert sorted(models) == ["dinomaly", "draem", "draem_sevnet", "patchcore"]


def test_smoke_needs_no_weights_but_the_packaged_ones():
    for condition in load_suite(FOLDER / "smoke.json").conditions:
        config = condition.config
        if config.model_type == "patchcore":
            assert (config.backbone, config.layers) == ("tf_efficientnet_lite0", ("blocks.1", "blocks.2"))
        if config.model_type == "dinomaly":
            assert not config.pre_trained
            assert "lumbing" in condition.description


def test_matrix_has_every_domain_as_source_for_every_model():
    conditions = load_suite(FOLDER / "matrix.json").conditions
    assert {condition.config.target_domains for condition in conditions} == {"auto"}
    pairs = {(condition.config.model_type, condition.config.source_domain) for condition in conditions}
    assert len(pairs) == 16
