"""A settings file's text as settings, or every fault of it: where, what was found, what is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from crossad.conditions.faults import Fault, Path, near, show
from crossad.conditions.secrets import secrets
from crossad.errors import MissingInputError, UsageError
from crossad.manifests.document import Document
from crossad.manifests.settings import Settings

# keys that name a Secret or speak of one, and hold none
_REFERENCES = frozenset(
    {
        *("secret", "secretKey", "secretName", "secretRef", "secretKeyRef", "pullSecrets", "imagePullSecrets"),
        *("secrets", "automountServiceAccountToken", "serviceAccountToken", "clusterTrustBundle"),
    }
)
_BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "literal_error": "{expected}",
}
_TYPES = {
    "int_type": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


class SettingsError(UsageError):
    """A settings file with all its faults."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep the faults apart, and one text of them for people."""
        self.faults = faults
        count = f"{len(faults)} fault{'s' if len(faults) != 1 else ''} found"
        super().__init__("\n".join([count, *map(str, faults)]), hint="all settings: docs/settings.md")


def load_settings(file: FilePath | None, changes: dict[str, Any] | None = None) -> Settings:
    """The settings of a file, or of options alone.

    Args:
        file: YAML or JSON.
        changes: of options, as `parse_settings` takes them.

    Raises:
        MissingInputError: the file cannot be read.
        SettingsError: all faults of it.
    """
    if file is None:
        return parse_settings("--settings", "", changes)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise MissingInputError(f"cannot read settings: {file}: {why}", hint="see docs/settings.md") from error
    return parse_settings(str(file), text, changes)


def parse_settings(file: str, text: str, changes: dict[str, Any] | None = None) -> Settings:
    """The settings in a text, YAML or JSON; `file` is what faults call it.

    Args:
        file: name for messages.
        text: what it holds.
        changes: path ("data.claim") -> value, of options that win over the file; None takes the key away.

    Raises:
        SettingsError: all faults.
    """
    document = Document(file, text)
    if document.faults:
        raise SettingsError(document.faults)
    value = document.value
    hint = "put it into a Secret and name that"
    faults = [document.fault(path, why, found=None, hint=hint) for path, why in _hidden(value)]
    for path, change in (changes or {}).items():
        _set(value, path.split("."), change)
    try:
        settings = Settings.model_validate_json(json.dumps(value))
    except ValidationError as error:
        hidden = {fault.path for fault in faults}
        told = (_explain(document, detail) for detail in error.errors(include_url=False))
        raise SettingsError([*faults, *(fault for fault in told if fault.path not in hidden)]) from error
    if faults:
        raise SettingsError(faults)
    return settings


def _set(value: dict[str, Any], path: list[str], change: Any) -> None:  # noqa: ANN401 - any JSON value
    for step in path[:-1]:
        inner = value.get(step)
        if not isinstance(inner, dict):
            inner = value[step] = {}
        value = inner
    if change is None:
        value.pop(path[-1], None)
    else:
        value[path[-1]] = change


def _hidden(value: object) -> Iterator[tuple[Path, str]]:
    """Literal secrets: by the name of a key, by the name of a variable, or by the look of a text."""
    yield from secrets(_named_variables(value), references=_REFERENCES)


def _named_variables(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same, where a container's {name: N, value: V} is {N: V}, too."""
    if isinstance(value, list):
        return [_named_variables(item) for item in value]
    if not isinstance(value, dict):
        return value
    name, text = value.get("name"), value.get("value")
    if isinstance(name, str) and isinstance(text, str) and text:
        return {**value, name: text}
    return {key: _named_variables(inner) for key, inner in value.items()}


def _explain(document: Document, detail: ErrorDetails) -> Fault:
    kind, path, context = detail["type"], tuple(detail["loc"]), detail.get("ctx", {})
    path = tuple(step for step in path if not (isinstance(step, str) and step in ("[key]", "str", "int", "float")))
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        return document.fault(path, "unknown key", allowed=", ".join(known), hint=near(path[-1], known), found=None)
    if kind == "missing":
        return document.fault(path, "required key is missing", found=None)
    if kind == "value_error":
        return document.fault(path, str(context["error"]), found=None)
    if kind in _TYPES:
        return document.fault(path, "wrong type", found=show(detail["input"]), allowed=_TYPES[kind])
    if kind in _BOUNDS:
        allowed = _BOUNDS[kind].format(**context).replace("'", "")
        hint = near(detail["input"], allowed.replace(" or ", ", ").split(", ")) if kind == "literal_error" else None
        return document.fault(path, "value not allowed", found=show(detail["input"]), allowed=allowed, hint=hint)
    return document.fault(path, detail["msg"], found=show(detail["input"]))


def _fields(path: Path) -> list[str]:
    """The keys that the object at a path may have, as files spell them."""
    at: Any = Settings
    for step in path:
        if get_origin(at) is dict:
            at = get_args(at)[1]
        elif _closed(at):
            annotation = next((field.annotation for field in at.model_fields.values() if field.alias == step), None)
            options = get_args(annotation) if isinstance(annotation, UnionType) else ()
            at = next((one for one in options if _closed(one)), annotation)
    return [str(field.alias) for field in at.model_fields.values()] if _closed(at) else []


def _closed(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
