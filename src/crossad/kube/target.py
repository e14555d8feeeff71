"""Which cluster, which namespace, and how that was decided: said in full before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossad.errors import UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where a pod finds its identity
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


@dataclass(frozen=True)
class Target:
    """What a user asks for; what is left out is decided here, in one order.

    A named kubeconfig or context wins; inside a pod its service account is used; else `KUBECONFIG`, or ~/.kube/config.
    """

    kubeconfig: str | None = None  # a file, or several joined by ":" as in KUBECONFIG
    context: str | None = None
    namespace: str | None = None
    in_cluster: bool | None = None  # None: decided by what is there
    service_account: Path = SERVICE_ACCOUNT

    def inside(self, environ: Mapping[str, str]) -> bool:
        """Whether the service account of this pod is to be used."""
        named = self.kubeconfig or self.context
        if self.in_cluster and named:
            raise UsageError("--in-cluster and a kubeconfig or context exclude each other", hint="name one of them")
        if self.in_cluster is not None:
            return self.in_cluster
        return not named and HOST in environ and (self.service_account / "token").is_file()

    def files(self, environ: Mapping[str, str]) -> str:
        """The kubeconfig file, or several joined as in KUBECONFIG."""
        return self.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config"


@dataclass(frozen=True)
class Place:
    """Where requests go."""

    server: str
    namespace: str
    source: str  # "context NAME of FILE", or "this pod's service account"

    def __str__(self) -> str:
        return f"{self.server} (namespace {self.namespace}, {self.source})"
