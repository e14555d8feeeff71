"""What would happen if conditions ran now: what is done, what is left, which trainings are shared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from crossad.conditions.common import TrainedConfig
from crossad.conditions.model import Config
from crossad.conditions.plan import Part, condition_parts, evaluation_parts, training_parts
from crossad.conditions.suite import parse_config

State = Literal["new", "done", "failed", "stale"]
# (kind of commit, key, parts of the data it read) -> where it stands
Look = Callable[[Literal["training", "evaluation", "condition"], str, Sequence[Part]], State]
Count = Callable[[str, str], int]  # (domain, split) -> images


@dataclass(frozen=True)
class Outlook:
    """One condition: its state, and the work that is left."""

    experiment_id: int
    name: str
    condition_id: str
    state: State
    training_key: str
    training: Literal["done", "to do", "shared"]
    shared_with: int | None
    to_score: tuple[str, ...]
    steps: int | None = None
    images_to_score: int | None = None


def outlook(entries: Iterable[Mapping[str, Any]], look: Look, count: Count | None = None) -> list[Outlook]:
    """The outlook of every entry of a plan, in order.

    Args:
        entries: A plan's conditions.
        look: Says where a commit stands.
        count: Counts images; absent: no steps and no images are estimated.
    """
    first: dict[str, int] = {}
    return [_row(entry, look, count, first) for entry in entries]


def _row(entry: Mapping[str, Any], look: Look, count: Count | None, first: dict[str, int]) -> Outlook:
    config = parse_config(entry["config"])
    state = look("condition", entry["condition_id"], condition_parts(config))
    key, index = entry["training_key"], entry["experiment_id"]
    trained = state == "done" or look("training", key, training_parts(config)) == "done"
    sharing = None if trained else first.setdefault(key, index)
    trains = sharing == index
    to_score = tuple(
        domain
        for domain, evaluation in entry["evaluation_keys"].items()
        if state != "done" and look("evaluation", evaluation, evaluation_parts(config, domain)) != "done"
    )
    return Outlook(
        index,
        entry["name"],
        entry["condition_id"],
        state,
        key,
        "done" if trained else "to do" if trains else "shared",
        sharing if sharing != index else None,
        to_score,
        training_steps(config, count(config.source_domain, "train")) * trains if count else None,
        sum(_limited(count(domain, "test"), config, labels=2) for domain in to_score) if count else None,
    )


def _limited(images: int, config: Config, *, labels: int) -> int:
    return images if config.limit_images is None else min(images, labels * config.limit_images)


def training_steps(config: Config, images: int) -> int:
    """Optimizer steps (PatchCore: passes of a batch) over so many source images, if nothing stops early."""
    images = _limited(images, config, labels=1)
    if config.val_split_ratio is not None:
        images -= round(images * config.val_split_ratio)
    steps = math.ceil(images / config.batch_size) * config.max_epochs
    if isinstance(config, TrainedConfig) and config.max_steps is not None:
        return min(steps, config.max_steps)
    return steps


def summary(rows: Sequence[Outlook]) -> dict[str, Any]:
    """The totals of an outlook."""
    states = Counter(row.state for row in rows)
    counted = any(row.steps is not None for row in rows)
    return {
        "conditions": len(rows),
        **{state: states[state] for state in ("new", "done", "failed", "stale")},
        "trainings_to_do": sum(row.training == "to do" for row in rows),
        "trainings_shared": sum(row.training == "shared" for row in rows),
        "evaluations_to_do": sum(len(row.to_score) for row in rows),
        "training_steps": sum(row.steps or 0 for row in rows) if counted else None,
        "images_to_score": sum(row.images_to_score or 0 for row in rows) if counted else None,
    }
