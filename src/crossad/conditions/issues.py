"""Checks one `config` and says in people's words what pydantic found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crossad.conditions.common import CommonConfig
from crossad.conditions.faults import Path, near
from crossad.conditions.fields import Problem
from crossad.conditions.model import MODELS, Config

# keys of older files -> what to do with them now
RETIRED = {
    "domain": "it is source_domain now; crossad migrate converts the file",
    "dataset_root": "where images live is not part of a condition: crossad run ... --data FOLDER",
    "image_preprocess": "the reader takes every format as it is stored: point --data at the right folder",
    "resize_method": "images are always resized bilinearly, with antialias when shrinking",
    "target_size": "use image_size",
    "num_training_samples": "use limit_images",
    "max_visualization_batches": "use max_visualizations (images per domain)",
    "val_split_mode": "use validation: source_test or holdout",
    "warmup_epochs": 'put it into scheduler: {"type": "warmup_steplr", "warmup_epochs": ...}',
    "gpu_id": "devices are given on the command line: --gpus",
    "device": "devices are given on the command line: --gpus",
    "lambda": "use severity_weight",
}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} character(s)",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} item(s)",
    "too_long": "at most {max_length} items",
}
_MEANT = {"huber": "smooth_l1", "weighted": "weighted_average", "max": "maximum", "average": "simple_average"}


@dataclass(frozen=True)
class Issue:
    """One thing wrong with a config; `path` is relative to it."""

    path: Path
    message: str
    allowed: str | None = None
    hint: str | None = None
    of_key: bool = False
    found: bool = True


def check(config: Mapping[str, Any]) -> Config | list[Issue]:
    """The checked model of a raw config, or everything that is wrong with it."""
    model = config.get("model_type")
    if not isinstance(model, str) or model not in MODELS:
        return [_no_model(config)]
    try:
        return cast(Config, MODELS[model].model_validate(config))
    except ValidationError as error:
        return list(_all_issues(MODELS[model], config, error))


def _no_model(config: Mapping[str, Any]) -> Issue:
    allowed = ", ".join(MODELS)
    if "model_type" not in config:
        return Issue(("model_type",), "required key is missing", allowed, found=False)
    return Issue(("model_type",), "unknown model", allowed, near(config["model_type"], MODELS))


def _all_issues(model: type[CommonConfig], config: Mapping[str, Any], error: ValidationError) -> Iterator[Issue]:
    """Issues of single keys and, with those keys taken out, of keys that do not fit together."""
    bad: set[str | int] = set()
    for issue in _issues(model, config, error):
        bad.add(issue.path[0])
        yield issue
    rest = {name: value for name, value in config.items() if name not in bad} | (
        {"source_domain": "?"} if "source_domain" in bad else {}
    )
    if bad and rest != config:
        try:
            model.model_validate(rest)
        except ValidationError as further:
            yield from (issue for issue in _issues(model, rest, further) if issue.path[0] not in bad)


def _issues(model: type[CommonConfig], config: Mapping[str, Any], error: ValidationError) -> Iterator[Issue]:
    details = error.errors(include_url=False)
    inner = {detail["loc"][:-1] for detail in details if detail["loc"]}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in inner:
            continue  # pydantic counts only good items; the bad ones are faults of their own
        problems: Iterable[Problem] | None = detail.get("ctx", {}).get("problems")
        if problems is None:
            yield _issue(model, config, detail)
            continue
        for problem in problems:
            yield Issue((problem.key,), problem.message, problem.allowed, problem.hint, found=problem.key in config)


def _issue(model: type[CommonConfig], config: Mapping[str, Any], detail: ErrorDetails) -> Issue:
    path = _path(config, detail)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        return Issue(path, "required key is missing", found=False)
    if kind in {"literal_error", "union_tag_invalid"}:
        words = context.get("expected") or context["expected_tags"]
        meant = _meant(context.get("tag", detail["input"]), words)
        return Issue(path, "value not allowed", words.replace("'", ""), meant)
    if kind == "one_of":
        allowed = context["allowed"]
        return Issue(path, detail["msg"], ", ".join(allowed), near(detail["input"], allowed))
    return Issue(path, *_plain(kind, detail["msg"], context))


def _plain(kind: str, message: str, context: Mapping[str, Any]) -> tuple[str, str | None]:
    """(message, allowed) of an error that is about the value alone."""
    if kind in _TYPES:
        return "wrong type", _TYPES[kind]
    if kind in _BOUNDS:
        return "out of range", _BOUNDS[kind].format(**context)
    if kind == "string_pattern_mismatch":
        return "value not allowed", f"text of the form {context['pattern']}"
    return message, context.get("allowed")


def _path(config: Mapping[str, Any], detail: ErrorDetails) -> Path:
    """The location without the names of union branches: only steps that the file has, or lacks at its end."""
    path: list[str | int] = []
    at: Any = config
    last = len(detail["loc"]) - 1
    for position, step in enumerate(detail["loc"]):
        if (isinstance(at, dict) and step in at) or (
            isinstance(at, list | tuple) and isinstance(step, int) and step < len(at)
        ):
            at = at[step]  # type: ignore[index]
        elif not (position == last and detail["type"] in {"missing", "extra_forbidden"}) and path:
            continue
        path.append(step)
    return tuple(path)


def _meant(value: object, words: str) -> str | None:
    """A did-you-mean among quoted words."""
    meant = _MEANT.get(value) if isinstance(value, str) else None
    if meant is not None and meant in words:
        return f"did you mean {meant}?"
    return near(value, [word.strip("' ") for word in words.replace(" or ", ", ").split(",")])


def _unknown_key(model: type[CommonConfig], path: Path) -> Issue:
    if len(path) > 1:
        return Issue(path, "unknown key", of_key=True)
    name = str(path[0])
    this = model.model_fields["model_type"].default
    users = [other for other, known in MODELS.items() if name in known.model_fields]
    if users:
        message = f"{this} does not use this key; it is used by {', '.join(users)}"
        return Issue(path, message, hint="remove it from this condition", of_key=True)
    everywhere = {known for other in MODELS.values() for known in other.model_fields}
    hint = RETIRED.get(name) or near(name, model.model_fields) or near(name, everywhere)
    hint = hint or f"keys of {this}: crossad schema --format markdown"
    return Issue(path, "unknown key", hint=hint, of_key=True)
