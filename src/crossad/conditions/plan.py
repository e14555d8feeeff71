"""What a condition of a run owes: resolved config, ids and keys, and the data that decides them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossad.conditions.common import CommonConfig
from crossad.conditions.encoders import ENCODERS
from crossad.conditions.identity import all_keys, evaluation_domains, resolve
from crossad.conditions.model import Config, DinomalyConfig, PatchcoreConfig
from crossad.conditions.suite import Condition


def plan_entry(condition: Condition, domains: Sequence[str]) -> dict[str, Any]:
    """One condition of a plan.

    Raises:
        ConditionError: "auto" finds no target.
    """
    config = resolve(condition.config, domains)
    dumped = config.model_dump(mode="json")
    keys = all_keys(config, dumped)
    return {
        "experiment_id": condition.index,
        "name": condition.name,
        "description": condition.description,
        "config": dumped,
        "condition_id": keys.condition_id,
        "training_key": keys.training_key,
        "evaluation_keys": keys.evaluation_keys,
        "resources": condition.resources,
        "overrides": dict(condition.overrides),
    }


def needs_domains(conditions: Sequence[Condition]) -> bool:
    """True where "auto" targets make the plan depend on the data at hand."""
    return any(condition.config.target_domains == "auto" for condition in conditions)


Part = tuple[str, str]  # domain, split


def training_parts(config: Config) -> list[Part]:
    """The parts of the data that decide a training's weights."""
    source = config.source_domain
    return [(source, "train")] if config.validation == "holdout" else [(source, "test"), (source, "train")]


def evaluation_parts(config: Config, domain: str) -> list[Part]:
    """The parts of the data that decide one domain's scores."""
    statistics = [(domain, "train")] if config.normalisation == "domain_stats" else []
    return sorted({*training_parts(config), (domain, "test"), *statistics})


def wanted_weights(config: CommonConfig) -> str | None:
    """The timm model whose pretrained weights a condition needs, or None."""
    if isinstance(config, PatchcoreConfig) and config.pre_trained:
        return config.backbone
    if isinstance(config, DinomalyConfig) and config.pre_trained:
        return ENCODERS[config.encoder_name]
    return None


def condition_parts(config: Config) -> list[Part]:
    """The parts of the data that decide a resolved condition."""
    return sorted({part for domain in evaluation_domains(config) for part in evaluation_parts(config, domain)})
