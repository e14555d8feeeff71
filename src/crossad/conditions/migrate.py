"""Older condition files as multi-domain suites: the guide's last chapter, and keys that went away."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from crossad.conditions.envelope import LIST
from crossad.conditions.issues import RETIRED
from crossad.conditions.model import MODELS
from crossad.errors import ConditionError

Targets = tuple[str, ...] | Literal["auto"]
_CAPITAL = re.compile(r"Domain_(\w+)")
_REMOVED = (
    "val_split_ratio",
    "val_split_mode",
    *(name for name in RETIRED if name not in {"domain", "lambda"}),
)


@dataclass
class Migration:
    """A converted document, and every change in people's words."""

    document: dict[str, Any]
    changes: list[str] = field(default_factory=list)


def migrate(document: object, targets: Targets = "auto") -> Migration:
    """Convert single-domain conditions to multi-domain ones; the given document stays as it is.

    Args:
        document: A parsed suite file.
        targets: The target domains to add where a condition has none; the source is left out of a list.

    Raises:
        ConditionError: The document is no object.
    """
    if not isinstance(document, dict):
        raise ConditionError(f"not a suite: a {type(document).__name__}", hint=f"an object with {LIST} is wanted")
    result = Migration(copy.deepcopy(document))
    configs = list(_configs(result.document))
    shared = result.document.get("defaults")
    inherited = shared if isinstance(shared, dict) else {}
    if inherited:
        result.changes.extend(f"defaults: {change}" for change in _convert(inherited))
    for place, config in configs:
        result.changes.extend(f"{place}: {change}" for change in _convert(config))
        if "target_domains" not in config and "target_domains" not in inherited:
            source = config.get("source_domain", inherited.get("source_domain"))
            added = targets if targets == "auto" else [name for name in targets if name != source]
            config["target_domains"] = added
            result.changes.append(f"{place}: target_domains added: {added}")
    return result


def _configs(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    elements = document.get(LIST)
    for index, element in enumerate(elements if isinstance(elements, list) else []):
        if isinstance(element, dict) and isinstance(element.get("config"), dict):
            yield f"{index} {element.get('name', '')}".strip(), element["config"]


def _convert(config: dict[str, Any]) -> Iterator[str]:
    yield from _renamed(config)
    yield from _respelt(config)
    yield from _replaced(config)
    for name in _REMOVED:
        if name in config:
            value = config.pop(name)
            reason = RETIRED.get(name, "the source's whole test split validates now")
            yield f"{name} removed (was {value!r}): {reason}"
    yield from _unused(config)


def _renamed(config: dict[str, Any]) -> Iterator[str]:
    for old, new in (
        ("domain", "source_domain"),
        ("lambda", "severity_weight"),
        ("target_size", "image_size"),
    ):
        if old in config and new not in config:
            config[new] = config.pop(old)
            yield f"{old} is now {new}"


def _respelt(config: dict[str, Any]) -> Iterator[str]:
    source = config.get("source_domain")
    if isinstance(source, str) and (match := _CAPITAL.fullmatch(source)):
        config["source_domain"] = f"domain_{match[1]}"
        yield f"source_domain {source} respelt domain_{match[1]}"
    targets = config.get("target_domains")
    if isinstance(targets, list):
        spelt = [_CAPITAL.sub(r"domain_\1", name) if isinstance(name, str) else name for name in targets]
        if spelt != targets:
            config["target_domains"] = spelt
            yield f"target_domains {targets} respelt {spelt}"


def _replaced(config: dict[str, Any]) -> Iterator[str]:
    if config.get("severity_loss_type") == "huber":
        config["severity_loss_type"] = "smooth_l1"
        yield "severity_loss_type huber replaced by smooth_l1, the loss it meant"


def _unused(config: dict[str, Any]) -> Iterator[str]:
    """Keys that other models use and this one never did."""
    model = config.get("model_type")
    own = MODELS.get(model) if isinstance(model, str) else None
    if own is None:
        return
    for name in [name for name in config if name not in own.model_fields]:
        if any(name in other.model_fields for other in MODELS.values()):
            yield f"{name} removed (was {config.pop(name)!r}): {model} does not use it"
