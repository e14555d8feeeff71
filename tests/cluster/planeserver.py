"""Starts and ends the processes of a control plane."""

from __future__ import annotations

import contextlib
import secrets
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import clusterbuild
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from plane import Plane
from processes import Program, answers, free_ports, running, started, wait_for

HERE = Path(__file__).parent
CONTROLLERS = (
    "job-controller", "garbage-collector-controller", "ttl-after-finished-controller", "resourcequota-controller",
    "serviceaccount-controller", "namespace-controller", "pod-garbage-collector-controller",
    "node-lifecycle-controller", "taint-eviction-controller", "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller", "root-ca-certificate-publisher-controller", "disruption-controller",
)  # fmt: skip
USERS = {  # user -> group; a token each
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
}


@dataclass(frozen=True)
class Reach:
    """Where the API server listens, and who may come besides its own."""

    address: str = "127.0.0.1"
    port: int = 0  # 0: a free one
    advertised: str = "127.0.0.1"
    users: dict[str, str] = field(default_factory=dict)  # user -> group
    words: tuple[str, ...] = ()  # further options


LOOPBACK = Reach()


@contextlib.contextmanager
def serving(folder: Path, reach: Reach = LOOPBACK, *, alone: bool = False) -> Iterator[Plane]:
    """A running control plane, which ends on the way out; `alone`: the API server without controllers and nodes."""
    programs = clusterbuild.programs()
    keys, (etcd_port, peer_port, api_port, *spare) = _keys(folder), free_ports(6)
    api_port, users = reach.port or api_port, {**USERS, **reach.users}
    tokens = {user: secrets.token_hex(16) for user in users}
    (folder / "tokens.csv").write_text(
        "".join(f'{tokens[user]},{user},{number},"{group}"\n' for number, (user, group) in enumerate(users.items()))
    )
    with contextlib.ExitStack() as stack:

        def start(name: str, *words: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(running([str(programs[name]), *words], folder / f"{name}.log"))

        etcd = start("etcd", *_etcd(folder, etcd_port, peer_port))
        wait_for("etcd", lambda: answers(f"http://127.0.0.1:{etcd_port}/health"), etcd)
        words = [str(programs["kube-apiserver"]), *_apiserver(folder, etcd_port, api_port, keys, reach)]
        server = Program(words, folder / "kube-apiserver.log")
        process = stack.enter_context(started(server))
        authority = folder / "certificates/apiserver.crt"
        wait_for("kube-apiserver", authority.exists, process)
        plane = Plane(f"https://{reach.address}:{api_port}", authority, folder, tokens, programs, server)
        wait_for("kube-apiserver", plane.ready, process)
        if alone:
            yield plane
            return
        controllers = start("kube-controller-manager", *_controllers(plane, keys[0], spare[0]))
        scheduler = start("kube-scheduler", *_scheduler(plane, spare[1]))
        kwok = start("kwok", *_kwok(plane, spare[2]))
        for name, process, port in (
            ("kube-controller-manager", controllers, spare[0]),
            ("kube-scheduler", scheduler, spare[1]),
        ):
            wait_for(name, lambda port=port: _healthy(port), process)  # type: ignore[misc]
        wait_for("kwok", lambda: answers(f"http://127.0.0.1:{spare[2]}/healthz"), kwok)
        yield plane


def _healthy(port: int) -> bool:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE  # a certificate made at its start
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"https://127.0.0.1:{port}/healthz", timeout=2, context=unchecked) as answer,
    ):
        return bool(answer.status == 200)
    return False


def _keys(folder: Path) -> tuple[Path, Path]:
    """A key pair that signs the tokens of service accounts."""
    key = rsa.generate_private_key(65537, 2048)
    private, public = folder / "accounts.key", folder / "accounts.pub"
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*forms))
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def _etcd(folder: Path, port: int, peer_port: int) -> tuple[str, ...]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return (
        "--unsafe-no-fsync", "--data-dir", str(folder / "etcd"), "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}",
    )  # fmt: skip


def _apiserver(folder: Path, etcd_port: int, port: int, keys: tuple[Path, Path], reach: Reach) -> tuple[str, ...]:
    return (
        f"--etcd-servers=http://127.0.0.1:{etcd_port}", f"--cert-dir={folder / 'certificates'}",
        f"--secure-port={port}", f"--bind-address={reach.address}", f"--advertise-address={reach.advertised}",
        "--service-cluster-ip-range=10.96.0.0/24", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={keys[0]}", f"--service-account-key-file={keys[1]}",
        f"--token-auth-file={folder / 'tokens.csv'}", "--profiling=false", *reach.words,
    )  # fmt: skip


def _controllers(plane: Plane, key: Path, port: int) -> tuple[str, ...]:
    kubeconfig = plane.kubeconfig(plane.tokens["system:kube-controller-manager"])
    return (
        f"--kubeconfig={kubeconfig}", f"--service-account-private-key-file={key}", f"--root-ca-file={plane.ca}",
        "--use-service-account-credentials", "--leader-elect=false", f"--controllers={','.join(CONTROLLERS)}",
        f"--secure-port={port}", "--bind-address=127.0.0.1", "--kube-api-qps=2000", "--kube-api-burst=4000",
        "--concurrent-job-syncs=50", "--concurrent-gc-syncs=50", "--authorization-always-allow-paths=/healthz",
    )  # fmt: skip


def _scheduler(plane: Plane, port: int) -> tuple[str, ...]:
    kubeconfig = plane.kubeconfig(plane.tokens["system:kube-scheduler"])
    settings = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 2000, "burst": 4000},
    }
    path = plane.folder / "scheduler.yaml"
    path.write_text(yaml.safe_dump(settings))
    return (f"--config={path}", f"--secure-port={port}", "--bind-address=127.0.0.1")


def _kwok(plane: Plane, port: int) -> tuple[str, ...]:
    return (
        f"--kubeconfig={plane.kubeconfig()}", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--config={HERE / 'stages.yaml'}", "--node-lease-duration-seconds=40", f"--server-address=127.0.0.1:{port}",
    )  # fmt: skip
