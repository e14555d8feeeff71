"""The cluster settings: one closed schema for `--settings FILE`, for the chart's values, and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

from crossad.conditions.model import MODELS
from crossad.errors import CrossadError
from crossad.manifests import parts, words
from crossad.manifests.parts import Key, LabelValue, Name, Part, Raw
from crossad.store.options import S3Options

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
DEFAULTS = parts.Resources.model_validate(
    {"gpuResource": "nvidia.com/gpu", "gpuCount": 1, "cpu": "4", "memory": "16Gi", "ephemeralStorage": "40Gi"}
)


class Settings(Part):
    """Everything about a cluster that a condition does not say."""

    namespace: Namespace = Field("crossad", description="namespace of every object")
    images: parts.Images = Field(description="container images")
    store: parts.Store = Field(description="where runs live")
    data: parts.Data = Field(description="where images live")
    weights: parts.Weights = Field(
        parts.default(parts.Weights),
        description="pretrained weights and textures; without a word: the image's, then those of the run's own store",
    )
    volumes: parts.Volumes = Field(parts.default(parts.Volumes), description="room to write")
    resources: parts.Resources = Field(DEFAULTS, description="of every trainer; what is left out has its default")
    models: dict[str, parts.Resources] = Field(default_factory=dict, description="resources of one model's trainers")
    placement: parts.Placement = Field(parts.default(parts.Placement), description="where trainers may run")
    security: parts.Security = Field(parts.default(parts.Security), description="who pods run as")
    labels: dict[Key, LabelValue] = Field(default_factory=dict, description="labels of every Job and pod")
    annotations: dict[Key, str] = Field(default_factory=dict, description="annotations of every Job and pod")
    queue: parts.Queue = Field(parts.default(parts.Queue), description="Kueue")
    proxies: parts.Proxies = Field(parts.default(parts.Proxies), description="the way out of the cluster")
    ca: parts.Certificates | None = Field(None, description="the site's own certificate authority")
    service_account: Name | None = Field(
        None, description="of trainers: an identity for the store without keys; they get no token of the cluster's API"
    )
    pod_overlay: Raw = Field(
        default_factory=dict,
        description="a piece of pod template (metadata, spec), merged strategically into every trainer's; "
        "the container is called trainer",
    )
    job: parts.Job = Field(parts.default(parts.Job), description="how a trainer's Job lives and ends")
    report: parts.Report = Field(parts.default(parts.Report), description="the aggregation")
    control: parts.Control = Field(parts.default(parts.Control), description="the controller, and crossad submit")

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        for name in self.models:
            if name not in MODELS:
                raise ValueError(f"models: {name}: unknown model, allowed: {', '.join(MODELS)}")
        for kind in ("labels", "annotations"):
            for key in getattr(self, kind):
                if key.startswith((words.PREFIX, "app.kubernetes.io/", "kueue.x-k8s.io/")):
                    raise ValueError(f"{kind}: {key}: crossad sets this itself")
        for where in ("store", "data", "weights"):
            _check_options(where, getattr(self, where).options)
        for where, overlay in (("podOverlay", self.pod_overlay), ("report.podOverlay", self.report.pod_overlay)):
            _check_overlay(where, overlay)
        return self

    def resources_of(self, model: str, own: dict[str, Any]) -> parts.Resources:
        """What a condition's Job asks for: defaults, settings, settings of its model, its suite; the last one wins."""
        found = DEFAULTS.model_dump()
        for level in (self.resources, self.models.get(model)):
            found.update(level.model_dump(exclude_none=True) if level else {})
        found.update({name: value for name, value in own.items() if value is not None})
        return parts.Resources.model_construct(**found)

    def warnings(self, jobs: int) -> Iterator[str]:
        """What is allowed and yet worth a word.

        Args:
            jobs: how many there will be.
        """
        if self.images.allow_tags:
            yield "images.allowTags: what ran is known only by a tag that may move"
        modes = set(self.data.access_modes)
        if self.data.claim and jobs > 1 and not modes & {"ReadOnlyMany", "ReadWriteMany"}:
            yield (
                f"data.claim {self.data.claim} is for one node at a time ({', '.join(sorted(modes))}): "
                f"{jobs} Jobs can only run on that one; use a ReadOnlyMany claim, or data.uri"
            )
        if self.job.ttl_seconds < self.report.deadline_seconds:
            yield (
                f"job.ttlSeconds {self.job.ttl_seconds} is shorter than report.deadlineSeconds "
                f"{self.report.deadline_seconds}: reasons of failed Jobs may be gone before the report is written"
            )


def _check_options(where: str, options: dict[str, Any]) -> None:
    if "ca_bundle" in options:
        raise ValueError(f"{where}.options: ca_bundle is a file of a pod; name the authority under ca")
    try:
        S3Options.of(options)
    except CrossadError as error:
        raise ValueError(f"{where}.options: {error.message}") from error


def _check_overlay(where: str, overlay: Raw) -> None:
    if unknown := set(overlay) - {"metadata", "spec"}:
        raise ValueError(f"{where}: {', '.join(sorted(unknown))}: allowed: metadata, spec (a piece of a pod template)")
    for name in overlay:
        if not isinstance(overlay[name], dict):
            raise ValueError(f"{where}.{name}: an object is wanted")
    if (overlay.get("spec") or {}).get("restartPolicy", "Never") != "Never":
        raise ValueError(f"{where}.spec.restartPolicy: allowed: Never; a podFailurePolicy needs it")
