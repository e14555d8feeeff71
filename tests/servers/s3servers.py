"""Real S3 servers for tests, each a process of its own on a free port of this machine."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import ipaddress
import json
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
import botocore.loaders
import faultproxy
import pytest
import serverbuild
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossad.errors import CrossadError
from crossad.store.base import Expected, Store
from crossad.store.folder import FolderStore
from crossad.store.opening import open_bucket, open_store
from crossad.store.options import S3Options
from crossad.store.patience import Patience
from crossad.store.s3 import S3Store

ACCESS, SECRET, BUCKET = "tester", "not-a-secret-of-anyone", "crossad-tests"
PART = 5 * 2**20
DATA = random.Random(5).randbytes(2 * PART + 1)  # three parts, the last one short
WANTED = Expected(len(DATA), hashlib.sha256(DATA).hexdigest())
QUICK = {"attempts": 2, "patience_seconds": 20.0, "part_bytes": PART, "settle_seconds": 1.5}
CLEARED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "AWS_REGION")


_loader = functools.cache(botocore.loaders.create_loader)


def credentials(monkeypatch: pytest.MonkeyPatch, access: str = ACCESS, secret: str = SECRET) -> None:
    """This process's credentials, none of the machine's; and the library's description of S3 is read only once."""
    monkeypatch.setattr("botocore.loaders.create_loader", _loader)
    for name in (*CLEARED, "AWS_DEFAULT_REGION", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@dataclass
class Authority:
    """A private certificate authority and one server's certificate from it."""

    folder: Path
    ca: Path = field(init=False)
    certificate: Path = field(init=False)
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        root, root_key = self._certify("crossad tests", None)
        leaf, leaf_key = self._certify("127.0.0.1", (root, root_key))
        self.ca, self.certificate, self.key = (self.folder / name for name in ("ca.pem", "server.pem", "server.key"))
        self.ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key.write_bytes(leaf_key.private_bytes(*forms))

    def _certify(self, name: str, issuer: tuple[x509.Certificate, Any] | None) -> tuple[x509.Certificate, Any]:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer[1] if issuer else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=7))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if issuer:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        else:
            usage = {name: name in ("key_cert_sign", "crl_sign") for name in _USAGES}
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        return builder.sign(signer, hashes.SHA256()), key


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@contextlib.contextmanager
def _serving(command: list[str | Path], port: int) -> Iterator[None]:
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def owner_client(endpoint: str) -> Any:
    """A bare client with the rights of a server's owner."""
    session = boto3.session.Session(aws_access_key_id=ACCESS, aws_secret_access_key=SECRET, region_name="us-east-1")
    return session.client("s3", endpoint_url=endpoint)


