import json

import pytest

from crossad.conditions.migrate import migrate
from crossad.conditions.suite import parse_suite
from crossad.errors import ConditionError


def convert(config, targets="auto", **envelope):
    document = {**envelope, "experiment_conditions": [{"name": "old", "config": config}]}
    result = migrate(document, targets)
    return result.document["experiment_conditions"][0]["config"], result.changes


def test_the_guides_example():
    old = {"model_type": "draem", "source_domain": "domain_A", "val_split_ratio": 0.1}
    new, changes = convert(old, ("domain_A", "domain_B", "domain_C", "domain_D"))
    assert new == {
        "model_type": "draem",
        "source_domain": "domain_A",
        "target_domains": ["domain_B", "domain_C", "domain_D"],
    }
    assert any("val_split_ratio removed (was 0.1)" in change for change in changes)
    assert any("target_domains added" in change for change in changes)
    assert old["val_split_ratio"] == 0.1


def test_targets_are_auto_unless_given():
    assert convert({"model_type": "draem", "source_domain": "domain_A"})[0]["target_domains"] == "auto"


def test_targets_that_are_there_stay():
    new, changes = convert(
        {"model_type": "draem", "source_domain": "domain_A", "target_domains": ["domain_B"]}, ("domain_C",)
    )
    assert new["target_domains"] == ["domain_B"]
    assert changes == []


def test_old_keys_are_renamed_respelt_and_removed_aloud():
    old = {
        "model_type": "draem_sevnet",
        "domain": "Domain_C",
        "target_domains": ["Domain_D", "domain_A"],
        "severity_loss_type": "huber",
        "target_size": [224, 224],
        "dataset_root": "/data",
        "num_training_samples": 1000,
    }
    new, changes = convert(old)
    assert new == {
        "model_type": "draem_sevnet",
        "source_domain": "domain_C",
        "target_domains": ["domain_D", "domain_A"],
        "severity_loss_type": "smooth_l1",
        "image_size": [224, 224],
    }
    told = "\n".join(changes)
    for word in (
        "domain",
        "Domain_C",
        "Domain_D",
        "huber",
        "target_size",
        "dataset_root",
        "num_training_samples",
    ):
        assert word in told


def test_keys_that_patchcore_never_used_go():
    new, changes = convert({"model_type": "patchcore", "source_domain": "domain_A", "learning_rate": 0.1})
    assert "learning_rate" not in new
    assert any("patchcore does not use it" in change for change in changes)


def test_shared_defaults_are_converted_once():
    new, _ = convert({"model_type": "draem"}, defaults={"domain": "Domain_A", "val_split_ratio": 0.2})
    assert new == {"model_type": "draem", "target_domains": "auto"}


def test_the_result_is_a_good_suite():
    document = {"experiment_conditions": [{"name": "x", "config": {"model_type": "draem", "domain": "domain_A"}}]}
    result = migrate(document)
    (condition,) = parse_suite("new.json", json.dumps(result.document).encode()).conditions
    assert condition.config.target_domains == "auto"
    assert migrate(result.document).changes == []


@pytest.mark.parametrize("document", [{}, {"experiment_conditions": 3}, {"experiment_conditions": [3, {"config": 4}]}])
def test_what_has_no_configs_is_left_alone(document):
    assert migrate(document).document == document


def test_what_is_no_object_is_refused():
    with pytest.raises(ConditionError):
        migrate([1])
