"""Kinds of objects and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A kind of object."""

    plural: str
    group: str = ""  # "" is the core group
    version: str = "v1"
    namespaced: bool = True

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        """Of the collection, of one object, or of a part of it such as its log."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, sub]
        return "/" + "/".join(quote(part, safe="") for part in parts if part)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


JOBS = Resource("jobs", "batch")
PODS = Resource("pods")
EVENTS = Resource("events")
CONFIG_MAPS = Resource("configmaps")
SECRETS = Resource("secrets")
CLAIMS = Resource("persistentvolumeclaims")
QUOTAS = Resource("resourcequotas")
SERVICE_ACCOUNTS = Resource("serviceaccounts")
PRIORITY_CLASSES = Resource("priorityclasses", "scheduling.k8s.io", namespaced=False)
RUNTIME_CLASSES = Resource("runtimeclasses", "node.k8s.io", namespaced=False)
LOCAL_QUEUES = Resource("localqueues", "kueue.x-k8s.io", "v1beta1")
NODES = Resource("nodes", namespaced=False)
NAMESPACES = Resource("namespaces", namespaced=False)
ACCESS_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)
