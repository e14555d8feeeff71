import json
from pathlib import Path

import jsonschema
import pytest

from crossad.conditions.schema import suite_schema

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(suite_schema())
GOOD = {"model_type": "draem", "source_domain": "domain_A", "target_domains": "auto"}


def test_the_schema_is_one_and_the_file_in_docs_is_it():
    jsonschema.Draft202012Validator.check_schema(suite_schema())
    assert json.loads((ROOT / "docs/suite.schema.json").read_text()) == suite_schema()


@pytest.mark.parametrize("file", sorted((ROOT / "conditions").glob("*.json")), ids=lambda file: file.name)
def test_shipped_files_are_valid(file):
    VALIDATOR.validate(json.loads(file.read_text()))


@pytest.mark.parametrize(
    "config",
    [
        {**GOOD, "batch_size": "16"},
        {**GOOD, "num_neighbors": 9},
        {**GOOD, "batch_sze": 4},
        {**GOOD, "target_domains": "some"},
        {**GOOD, "image_size": "big"},
        {**GOOD, "scheduler": {"type": "nope"}},
        {"model_type": "patchcore", "backbone": "resnet19"},
    ],
)
def test_an_editor_sees_wrong_configs(config):
    assert not VALIDATOR.is_valid({"experiment_conditions": [{"name": "x", "config": config}]})


def test_an_editor_accepts_every_part_of_a_suite():
    VALIDATOR.validate(
        {
            "$schema": "suite.schema.json",
            "suite": {"name": "s"},
            "defaults": {"seed": 1},
            "resources": {"gpu_count": 1, "models": {"patchcore": {"gpu_count": 0}}},
            "experiment_conditions": [
                {"name": "x", "config": GOOD, "matrix": {"seed": [1, 2]}, "resources": {"memory": "8Gi"}}
            ],
        }
    )
