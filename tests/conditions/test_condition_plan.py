import json

import pytest

from crossad.conditions.outlook import outlook, summary, training_steps
from crossad.conditions.plan import (
    condition_parts,
    evaluation_parts,
    needs_domains,
    plan_entry,
    training_parts,
)
from crossad.conditions.suite import parse_config, parse_suite
from crossad.results.plan import PlanEntry

A = {"model_type": "draem", "source_domain": "domain_A"}


def conditions(*configs, overrides=None):
    elements = [{"name": f"c{index}", "config": config} for index, config in enumerate(configs)]
    return parse_suite("f.json", json.dumps({"experiment_conditions": elements}).encode(), overrides).conditions


def never(kind, key, parts):
    return "new"


def test_an_entry_is_one_that_results_can_pin():
    (condition,) = conditions({**A, "target_domains": "auto"}, overrides={"max_epochs": 2})
    entry = PlanEntry.model_validate(plan_entry(condition, ["domain_A", "domain_B"]))
    assert entry.overrides == {"max_epochs": 2}
    assert entry.config["target_domains"] == ["domain_B"]
    assert list(entry.evaluation_keys) == ["domain_A", "domain_B"]
    assert parse_config(json.loads(json.dumps(entry.config))).max_epochs == 2


def test_only_auto_targets_need_to_know_the_data():
    assert needs_domains(conditions({**A, "target_domains": "auto"}))
    assert not needs_domains(conditions({**A, "target_domains": ["domain_B"]}, A))


def test_the_parts_of_the_data_that_decide_each_piece():
    plain = parse_config({**A, "target_domains": ["domain_B"]})
    assert training_parts(plain) == [("domain_A", "test"), ("domain_A", "train")]
    assert ("domain_B", "train") not in evaluation_parts(plain, "domain_B")
    assert condition_parts(plain) == [("domain_A", "test"), ("domain_A", "train"), ("domain_B", "test")]
    adapted = parse_config({**A, "target_domains": ["domain_B"], "normalisation": "domain_stats"})
    assert ("domain_B", "train") in evaluation_parts(adapted, "domain_B")
    assert training_parts(parse_config({**A, "validation": "holdout"})) == [("domain_A", "train")]


def test_conditions_with_one_training_share_it():
    entries = [
        plan_entry(condition, ())
        for condition in conditions(
            {**A, "target_domains": ["domain_B"]}, {**A, "target_domains": ["domain_C"]}, {**A, "seed": 1}
        )
    ]
    rows = outlook(entries, never)
    assert [(row.training, row.shared_with) for row in rows] == [
        ("to do", None),
        ("shared", 0),
        ("to do", None),
    ]
    assert summary(rows)["trainings_to_do"] == 2
    assert summary(rows)["training_steps"] is None


@pytest.mark.parametrize(
    ("committed", "state", "training", "to_score"),
    [
        ({}, "new", "to do", ("domain_A", "domain_B")),
        ({"condition": "done"}, "done", "done", ()),
        ({"condition": "stale", "training": "done"}, "stale", "done", ("domain_A", "domain_B")),
        ({"condition": "failed", "training": "done", "evaluation": "done"}, "failed", "done", ()),
    ],
)
def test_what_is_committed_is_not_done_again(committed, state, training, to_score):
    entries = [plan_entry(condition, ()) for condition in conditions({**A, "target_domains": ["domain_B"]})]
    (row,) = outlook(entries, lambda kind, key, parts: committed.get(kind, "new"))
    assert (row.state, row.training, row.to_score) == (state, training, to_score)


def test_cost_is_counted_in_steps_and_images():
    entries = [plan_entry(condition, ()) for condition in conditions({**A, "target_domains": ["domain_B"]})]
    rows = outlook(entries, never, lambda domain, split: 100 if split == "train" else 60)
    assert (rows[0].steps, rows[0].images_to_score) == (7 * 50, 120)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({**A, "target_domains": ["b"], "max_epochs": 3}, 3 * 7),
        ({**A, "target_domains": ["b"], "max_steps": 4}, 4),
        ({**A, "target_domains": ["b"], "max_epochs": 1, "limit_images": 20}, 2),
        ({**A, "max_epochs": 1, "val_split_ratio": 0.5}, 4),
        ({"model_type": "patchcore", "source_domain": "a", "target_domains": ["b"], "batch_size": 10}, 10),
    ],
)
def test_training_steps(config, steps):
    assert training_steps(parse_config(config), 100) == steps
