from pathlib import Path

from crossad.conditions.identity import role
from crossad.conditions.model import MODELS
from crossad.conditions.table import KEYS, markdown

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_the_generated_one():
    assert (ROOT / "docs/keys.md").read_text() == markdown(), "run: crossad schema --format markdown > docs/keys.md"


def test_every_key_of_every_model_has_one_row():
    assert [row.key for row in KEYS] == list(dict.fromkeys(row.key for row in KEYS))
    for model, checked in MODELS.items():
        assert {row.key for row in KEYS if model in row.models} == set(checked.model_fields)


def test_rows_are_complete():
    for row in KEYS:
        assert row.description and row.type and row.default, row
        assert "|" not in row.description, row


def test_roles_are_those_that_identity_uses():
    rows = {row.key: row for row in KEYS}
    assert rows["seed"].identity == "training"
    assert rows["num_neighbors"].identity == "evaluation"
    assert rows["target_domains"].identity == "condition"
    assert rows["num_workers"].identity == "execution"
    assert rows["batch_size"].identity == "training (draem, dinomaly, draem_sevnet); execution (patchcore)"
    assert role(MODELS["patchcore"], "batch_size") == "execution"


def test_defaults_are_the_documented_ones():
    rows = {row.key: row.default for row in KEYS}
    assert rows["fault_generator"] == '"bands_v1"'
    assert rows["early_stopping_min_delta"] == "0.001"
    assert rows["weight_decay"] == "0.0"
    assert rows["gradient_clip_val"] == "0.0 (draem, draem_sevnet); 0.1 (dinomaly)"
    assert rows["normalisation"] == '"as_stored"'
    assert rows["source_domain"] == rows["model_type"] == "required"
