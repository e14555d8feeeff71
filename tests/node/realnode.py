"""A cluster of one real node on this machine: kubelet and containerd beside the control plane of the other tests.

Root, and Debian's packages alone; see network.py and runtime.py. One at a time on a machine: its addresses are fixed.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import authority
import boto3
import clusterbuild
import imagebuild
import network
import planeserver
import runtime
import serverbuild
import yaml
from plane import GPU, Plane, Refused
from processes import Program, free_ports, running, started, wait_for
from runtime import Runtime

NAME = "n1"
GPUS = 8
ACCESS, BUCKET = "tester", "lab"


@dataclass(frozen=True)
class Bucket:
    """An S3 server that pods and this machine reach under one address."""

    endpoint: str
    secret: str
    files: Path  # the bucket's objects, as files
    server: Program  # which tests may end and start again

    @property
    def credentials(self) -> str:
        """An AWS shared credentials file."""
        return f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {self.secret}\n"

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine needs to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": "us-east-1",
        }


@dataclass(frozen=True)
class RealNode:
    """Control plane, node and store, all running."""

    plane: Plane
    runtime: Runtime
    bucket: Bucket
    images: dict[str, str]  # target of the Dockerfile -> its name by digest

    def namespace(self) -> str:
        """A new namespace under `restricted`, with the store's credentials as a Secret."""
        name = self.plane.namespace()
        body = {"metadata": {"name": "s3-credentials"}, "stringData": {"credentials": self.bucket.credentials}}
        self.plane.request("POST", f"/api/v1/namespaces/{name}/secrets", body)
        return name

    def told(self, namespace: str) -> str:
        """What a person would look at when something is wrong: objects, events, logs."""
        words = [
            ("get", "jobs,pods", "-o", "wide"),
            ("get", "events"),
            ("logs", "--all-containers", "--prefix", "-l", "app.kubernetes.io/name=crossad", "--tail", "40"),
        ]
        found = []
        for one in words:
            try:
                found.append(self.plane.kubectl(*one, namespace=namespace))
            except Refused as error:
                found.append(str(error))
        return "\n".join(found)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[RealNode]:
    """A cluster of one node, ready to run pods."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(folder))
        stack.enter_context(network.bridge())
        trusted, certificate, key = authority.write(folder)
        reach = planeserver.Reach(
            network.API, 443, network.NODE, {f"system:node:{NAME}": "system:nodes"},
            ("--kubelet-preferred-address-types=InternalIP", f"--kubelet-client-certificate={certificate}",
             f"--kubelet-client-key={key}"),
        )  # fmt: skip
        plane = stack.enter_context(planeserver.serving(_made(folder / "plane"), reach))
        containers = stack.enter_context(runtime.serving(_made(folder / "runtime")))
        bucket = stack.enter_context(_store(_made(folder / "store")))
        names = {target: imagebuild.image(target) for target in imagebuild.TARGETS}
        images = {target: containers.load(name) for target, name in names.items()}
        containers.forget_all_but([*names.values(), imagebuild.pause()])
        stack.enter_context(_kubelet(plane, _made(folder / "kubelet"), trusted))
        yield RealNode(plane, containers, bucket, images)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While nobody else has a node; what a holder that was killed left mounted in its folder is taken away."""
    with Path("/run/crossad-node.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if before := lock.read():
            runtime.unmount(Path(before))
        lock.truncate(0)
        lock.write(str(folder))
        lock.flush()
        yield
        lock.truncate(0)


@contextlib.contextmanager
def _store(folder: Path) -> Iterator[Bucket]:
    (port,) = free_ports(1)
    secret, files = secrets.token_hex(16), folder / "files"
    files.mkdir()
    words = ["--port", f"{network.NODE}:{port}", "--access", ACCESS, "--secret", secret, "--quiet"]
    server = Program([str(serverbuild.build("versitygw")), *words, "posix", str(files)], folder / "versitygw.log")
    bucket = Bucket(f"http://{network.NODE}:{port}", secret, files / BUCKET, server)
    with started(server) as process:
        session = boto3.session.Session(ACCESS, bucket.secret, region_name="us-east-1")
        client = session.client("s3", endpoint_url=bucket.endpoint)
        wait_for("versitygw", lambda: _bucket(client), process)
        client.close()
        yield bucket


def _bucket(client: object) -> bool:
    from botocore.exceptions import BotoCoreError

    with contextlib.suppress(BotoCoreError):
        client.create_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]
        return True
    return False


@contextlib.contextmanager
def _kubelet(plane: Plane, folder: Path, trusted: Path) -> Iterator[None]:
    """The kubelet; its pods end before it does."""
    program = clusterbuild.KUBELET.build() / "kubelet"
    port, health = free_ports(2)
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE,
        "port": port,
        "healthzPort": health,
        "readOnlyPort": 0,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(trusted)}},
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": f"unix://{runtime.SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": str(folder / "logs"),
        "volumePluginDir": str(folder / "plugins"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    token = plane.tokens[f"system:node:{NAME}"]
    command = [
        str(program), f"--kubeconfig={plane.kubeconfig(token)}", f"--hostname-override={NAME}",
        f"--node-ip={network.NODE}", f"--root-dir={folder / 'root'}", f"--cert-dir={folder / 'certificates'}",
        f"--config={folder / 'config.yaml'}",
    ]  # fmt: skip
    try:
        with running(command, folder / "kubelet.log") as process:
            wait_for("the node", lambda: _ready(plane), process)
            _give_gpus(plane)
            try:
                yield
            finally:
                _remove_pods(plane)
    finally:
        runtime.unmount(folder)


def _ready(plane: Plane) -> bool:
    with contextlib.suppress(Refused):
        node = plane.request("GET", f"/api/v1/nodes/{NAME}")
        return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
    return False


def _give_gpus(plane: Plane) -> None:
    """GPUs that the scheduler counts; no device stands behind them."""
    path = f"/status/capacity/{GPU.replace('/', '~1')}"
    patch = [{"op": "add", "path": path, "value": str(GPUS)}]
    plane.request("PATCH", f"/api/v1/nodes/{NAME}/status", patch, "application/json-patch+json")


def _remove_pods(plane: Plane) -> None:
    """Remove all pods, Jobs first, while there is a kubelet that ends their containers."""
    plane.kubectl("delete", "jobs", "--all", "--all-namespaces", "--cascade=background", "--wait=false")
    plane.kubectl("delete", "pods", "--all", "--all-namespaces", "--grace-period=1", "--wait=false")
    pods = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NAME}"
    wait_for("the end of all pods", lambda: not plane.request("GET", pods)["items"])


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
