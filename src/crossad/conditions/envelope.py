"""From a suite file's JSON to one raw config per condition: defaults, matrix and names worked out."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossad.conditions.faults import Path, near
from crossad.conditions.model import MODELS
from crossad.conditions.resources import check_resources

MAX_CONDITIONS = 100_000
LONGEST_NAME = 500
LIST = "experiment_conditions"
_TOP = (LIST, "suite", "defaults", "resources", "$schema")
_SUITE = ("name", "description")
_ELEMENT = ("name", "description", "config", "matrix", "resources")
_TEMPLATE = re.compile(r"\{(\w+)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Wrong:
    """A fault in the envelope, at a path of the file."""

    path: Path
    message: str
    allowed: str | None = None
    hint: str | None = None
    of_key: bool = False


Report = Callable[[Wrong], None]


@dataclass(frozen=True, slots=True)
class Raw:
    """One condition after expansion, before its config is checked."""

    element: int
    name: str
    description: str
    config: dict[str, Any]
    resources: dict[str, Any]
    choice: Mapping[str, int]  # matrix key -> which of its values

    def origin(self, key: str, document: Mapping[str, Any]) -> Path:
        """Where the file gives this config key; the config itself where it does not."""
        if key in self.choice:
            return (LIST, self.element, "matrix", key, self.choice[key])
        own, shared = document[LIST][self.element]["config"], document.get("defaults")
        if key not in own and isinstance(shared, dict) and key in shared:
            return ("defaults", key)
        return (LIST, self.element, "config", key)


def expand(document: object, report: Report) -> Iterator[Raw]:
    """All conditions in order; everything wrong with the envelope goes to `report`."""
    if not isinstance(document, dict):
        report(Wrong((), "not a suite", f"an object with {LIST}"))
        return
    _known(document, _TOP, (), report)
    _object_of_texts(document, "suite", report)
    defaults = _object(document, "defaults", (), report)
    shared, per_model = _shared_resources(document, report)
    elements = document.get(LIST)
    if not isinstance(elements, list) or not elements:
        message = "required key is missing" if LIST not in document else "no conditions"
        report(Wrong((LIST,), message, "a list of at least one condition"))
        return
    total = 0
    for index, element in enumerate(elements):
        for raw in _element(index, element, defaults, report):
            total += 1
            if total > MAX_CONDITIONS:
                report(Wrong((LIST, index), "too many conditions", f"at most {MAX_CONDITIONS} after expansion"))
                return
            model = raw.config.get("model_type")
            extra = per_model.get(model, {}) if isinstance(model, str) else {}
            raw.resources.update({**shared, **extra, **raw.resources})
            yield raw


def _element(index: int, element: object, defaults: dict[str, Any], report: Report) -> Iterator[Raw]:
    path: Path = (LIST, index)
    if not isinstance(element, dict):
        report(Wrong(path, "wrong type", "an object with name and config"))
        return
    _known(element, _ELEMENT, path, report)
    own = _object(element, "config", path, report, required=True)
    config = {**defaults, **own}
    resources = _resources(element, path, report)
    matrix = _matrix(element, own, path, report)
    name = element.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or _CONTROL.search(name):
        message = "not a name" if "name" in element else "required key is missing"
        report(Wrong((*path, "name"), message, f"text of 1 to {LONGEST_NAME} characters on one line"))
        name = ""
    description = element.get("description", "")
    if not isinstance(description, str):
        report(Wrong((*path, "description"), "wrong type", "a text"))
        description = ""
    combinations = math.prod(len(values) for values in matrix.values())
    if combinations > MAX_CONDITIONS:
        report(Wrong((*path, "matrix"), f"too many conditions: {combinations}", f"at most {MAX_CONDITIONS}"))
        return
    if not isinstance(element.get("config"), dict):
        return
    for numbers in itertools.product(*(range(len(values)) for values in matrix.values())):
        choice = dict(zip(matrix, numbers, strict=True))
        merged = {**config, **{key: matrix[key][number] for key, number in choice.items()}}
        yield Raw(index, _name(name, merged, choice), description, merged, dict(resources), choice)


def _name(name: str, config: Mapping[str, Any], choice: Mapping[str, int]) -> str:
    """The template filled in, or the name with the matrix values behind it."""
    filled = _TEMPLATE.sub(lambda match: _text(config[match[1]]) if match[1] in config else match[0], name)
    if not choice or filled != name:
        return filled
    return "_".join([name, *(_text(config[key]) for key in choice)])


def _text(value: object) -> str:
    if isinstance(value, list):
        return "-".join(_text(item) for item in value)
    return str(value)


def _matrix(element: Mapping[str, Any], own: Mapping[str, Any], path: Path, report: Report) -> dict[str, list[Any]]:
    matrix = _object(element, "matrix", path, report)
    good = {}
    for key, values in matrix.items():
        if isinstance(values, list) and values:
            good[key] = values
        else:
            report(Wrong((*path, "matrix", key), "wrong type", "a list of at least one value"))
        if key in own:
            report(Wrong((*path, "matrix", key), "key also in config", hint="remove it from config", of_key=True))
    return good


def _shared_resources(document: Mapping[str, Any], report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """The suite's resources, and those it gives per model under `models`."""
    shared = dict(_object(document, "resources", (), report))
    models = shared.pop("models", {})
    _report_resources(shared, ("resources",), report)
    if not isinstance(models, dict):
        report(Wrong(("resources", "models"), "wrong type", "an object of model_type: resources"))
        return shared, {}
    for model, value in models.items():
        path: Path = ("resources", "models", model)
        if model not in MODELS:
            report(Wrong(path, "unknown model", ", ".join(MODELS), near(model, MODELS), of_key=True))
        elif isinstance(value, dict):
            _report_resources(value, path, report)
        else:
            report(Wrong(path, "wrong type", "an object"))
    return shared, {model: value for model, value in models.items() if isinstance(value, dict)}


def _resources(element: Mapping[str, Any], path: Path, report: Report) -> dict[str, Any]:
    value = _object(element, "resources", path, report)
    _report_resources(value, (*path, "resources"), report)
    return value


def _report_resources(value: Mapping[str, Any], path: Path, report: Report) -> None:
    for inner, message, hint in check_resources(value):
        report(Wrong((*path, *inner), message, None, hint))


def _known(value: Mapping[str, Any], keys: tuple[str, ...], path: Path, report: Report) -> None:
    for name in value:
        if name not in keys:
            report(Wrong((*path, name), "unknown key", ", ".join(keys), near(name, keys), of_key=True))


def _object(
    holder: Mapping[str, Any], name: str, path: Path, report: Report, *, required: bool = False
) -> dict[str, Any]:
    if name not in holder and required:
        report(Wrong((*path, name), "required key is missing", "an object"))
    value = holder.get(name, {})
    if not isinstance(value, dict):
        report(Wrong((*path, name), "wrong type", "an object"))
        return {}
    return value


def _object_of_texts(document: Mapping[str, Any], name: str, report: Report) -> None:
    value = _object(document, name, (), report)
    _known(value, _SUITE, (name,), report)
    for key, text in value.items():
        if key in _SUITE and not isinstance(text, str):
            report(Wrong((name, key), "wrong type", "a text"))
