"""The keys that every model has, and those that every model trained by gradient has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from crossad.conditions.fields import Domain, ImageSize, Problem, Schedule, Targets, key

HOLDOUT_RATIO = 0.1


def absent(data: Mapping[str, Any], name: str) -> bool:
    """True where a key is not given; an explicit null means the same, so that a full dump reads back."""
    return data.get(name) is None


class CommonConfig(BaseModel):
    """Keys of every model. Frozen and closed: a key that a model does not use is an error, not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    size_multiple: ClassVar[int] = 1
    why_multiple: ClassVar[str] = ""

    model_type: str
    source_domain: Domain = key(..., "the domain whose train/good images are fitted")
    target_domains: Targets | None = key(
        None,
        'domains that are only tested; "auto": all but the source; absent: single-domain mode',
        role="condition",
    )
    seed: int = key(42, "every random stream derives from it", ge=0, lt=2**63)
    image_size: ImageSize = key((224, 224), "network input (H, W): bilinear, never a crop", unit="pixels")
    normalisation: Literal["as_stored", "source_stats", "domain_stats", "per_image"] = key(
        "as_stored",
        "scale of the pixels; domain_stats and per_image look at the target: adaptation, not transfer",
    )
    validation: Literal["source_test", "holdout"] = key(
        "source_test",
        "what chooses checkpoint and threshold: the source's test split (the guide's; selected on test) or "
        "held-out source-train normals with synthetic faults; absent in single-domain mode: holdout",
    )
    val_split_ratio: float | None = key(
        None,
        f"share of source train/good held out; only with validation holdout, there {HOLDOUT_RATIO}",
        unit="fraction",
        gt=0,
        lt=1,
    )
    limit_images: int | None = key(
        None, "at most so many images per domain, split and label, drawn evenly by seed", unit="images", ge=1
    )
    batch_size: int = key(16, "images per step", unit="images", ge=1, le=4096)
    num_workers: int = key(8, "most reader threads", unit="threads", role="execution", ge=0, le=256)
    max_visualizations: int = key(16, "pictures per domain; 0: none, -1: all", unit="images", role="execution", ge=-1)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: object) -> object:
        """Put in the defaults that depend on other keys, so that a resolved config hides nothing."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        cls.fill(filled)
        return filled

    @classmethod
    def fill(cls, data: dict[str, Any]) -> None:
        """Add dependent defaults in place; values are unchecked here, so only compare them."""
        if absent(data, "validation"):
            data["validation"] = "holdout" if absent(data, "target_domains") else "source_test"
        if data["validation"] == "holdout" and absent(data, "val_split_ratio"):
            data["val_split_ratio"] = HOLDOUT_RATIO

    @classmethod
    def fixed(cls, name: str) -> bool:
        """True for a key of this model that has one allowed value only."""
        annotation = cls.model_fields[name].annotation
        return get_origin(annotation) is Literal and len(get_args(annotation)) == 1

    def warnings(self, given: Mapping[str, Any]) -> Iterator[str]:
        """What is allowed but worth a word; `given` is the config before defaults."""
        del given
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self.problems())
        if problems:
            raise PydanticCustomError("problems", "keys that do not fit together", {"problems": problems})
        return self

    def problems(self) -> Iterator[Problem]:
        """Rules over several keys that this condition breaks."""
        if isinstance(self.target_domains, tuple) and self.source_domain in self.target_domains:
            yield Problem(
                "target_domains",
                f"the source {self.source_domain} is also a target",
                "domains other than source_domain",
                "the source's test split is always evaluated; leave it out here",
            )
        if self.validation != "holdout" and self.val_split_ratio is not None:
            yield Problem(
                "val_split_ratio",
                "not used: validation is the source's test split",
                "only with validation holdout or in single-domain mode (no target_domains)",
                "remove it (crossad migrate does), or set validation to holdout",
            )
        if any(side % self.size_multiple for side in self.image_size):
            yield Problem(
                "image_size",
                f"image size does not fit {self.model_type}",
                f"height and width divisible by {self.size_multiple} ({self.why_multiple}), "
                f"for example {_nearest(self.image_size, self.size_multiple)}",
            )


def _nearest(size: tuple[int, int], multiple: int) -> str:
    return "x".join(str(max(1, round(side / multiple)) * multiple) for side in size)


class TrainedConfig(CommonConfig):
    """Keys of the models trained by gradient: DRAEM, DRAEM-SevNet, Dinomaly."""

    max_epochs: int = key(50, "passes over the source's train/good", unit="epochs", ge=1, le=100_000)
    max_steps: int | None = key(None, "stop after so many steps, if that is earlier", unit="steps", ge=1)
    learning_rate: float = key(1e-4, "as written, for every trained model", gt=0, le=1)
    optimizer: Literal["adam", "adamw", "sgd", "stable_adamw"] = key(
        "adam", "adam: coupled L2; adamw, stable_adamw: decoupled decay; sgd: momentum .9"
    )
    weight_decay: float = key(0.0, "as written; absent: none", ge=0, le=1)
    scheduler: Schedule | None = key(
        None,
        "learning rate over steps; absent: for dinomaly a warm-up of min(100 steps, 10 %) and cosine to "
        "lr/10, constant for the others",
    )
    warmup_steps: int | None = key(
        None, "linear warm-up; only with warmup_cosine or dinomaly's own schedule", unit="steps", ge=0
    )
    gradient_clip_val: float = key(0.0, "largest gradient norm; 0: no clipping", ge=0)
    early_stopping_patience: int | None = key(
        None,
        "stop after so many epochs without a better validation AUROC; absent: never",
        unit="epochs",
        ge=1,
    )
    check_val_every_n_epoch: int = key(1, "validate after every so many epochs", unit="epochs", ge=1)
    early_stopping_min_delta: float = key(
        0.001, "smallest gain that counts, for stopping and for the best checkpoint", unit="AUROC", ge=0, lt=1
    )

    def problems(self) -> Iterator[Problem]:
        """Rules over several keys that this condition breaks."""
        yield from super().problems()
        if self.warmup_steps is not None and not self.warms_up:
            yield Problem(
                "warmup_steps",
                "not used: the schedule has no warm-up in steps",
                'only with scheduler "warmup_cosine", or without scheduler for dinomaly',
                "schedules given as an object take warmup_epochs inside it",
            )

    @property
    def warms_up(self) -> bool:
        """True where the schedule starts with a warm-up counted in steps."""
        return self.scheduler == "warmup_cosine"