class Servers:
    """All servers, each started when it is first asked for."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack

    @functools.cached_property
    def authority(self) -> Authority:
        return Authority(self._folder)

    @functools.cached_property
    def versitygw(self) -> str:
        return self._versitygw("plain")

    def files(self, kind: str) -> Path:
        """The bucket's folder behind the plain versitygw, or the one with accounts."""
        return self._folder / {"versitygw": "plain", "versitygw-iam": "iam"}[kind] / BUCKET

    @functools.cached_property
    def versitygw_tls(self) -> str:
        return self._versitygw("tls", "--cert", self.authority.certificate, "--key", self.authority.key)

    @functools.cached_property
    def versitygw_iam(self) -> str:
        """A server with an account besides its owner's: `limited`, with the secret `limited-secret`."""
        users = self._folder / "users"
        users.mkdir()
        endpoint = self._versitygw("iam", "--iam-dir", users, "--iam-cache-disable")
        self._admin(endpoint, "create-user", "limited", "limited-secret", "--role", "user")
        return endpoint

    def account(self, access: str, secret: str) -> None:
        """A new account of the server with accounts, which may do everything."""
        self._admin(self.versitygw_iam, "create-user", access, secret, "--role", "admin")

    def new_secret(self, access: str, secret: str) -> None:
        """Replace an account's secret; the old one is refused from now on."""
        self._admin(self.versitygw_iam, "update-user", access, secret)

    def _admin(self, endpoint: str, verb: str, access: str, secret: str, *more: str) -> None:
        owner = ("--access", ACCESS, "--secret", SECRET, "--endpoint-url", endpoint)
        words = [serverbuild.build("versitygw"), "admin", *owner, verb, "--access", access, "--secret", secret, *more]
        subprocess.run(words, check=True, capture_output=True)

    def allow(self, policy: dict[str, Any]) -> None:
        """Give the account `limited` what a policy allows, and nothing else."""
        for statement in policy["Statement"]:
            statement["Principal"] = {"AWS": ["limited"]}
        client = owner_client(self.versitygw_iam)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        client.close()

    @functools.cached_property
    def moto(self) -> str:
        port = _free_port()
        self._stack.enter_context(
            _serving([sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)
        )
        endpoint = f"http://127.0.0.1:{port}"
        client = owner_client(endpoint)
        client.create_bucket(Bucket=BUCKET)
        client.close()
        return endpoint

    @functools.cached_property
    def pretender(self) -> str:
        """A server that takes conditional writes and ignores their condition."""
        return self.proxy(self.moto, ignore=("if-none-match", "if-match")).endpoint

    def proxy(self, upstream: str, ignore: tuple[str, ...] = ()) -> faultproxy.Proxy:
        return self._stack.enter_context(faultproxy.serving(upstream, ignore))

    def other_keys(self, access: str, secret: str) -> str:
        """The plain server's folder, served with other credentials."""
        assert self.versitygw
        return self._versitygw("plain", access=access, secret=secret)

    def _versitygw(self, name: str, *more: str | Path, access: str = ACCESS, secret: str = SECRET) -> str:
        root, port = self._folder / name, _free_port()
        (root / BUCKET).mkdir(parents=True, exist_ok=True)
        words = ("--port", f"127.0.0.1:{port}", "--access", access, "--secret", secret, "--quiet", *more)
        self._stack.enter_context(_serving([serverbuild.build("versitygw"), *words, "posix", root], port))
        return f"http{'s' if '--cert' in more else ''}://127.0.0.1:{port}"


PLACES = ("folder", "versitygw", "versitygw-tls", "moto", "pretender")
ON_S3 = PLACES[1:]


@dataclass
class Place:
    """Somewhere a store can be opened; empty at the start of every test."""

    kind: str
    servers: Servers
    folder: Path
    prefix: str = field(default_factory=lambda: f"tests/{uuid.uuid4().hex}")

    @property
    def uri(self) -> str:
        return str(self.folder / "store") if self.kind == "folder" else f"s3://{BUCKET}/{self.prefix}"

    @property
    def endpoint(self) -> str:
        return str(getattr(self.servers, self.kind.replace("-", "_")))

    def path(self, key: str) -> Path:
        """Where an object's bytes lie, so that a test can age them: in a folder, or behind a versitygw."""
        if self.kind == "folder":
            return self.folder / "store" / key
        return self.servers.files(self.kind) / self.prefix / key

    def options(self, **changes: Any) -> S3Options:
        if self.kind == "versitygw-tls":
            changes.setdefault("ca_bundle", str(self.servers.authority.ca))
        return S3Options(**{**QUICK, "endpoint": self.endpoint, **changes})

    def behind(self, proxy: faultproxy.Proxy, **changes: Any) -> S3Store:
        """The store as it is seen through a proxy; one attempt a round, and waiting takes no time."""
        options = self.options(**{"endpoint": proxy.endpoint, "attempts": 1, "commit": "conditional", **changes})
        return open_bucket(self.uri, options, Patience(options.patience_seconds, sleep=lambda _: None))

    def open(self, **changes: Any) -> Store:
        if self.kind == "folder":
            return FolderStore(self.folder / "store")
        return open_store(self.uri, self.options(**changes))


def every_operation(store: Store, folder: Path) -> list[Callable[[], Any]]:
    return [
        lambda: store.put("k", b"x"),
        lambda: store.get("k"),
        lambda: store.get_file("k", folder / "target"),
        lambda: store.stat("k"),
        lambda: list(store.list()),
        lambda: store.create_once("o", b"x"),
        lambda: store.read_once("o"),
        lambda: store.delete("k"),
        store.now,
    ]


def outcome(operation: Callable[[], Any]) -> CrossadError:
    with pytest.raises(CrossadError) as caught:
        operation()
    told = str(caught.value)
    assert SECRET not in told
    assert "Traceback" not in told
    assert caught.value.hint
    return caught.value
