"""The parts of the cluster settings: frozen, closed, each field with its sentence."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

GIB = 2**30
_DIGEST = r"@sha256:[0-9a-f]{64}$"


def _as_text(value: object) -> object:
    """`cpu: 8` is meant as "8"."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    BeforeValidator(_as_text, json_schema_input_type=str | int | float),
    Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]  # of an object
Key = Annotated[str, Field(pattern=r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]  # a key of a Secret or a ConfigMap
AccessMode = Literal["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
Raw = dict[str, Any]  # a piece of Kubernetes' own API, passed on as it is


class Part(BaseModel):
    """A closed object of the settings; files spell its fields in camelCase, as Kubernetes does."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


PartT = TypeVar("PartT", bound=Part)


def default(kind: type[PartT]) -> PartT:
    """A part of which nothing is said."""
    return kind.model_validate({})


class Images(Part):
    """Container images."""

    trainer: str = Field(description="image of the trainer, by digest: registry/name@sha256:…")
    controller: str = Field(description="image of the controller and the aggregation, by digest")
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field("IfNotPresent", description="imagePullPolicy")
    pull_secrets: tuple[Name, ...] = Field((), description="Secrets with registry credentials, by name")
    allow_tags: bool = Field(
        False, description="allow an image without a digest: what ran is then known only by a tag that may move"
    )

    @model_validator(mode="after")
    def _pinned(self) -> Images:
        for name in ("trainer", "controller"):
            image = getattr(self, name)
            if not re.search(_DIGEST, image) and not self.allow_tags:
                raise ValueError(f"{name}: {image!r} has no digest; write NAME@sha256:…, or set allowTags: true")
        return self


class Store(Part):
    """Where runs live."""

    uri: str = Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", description="s3://bucket/prefix")
    options: dict[str, str | int | float] = Field(
        default_factory=dict, description="how to reach it, as --store-option: endpoint, region, profile, sse, …"
    )
    secret: Name | None = Field(
        None,
        description="Secret with an AWS shared credentials file, mounted as a file, never as a variable; "
        "without it the standard chain of the pod's identity",
    )
    secret_key: FileName = Field("credentials", description="the Secret's key that holds the file")


class Data(Part):
    """Where images live: a claim, or packed in S3."""

    claim: Name | None = Field(None, description="PersistentVolumeClaim with the domains, mounted read-only")
    sub_path: str | None = Field(None, description="folder of the claim that holds the domains")
    access_modes: tuple[AccessMode, ...] = Field(
        ("ReadOnlyMany",), description="the claim's access modes; one node's claim under many Jobs is told"
    )
    uri: str | None = Field(None, pattern="^s3://", description="s3://bucket/prefix that `crossad data pack` wrote")
    options: dict[str, str | int | float] = Field(default_factory=dict, description="as --data-option")
    domains: tuple[str, ...] = Field(
        (), description='the domains that are there: what "auto" targets mean, and a check of all names'
    )

    @model_validator(mode="after")
    def _one(self) -> Data:
        if (self.claim is None) == (self.uri is None):
            raise ValueError("name one of claim and uri")
        if self.options and self.uri is None:
            raise ValueError("options are for uri")
        if self.sub_path is not None:
            _check_sub_path(self.sub_path)
        return self


class Weights(Part):
    """Pretrained weights and textures: on a claim, or in a store."""

    claim: Name | None = Field(None, description="claim with the folder of `crossad assets fetch`, mounted read-only")
    sub_path: str | None = Field(None, description="folder of the claim that holds them")
    uri: str | None = Field(
        None, pattern="^s3://", description="s3://bucket/prefix that `crossad assets fetch --store` pinned them in"
    )
    options: dict[str, str | int | float] = Field(default_factory=dict, description="as --weights-option")

    @model_validator(mode="after")
    def _one(self) -> Weights:
        if self.claim is not None and self.uri is not None:
            raise ValueError("name one of claim and uri, or neither")
        if self.options and self.uri is None:
            raise ValueError("options are for uri")
        if self.sub_path is not None:
            if self.claim is None:
                raise ValueError("subPath is for claim")
            _check_sub_path(self.sub_path)
        return self


class Volumes(Part):
    """Room to write; the root file system of every container is read-only."""

    cache_claim: Name | None = Field(None, description="claim for caches that outlive a pod; else an emptyDir")
    cache: Quantity = Field("20Gi", description="size limit of the cache, where it is an emptyDir")
    scratch: Quantity = Field("20Gi", description="size limit of the working folder of results")
    tmp: Quantity = Field("2Gi", description="size limit of /tmp")
    shm: Quantity = Field("2Gi", description="size of /dev/shm, in memory; it counts against the memory limit")


class Resources(Part):
    """What a Job asks of the cluster; a suite's own `resources` win."""

    gpu_resource: Key | None = Field(None, description="nvidia.com/gpu, nvidia.com/mig-1g.10gb, gpu.shared, …")
    gpu_count: int | None = Field(None, ge=0, le=64, description="how many of it; 0: the CPU")
    cpu: Quantity | None = Field(None, description="requested and limit; the trainer's threads follow it")
    memory: Quantity | None = Field(None, description="requested and limit; holds /dev/shm, too")
    ephemeral_storage: Quantity | None = Field(None, description="requested; for cache, scratch and logs on the node")
    node_selector: dict[Key, LabelValue] | None = Field(None, description="labels that the node must have")


class Placement(Part):
    """Where pods may run."""

    node_selector: dict[Key, LabelValue] = Field(default_factory=dict, description="labels that the node must have")
    tolerations: tuple[Raw, ...] = Field((), description="as in a pod")
    affinity: Raw = Field(default_factory=dict, description="as in a pod")
    priority_class_name: Name | None = Field(None, description="PriorityClass, by name")
    runtime_class_name: Name | None = Field(None, description="RuntimeClass, by name, such as nvidia")
    scheduler_name: Name | None = Field(None, description="another scheduler than the cluster's default")


class Security(Part):
    """Who pods run as; null leaves it to the cluster (OpenShift assigns a range)."""

    run_as_user: int | None = Field(65532, ge=1, description="user id; never root; null: left to image and cluster")
    run_as_group: int | None = Field(65532, ge=1, description="group id; null: left to image and cluster")
    fs_group: int | None = Field(None, ge=1, description="group that owns volumes: where a claim is not writable else")
    supplemental_groups: tuple[int, ...] = Field((), description="further groups, such as an NFS export's")


class Queue(Part):
    """A Kueue queue: labels alone, nothing else is needed."""

    name: LabelValue | None = Field(None, description="LocalQueue of the trainers' Jobs")
    priority_class: LabelValue | None = Field(None, description="WorkloadPriorityClass of the trainers' Jobs")
    system: LabelValue | None = Field(
        None, description="LocalQueue of controller and aggregation, where every Job must have one; not the trainers'"
    )


class Proxies(Part):
    """The way out of the cluster, where there is only one."""

    http: str | None = Field(None, pattern="^https?://", description="HTTP_PROXY")
    https: str | None = Field(None, pattern="^https?://", description="HTTPS_PROXY")
    except_for: tuple[str, ...] = Field((), description="NO_PROXY: hosts, domains and networks that need no proxy")


class Certificates(Part):
    """The site's own authority, trusted by every TLS connection of the pods."""

    config_map: Name | None = Field(None, description="ConfigMap with the bundle")
    secret: Name | None = Field(None, description="Secret with the bundle")
    key: FileName = Field("ca.crt", description="the key that holds the whole bundle, in PEM")

    @model_validator(mode="after")
    def _one(self) -> Certificates:
        if (self.config_map is None) == (self.secret is None):
            raise ValueError("name one of configMap and secret")
        return self


class Job(Part):
    """How a trainer's Job lives and ends."""

    backoff_limit: int = Field(3, ge=0, le=20, description="tries after a crash; disruptions and exit code 75 are free")
    ttl_seconds: int = Field(604_800, ge=0, description="seconds a finished Job stays; its reasons go with it")
    grace_seconds: int = Field(60, ge=20, le=3600, description="seconds from SIGTERM to SIGKILL; ten are the margin")
    checkpoint_seconds: int = Field(
        120,
        ge=1,
        description="resumable state is saved this often, and sent to the store as often, or every 30 s",
    )
    device: Literal["gpu", "cpu"] = Field(
        "gpu", description="cpu: trains without the GPU that it asks for, such as on a cluster for tests"
    )
    max_runtime_seconds: int | None = Field(
        259_200, ge=60, description="work of all attempts at a condition together; beyond it fails for good; null: none"
    )
    max_preemptions: int | None = Field(
        100, ge=1, description="attempts that may be cut off; one more and the condition fails for good; null: none"
    )


class Report(Part):
    """The aggregation, which waits for all conditions and writes the report."""

    deadline_seconds: int = Field(259_200, ge=60, description="it ends by then with a report of what there is")
    grace_seconds: int = Field(600, ge=0, description="after the newest Job: how long a condition may be without one")
    cpu: Quantity = Field("1", description="requested and limit")
    memory: Quantity = Field("2Gi", description="requested and limit")
    placement: Placement = Field(default(Placement), description="of aggregation and controller")
    pod_overlay: Raw = Field(default_factory=dict, description="as podOverlay; containers: report, controller")


class Control(Part):
    """The controller, and `crossad submit`."""

    max_active: int = Field(500, ge=1, description="Jobs that may exist unfinished at once")
    start_deadline_seconds: int | None = Field(
        None,
        ge=60,
        description="a Job that cannot start (label, taint, GPU, claim, image or account that is not there, a policy) "
        "gives its slot free by then, with the reason; one that only queues (full nodes, quota, Kueue) never does",
    )


def _check_sub_path(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"subPath: got {path!r}, allowed: a folder inside the claim")
