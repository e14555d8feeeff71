"""What a condition asks of a cluster. Execution only: outside identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossad.conditions.faults import Path, near

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
LabelKey = Annotated[str, Field(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]

LIKE_RESOURCES = "give both the same `resources`"


class Resources(BaseModel):
    """GPU resource and count, CPU, memory, node selector; each may be left to the cluster's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    gpu_resource: LabelKey | None = Field(None, description="resource name, such as nvidia.com/gpu")
    gpu_count: int | None = Field(None, ge=0, le=64, description="how many of it")
    cpu: Quantity | None = Field(None, description='Kubernetes quantity, such as "8"')
    memory: Quantity | None = Field(None, description='Kubernetes quantity, such as "32Gi"')
    ephemeral_storage: Quantity | None = Field(None, description='Kubernetes quantity, such as "20Gi"')
    node_selector: dict[LabelKey, str] | None = Field(None, description="labels that the node must have")


def check_resources(value: Mapping[str, Any]) -> list[tuple[Path, str, str | None]]:
    """(path, message, hint) of everything wrong with a resources object."""
    try:
        Resources.model_validate(value)
    except ValidationError as error:
        return [_explain(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()]
    return []


def unlike_resources(one: tuple[int, str], other: tuple[int, str]) -> str:
    """What to say of two conditions, each an id and a name, that one pod cannot serve."""
    return (
        f"conditions {one[0]} ({one[1]}) and {other[0]} ({other[1]}) share one training, so one Job, "
        "and ask for different resources"
    )


def _explain(path: Path, kind: str, message: str) -> tuple[Path, str, str | None]:
    if kind == "extra_forbidden":
        return path, "unknown key", near(path[-1], Resources.model_fields)
    return tuple(part for part in path if part != "[key]"), message.removeprefix("Input ").lower(), None
