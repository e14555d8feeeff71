"""What is looked at of objects that come by the thousand: a list passes the rest over (`parsing`).

Names and meanings are those of the API reference; whatever reads an object may find a field absent.
"""

from __future__ import annotations

from typing import TypedDict

from crossad.kube.reading import Object


class _Owner(TypedDict):
    uid: str


class _Metadata(TypedDict, total=False):
    name: str
    uid: str
    creationTimestamp: str | None
    deletionTimestamp: str | None


class _Named(_Metadata, total=False):
    labels: dict[str, str] | None
    annotations: dict[str, str] | None


class _Owned(_Metadata, total=False):
    ownerReferences: list[_Owner] | None


class _JobSpec(TypedDict, total=False):
    suspend: bool | None


class JobForm(TypedDict, total=False):
    """Whose Job it is, whether it is held back, and how it goes."""

    metadata: _Named
    spec: _JobSpec
    status: Object


class _Container(TypedDict, total=False):
    resources: Object


class _PodSpec(TypedDict, total=False):
    nodeName: str
    nodeSelector: Object
    affinity: Object
    tolerations: list[Object]
    volumes: list[Object]
    containers: list[_Container]


class _PodStatus(TypedDict, total=False):
    phase: str
    reason: str
    message: str
    conditions: list[Object] | None
    containerStatuses: list[Object] | None
    initContainerStatuses: list[Object] | None


class PodForm(TypedDict, total=False):
    """Whose pod it is, where it is or may be, and how it goes."""

    metadata: _Owned
    spec: _PodSpec
    status: _PodStatus


class _About(TypedDict, total=False):
    uid: str  # whoever writes an event may leave it out


class EventForm(TypedDict, total=False):
    """What happened to whom, and when; not who says so."""

    metadata: _Metadata
    involvedObject: _About
    reason: str
    message: str
    series: Object | None
    lastTimestamp: str | None
    eventTime: str | None


class _NodeMetadata(TypedDict, total=False):
    labels: dict[str, str] | None


class _NodeSpec(TypedDict, total=False):
    taints: list[Object] | None


class _NodeStatus(TypedDict, total=False):
    allocatable: dict[str, str] | None


class NodeForm(TypedDict, total=False):
    """What decides who may run on a node."""

    metadata: _NodeMetadata
    spec: _NodeSpec
    status: _NodeStatus
