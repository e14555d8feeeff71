"""What is the same work: content-addressed keys of conditions, trainings and evaluations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args

from crossad.conditions.common import CommonConfig
from crossad.conditions.fields import Role
from crossad.errors import ConditionError
from crossad.files import canonical_json

# Raised when code changes a model's numbers: all its earlier results then count as other work.
PROTOCOL = {"draem": 1, "dinomaly": 1, "patchcore": 1, "draem_sevnet": 1}
KEY_LENGTH = 16
ConfigT = TypeVar("ConfigT", bound=CommonConfig)


def resolve(config: ConfigT, domains: Sequence[str]) -> ConfigT:
    """The config with "auto" targets replaced by all domains but the source.

    Raises:
        ConditionError: There is no domain left to be a target.
    """
    if config.target_domains != "auto":
        return config
    targets = tuple(sorted(set(domains) - {config.source_domain}))
    if not targets:
        raise ConditionError(
            f'target_domains "auto" finds no target: domains here are {", ".join(domains) or "none"}',
            hint="point --data at a folder with more than one domain",
        )
    return config.model_copy(update={"target_domains": targets})


@cache
def _keys(model: type[CommonConfig], roles: tuple[Role, ...]) -> tuple[str, ...]:
    return tuple(name for name in model.model_fields if role(model, name) in roles)


def role(model: type[CommonConfig], name: str) -> Role:
    """What a key of a model decides: weights, scores, the condition only, or nothing but execution."""
    extra = model.model_fields[name].json_schema_extra
    assert isinstance(extra, Mapping)  # noqa: S101 - every key is declared through fields.key
    found = extra["role"]
    assert found in get_args(Role)  # noqa: S101 - as above
    return found  # type: ignore[return-value]


def _part(config: CommonConfig, *roles: Role) -> dict[str, Any]:
    return _chosen(config, config.model_dump(mode="json", include=set(_keys(type(config), roles))), *roles)


def _chosen(config: CommonConfig, dumped: Mapping[str, Any], *roles: Role) -> dict[str, Any]:
    part = {name: dumped[name] for name in _keys(type(config), roles)}
    if isinstance(part.get("target_domains"), list):
        part["target_domains"] = sorted(part["target_domains"])  # the order of targets changes no number
    return {**part, "protocol": PROTOCOL[config.model_type]}


def _digest(kind: str, part: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{kind}:{canonical_json(part)}".encode()).hexdigest()[:KEY_LENGTH]


def identity(config: CommonConfig) -> dict[str, Any]:
    """Everything that decides a condition's numbers, and the model's protocol.

    Raises:
        ConditionError: Targets are still "auto"; what the condition means then depends on the data at hand.
    """
    if config.target_domains == "auto":
        raise ConditionError('target_domains "auto" is not resolved', hint="give the data folder: --data")
    return _part(config, "training", "evaluation", "condition")


@dataclass(frozen=True)
class Keys:
    """All names of a condition as work."""

    condition_id: str
    training_key: str
    evaluation_keys: dict[str, str]  # by domain, the source first


def all_keys(config: CommonConfig, dumped: dict[str, Any]) -> Keys:
    """What the three functions below say of a resolved condition, from one look at it: plans have thousands.

    Args:
        config: the condition.
        dumped: its `model_dump(mode="json")`.
    """
    training = _chosen(config, dumped, "training")
    evaluation = _chosen(config, dumped, "training", "evaluation")
    return Keys(
        _digest("condition", _chosen(config, dumped, "training", "evaluation", "condition")),
        _digest("training", training),
        {name: _digest("evaluation", {**evaluation, "domain": name}) for name in evaluation_domains(config)},
    )


def condition_id(config: CommonConfig) -> str:
    """The name of the condition as work: equal for equal content, whatever it is called."""
    return _digest("condition", identity(config))


def training_key(config: CommonConfig) -> str:
    """The name of the training: conditions with equal keys share their weights."""
    return _digest("training", _part(config, "training"))


def evaluation_key(config: CommonConfig, domain: str) -> str:
    """The name of one scoring pass: the training, the keys that change only scores, and the domain."""
    return _digest("evaluation", {**_part(config, "training", "evaluation"), "domain": domain})


def evaluation_domains(config: CommonConfig) -> tuple[str, ...]:
    """The domains a resolved condition is scored on: the source first, then its targets."""
    targets = config.target_domains
    return (config.source_domain, *targets) if isinstance(targets, tuple) else (config.source_domain,)
