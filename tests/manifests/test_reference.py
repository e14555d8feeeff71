from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from crossad.manifests.reference import settings_markdown, settings_schema

from .conftest import FULL, MINIMAL, ROOT


def test_the_pages_in_docs_are_the_generated_ones():
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_markdown(), "run make golden"
    assert json.loads((ROOT / "docs/settings.schema.json").read_text(encoding="utf-8")) == settings_schema(), (
        "run make golden"
    )


def test_every_setting_has_a_sentence():
    rows = [line for line in settings_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    for row in rows:
        assert row.rstrip(" |").rpartition("| ")[2], row


@pytest.mark.parametrize("text", [MINIMAL, FULL], ids=["minimal", "full"])
def test_the_schema_takes_what_the_model_takes(text):
    jsonschema.Draft202012Validator.check_schema(settings_schema())
    jsonschema.validate(yaml.safe_load(text), settings_schema())


def test_the_schema_is_closed():
    with pytest.raises(jsonschema.ValidationError, match="optoins"):
        jsonschema.validate(
            {**yaml.safe_load(MINIMAL), "store": {"uri": "s3://bucket/p", "optoins": {}}}, settings_schema()
        )
