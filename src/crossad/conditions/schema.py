"""The JSON Schema of suite files, for editors; made from the models that check them.

A config is checked as far as one place of a file can tell: a key may also come from `defaults` or `matrix`,
so none is required here, and rules over several keys are left to `crossad validate`.
"""

from __future__ import annotations

from typing import Any

from crossad.conditions.envelope import LONGEST_NAME
from crossad.conditions.model import MODELS
from crossad.conditions.resources import Resources

_REFS = "#/$defs/{model}"
_TEXT = {"type": "string"}


def suite_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a suite file."""
    defs: dict[str, Any] = {}
    for model, checked in MODELS.items():
        schema = checked.model_json_schema(ref_template=_REFS)
        defs.update(schema.pop("$defs", {}))
        schema.pop("required", None)
        defs[model] = schema
    any_key: dict[str, Any] = {name: {} for model in MODELS for name in defs[model]["properties"]}
    resources = Resources.model_json_schema()
    of_models = {
        "type": "object",
        "propertyNames": {"enum": list(MODELS)},
        "additionalProperties": resources,
    }
    shared = {**resources, "properties": {**resources["properties"], "models": of_models}}
    conditions = {"type": "array", "minItems": 1, "items": _condition(any_key, resources)}
    properties = {
        "$schema": _TEXT,
        "suite": _closed({"name": _TEXT, "description": _TEXT}),
        "defaults": _closed(any_key),
        "resources": shared,
        "experiment_conditions": conditions,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "crossad suite",
        "description": "Comments and trailing commas are allowed, too; crossad validate checks more.",
        **_closed(properties, required=["experiment_conditions"]),
        "$defs": defs,
    }


def _condition(any_key: dict[str, Any], resources: dict[str, Any]) -> dict[str, Any]:
    values = {"type": "array", "minItems": 1}
    return _closed(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
            "description": _TEXT,
            "config": {"type": "object", "allOf": [_branch(model) for model in MODELS]},
            "matrix": _closed(dict.fromkeys(any_key, values)),
            "resources": resources,
        },
        required=["name", "config"],
    )


def _branch(model: str) -> dict[str, Any]:
    """The model's keys, where `model_type` says that it is this model."""
    return {
        "if": {"properties": {"model_type": {"const": model}}, "required": ["model_type"]},
        "then": {"$ref": f"#/$defs/{model}"},
    }


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    closed: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**closed, "required": required} if required else closed
