"""A real control plane on this machine: etcd, API server, controllers, scheduler, and kwok that plays the kubelets.

Everything but the nodes is what a cluster runs: the Job controller, quota, admission, RBAC, the scheduler with its
preemption, eviction, TTL and garbage collection. Nothing needs root; it is ready in a few seconds.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import Program, wait_for

GPU = "nvidia.com/gpu"
POD_SECURITY = "pod-security.kubernetes.io/enforce"


class Refused(Exception):  # noqa: N818 - an answer of the API server
    """The API server's refusal of a request of the tests."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(f"{status}: {told}")
        self.status = status


@dataclass
class Plane:
    """A running control plane. Requests here are the tests' own, with an administrator's rights."""

    url: str
    ca: Path
    folder: Path
    tokens: dict[str, str]
    programs: dict[str, Path]
    server: Program  # the API server, which tests may end and start again
    context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self.context = ssl.create_default_context(cafile=str(self.ca))

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One request as administrator; JSON in, JSON out."""
        headers = {"Authorization": f"Bearer {self.tokens['admin']}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(asked, timeout=30, context=self.context) as answer:  # noqa: S310
                told = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode()) from error
        return json.loads(told) if told.startswith(b"{") else told.decode()

    def ready(self, path: str = "/readyz") -> bool:
        """Whether the API server answers a request."""
        with contextlib.suppress(OSError, Refused):
            self.request("GET", path)
            return True
        return False

    def kubeconfig(self, token: str | None = None, namespace: str = "default", server: str = "") -> Path:
        """A kubeconfig file with one context, `tests`; an administrator's unless another token is given.

        A server of your own, such as a proxy over plain HTTP, needs no authority.
        """
        cluster = {"server": server} if server else {"server": self.url, "certificate-authority": str(self.ca)}
        path = self.folder / f"kubeconfig-{uuid.uuid4().hex[:8]}"
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": token or self.tokens["admin"]}}],
            "contexts": [
                {"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": namespace}},
            ],
        }
        path.touch(0o600)
        path.write_text(json.dumps(told))
        return path

    def kubectl(
        self, *words: str, namespace: str = "default", token: str | None = None, told: str | None = None
    ) -> str:
        """What kubectl prints; its refusal is an error that holds what it said."""
        command = [str(self.programs["kubectl"]), "--kubeconfig", str(self.kubeconfig(token, namespace)), *words]
        done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.returncode, done.stderr)
        return done.stdout

    def namespace(self, enforce: str = "restricted") -> str:
        """A new, empty namespace under a Pod Security level; its service account is there."""
        name = f"t-{uuid.uuid4().hex[:10]}"
        self.request(
            "POST",
            "/api/v1/namespaces",
            {"metadata": {"name": name, "labels": {POD_SECURITY: enforce}}},
        )
        wait_for(f"namespace {name}", lambda: self.ready(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
        return name

    def drop(self, namespace: str) -> None:
        """Start the removal of a namespace, and do not wait for it."""
        with contextlib.suppress(Refused):
            self.request("DELETE", f"/api/v1/namespaces/{namespace}")

    def account(self, namespace: str, name: str, rules: list[dict[str, Any]]) -> str:
        """A new service account with exactly these rights in its namespace; its token."""
        base, group = f"/api/v1/namespaces/{namespace}", "rbac.authorization.k8s.io"
        role = f"/apis/{group}/v1/namespaces/{namespace}"
        self.request("POST", f"{base}/serviceaccounts", {"metadata": {"name": name}})
        self.request("POST", f"{role}/roles", {"metadata": {"name": name}, "rules": rules})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        self.request("POST", f"{role}/rolebindings", binding)
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.request("POST", f"{base}/serviceaccounts/{name}/token", asked)["status"]["token"])

    @contextlib.contextmanager
    def node(
        self,
        gpus: int = 0,
        labels: dict[str, str] | None = None,
        taints: list[dict[str, str]] | None = None,
        **more: str,
    ) -> Iterator[str]:
        """A fake node, ready, that is removed on the way out; `more` are further resources, such as memory="4Gi"."""
        name = f"node-{uuid.uuid4().hex[:8]}"
        offers = {"cpu": "1000", "memory": "4Ti", "pods": "5000", "ephemeral-storage": "8Ti", **more}
        if gpus:
            offers[GPU] = str(gpus)
        node = {
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": name, **(labels or {})},
            },
            "spec": {"taints": taints or []},
            "status": {"allocatable": offers, "capacity": offers},
        }
        self.request("POST", "/api/v1/nodes", node)
        try:
            wait_for(f"node {name}", lambda: self._usable(name, len(taints or [])))
            yield name
        finally:
            self.request("DELETE", f"/api/v1/nodes/{name}")

    def _usable(self, name: str, taints: int) -> bool:
        node = self.request("GET", f"/api/v1/nodes/{name}")
        return len(node["spec"].get("taints", [])) == taints and any(
            (condition["type"], condition["status"]) == ("Ready", "True")
            for condition in node["status"].get("conditions", [])
        )

    def running_pod(self, namespace: str, job: str) -> str:
        """The name of a Job's running pod, once there is one."""
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name={job}&fieldSelector=status.phase=Running"
        return str(self.until(path, lambda found: bool(found["items"]))["items"][0]["metadata"]["name"])

    def evict(self, namespace: str, pod: str) -> None:
        """Take a pod away as a drained node does: it carries DisruptionTarget then."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        self.request("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", body)

    def until(self, path: str, fits: Callable[[Any], bool], what: str = "") -> Any:
        """The answer to a GET as soon as it fits; a 404 is None."""
        found: list[Any] = []

        def look() -> bool:
            try:
                answer = self.request("GET", path)
            except Refused as error:
                if error.status != 404:
                    raise
                answer = None
            found[:] = [answer]
            return fits(answer)

        try:
            wait_for(what or path, look)
        except RuntimeError as error:
            raise AssertionError(f"{error}; last: {json.dumps(found[0] if found else None)[:3000]}") from error
        return found[0]
