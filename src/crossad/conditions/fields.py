"""The words a key is declared with: its role in identity, and the value types that JSON has no name for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

# Each role contains the next: what decides the weights decides the scores, and both decide the condition.
# Execution-only keys are outside all three.
Role = Literal["training", "evaluation", "condition", "execution"]

_SIZE = re.compile(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*")
_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")


def key(
    default: Any,  # noqa: ANN401 - a default is of the key's own type
    description: str,
    *,
    unit: str = "",
    role: Role = "training",
    **constraints: Any,  # noqa: ANN401 - passed through to pydantic
) -> Any:  # noqa: ANN401 - what pydantic's own Field returns
    """Declare one key: default, meaning, unit and role in identity; `...` as default makes it required."""
    return Field(default, description=description, json_schema_extra={"unit": unit, "role": role}, **constraints)


@dataclass(frozen=True)
class Problem:
    """A rule over several keys that a condition breaks; `key` is where to look first."""

    key: str
    message: str
    allowed: str
    hint: str | None = None


def parse_size(value: object) -> tuple[int, int] | None:
    """(H, W) from "HxW" or [H, W]; None for anything else."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(match[1]), int(match[2])
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(item) is int for item in value):
        return value[0], value[1]
    return None


def _image_size(value: object) -> tuple[int, int]:
    size = parse_size(value)
    if size is None:
        raise PydanticCustomError(
            "image_size", "not an image size", {"allowed": '"HxW" or [H, W], for example "224x224"'}
        )
    return size


def _in_range(value: tuple[int, int]) -> tuple[int, int]:
    if not all(8 <= side <= 4096 for side in value):
        raise PydanticCustomError("image_size", "image size out of range", {"allowed": "8 to 4096 pixels a side"})
    return value


ImageSize = Annotated[
    tuple[int, int],
    BeforeValidator(_image_size),
    AfterValidator(_in_range),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+[xX]\d+$"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 8, "maximum": 4096},
                    "minItems": 2,
                    "maxItems": 2,
                },
            ]
        }
    ),
]


def _as_tuple(value: object) -> object:
    """JSON has lists only; a frozen model wants tuples."""
    return tuple(value) if isinstance(value, list) else value


def _ascending(value: tuple[Any, Any]) -> tuple[Any, Any]:
    if value[0] > value[1]:
        raise PydanticCustomError("range", "range is empty", {"allowed": "[low, high] with low <= high"})
    return value


def _no_repeats(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(value)) != len(value):
        repeated = sorted({str(item) for item in value if value.count(item) > 1})
        raise PydanticCustomError(
            "repeats",
            "named more than once: {names}",
            {"names": ", ".join(repeated), "allowed": "each value once"},
        )
    return value


def _safe_name(value: str) -> str:
    """A domain is a folder's name, so it may not lead out of the data folder."""
    if not value.strip() or value in {".", ".."} or _UNSAFE_NAME.search(value):
        raise PydanticCustomError(
            "domain", "not a domain name", {"allowed": 'the name of a folder, such as "domain_A"'}
        )
    return value


FromList: BeforeValidator = BeforeValidator(_as_tuple)
Domain = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_safe_name)]
Domains = Annotated[tuple[Domain, ...], Field(min_length=1), FromList, AfterValidator(_no_repeats)]
# told apart before they are checked, so that a wrong value is one fault, not one per alternative
Targets = Annotated[
    Annotated[Domains, Tag("list")] | Annotated[Literal["auto"], Tag("auto")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "auto"),
]
Layer = Annotated[int, Field(ge=0, le=63)]
EncoderLayers = Annotated[tuple[Layer, ...], Field(min_length=2), FromList, AfterValidator(_no_repeats)]
LayerNames = Annotated[tuple[str, ...], Field(min_length=1, max_length=8), FromList, AfterValidator(_no_repeats)]
Pixels = Annotated[int, Field(ge=1, le=4096)]
PixelRange = Annotated[tuple[Pixels, Pixels], FromList, AfterValidator(_ascending)]
Ratio = Annotated[float, Field(gt=0, le=100)]
RatioRange = Annotated[tuple[Ratio, Ratio], FromList, AfterValidator(_ascending)]


def one_of(what: str, allowed: tuple[str, ...]) -> tuple[AfterValidator, WithJsonSchema]:
    """The annotations of a text that must be one of `allowed`."""

    def check(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("one_of", "unknown {what}", {"what": what, "allowed": list(allowed)})
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(allowed)})


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class StepSchedule(_Schedule):
    """The learning rate times `gamma` every `step_size` epochs."""

    type: Literal["steplr"] = "steplr"
    step_size: int = Field(ge=1, description="epochs between two drops")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of a drop")


class WarmupStepSchedule(_Schedule):
    """A linear warm-up, then the step schedule."""

    type: Literal["warmup_steplr"] = "warmup_steplr"
    step_size: int = Field(ge=1, description="epochs between two drops")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of a drop")
    warmup_epochs: int = Field(1, ge=0, description="epochs of linear warm-up")


class CosineSchedule(_Schedule):
    """Cosine from the learning rate to `eta_min` over `T_max` epochs (default: the whole training)."""

    type: Literal["cosine"] = "cosine"
    T_max: int | None = Field(None, ge=1, description="epochs; absent: the whole training")
    eta_min: float = Field(0.0, ge=0, description="learning rate at the end")
    warmup_epochs: int = Field(0, ge=0, description="epochs of linear warm-up before it")


ScheduleObject = Annotated[StepSchedule | WarmupStepSchedule | CosineSchedule, Field(discriminator="type")]
Schedule = Annotated[
    Annotated[ScheduleObject, Tag("object")] | Annotated[Literal["cosine", "warmup_cosine"], Tag("name")],
    Discriminator(lambda value: "object" if isinstance(value, dict | _Schedule) else "name"),
]
