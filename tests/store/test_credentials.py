"""Every way in which credentials reach a store, each of them replaced while the store is at work.

The server is a real one: from the moment of the change it refuses the old keys.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import faultproxy
import identities
import pytest
from s3servers import BUCKET, Servers, outcome

from crossad.store.faults import StoreDenied
from crossad.store.opening import open_store
from crossad.store.options import S3Options
from crossad.store.patience import Patience
from crossad.store.s3 import S3Store

Change = Callable[[str], None]  # brings the new secret to where the store finds it


@pytest.fixture
def access(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account of its own for every test, with the secret `first`; the environment has no keys."""
    name = f"rotating-{uuid.uuid4().hex[:8]}"
    servers.account(name, "first")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    return name


def opened(servers: Servers, **options: str) -> S3Store:
    where = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    chosen = S3Options(endpoint=servers.versitygw_iam, attempts=2, commit="conditional", **options)  # type: ignore[arg-type]
    store = open_store(where, chosen, Patience(0))
    assert isinstance(store, S3Store)
    return store


def file_of(access: str, secret: str, profile: str = "default") -> str:
    return f"[{profile}]\naws_access_key_id={access}\naws_secret_access_key={secret}\n"


class Mount:
    """A folder as a cluster mounts a secret: files are links into a folder that is swapped whole."""

    def __init__(self, folder: Path, name: str, text: str) -> None:
        self._folder, self._name, self._turn = folder, name, 0
        folder.mkdir()
        self.write(text)
        (folder / name).symlink_to(f"..data/{name}")

    @property
    def path(self) -> Path:
        return self._folder / self._name

    def write(self, text: str) -> None:
        self._turn += 1
        version = self._folder / f"..version-{self._turn}"
        version.mkdir()
        (version / self._name).write_text(text)
        aside = self._folder / "..data_tmp"
        aside.symlink_to(version.name)
        aside.replace(self._folder / "..data")


def a_mounted_file(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    mount = Mount(folder / "mount", "credentials", file_of(access, "first"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(mount.path))
    yield lambda secret: mount.write(file_of(access, secret))


def a_profile(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    keys = folder / "credentials"
    wrong = file_of("nobody", "nothing")
    keys.write_text(wrong + file_of(access, "first", "team"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_PROFILE", "team")
    yield lambda secret: keys.write_text(wrong + file_of(access, secret, "team")) and None


def a_process(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    keys, config = folder / "keys.json", folder / "config"

    def write(secret: str) -> None:
        keys.write_text(json.dumps({"Version": 1, "AccessKeyId": access, "SecretAccessKey": secret}))

    write("first")
    config.write_text(f"[default]\ncredential_process = cat {keys}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    yield write


def a_container(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    mount = Mount(folder / "mount", "token", "token 1")
    with identities.handing_out(access, "first", "token 1") as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(mount.path))
        yield _renews(service, mount)


def a_web_identity(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    mount = Mount(folder / "mount", "token", "token 1")
    with identities.handing_out(access, "first", "token 1") as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.endpoint)
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trainer")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(mount.path))
        yield _renews(service, mount)


def _renews(service: identities.Identities, mount: Mount) -> Change:
    """New keys for a new token: the file must be read again, too."""

    def change(secret: str) -> None:
        service.secret, service.token = secret, "token 2"
        mount.write("token 2")

    return change


WAYS = {
    "mounted-file": a_mounted_file,
    "profile": a_profile,
    "process": a_process,
    "container": a_container,
    "web-identity": a_web_identity,
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(
    request: pytest.FixtureRequest, access: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Change]:
    yield from request.param(access, tmp_path, monkeypatch)


def test_a_store_goes_on_when_its_credentials_are_replaced(servers: Servers, access: str, way: Change) -> None:
    store = opened(servers)
    store.put("k", b"before")
    servers.new_secret(access, "second")
    way("second")
    assert store.get("k") == b"before"
    store.put("k", b"after")
    assert store.create_once("o", b"x") == "created"
    assert [entry.key for entry in store.list()] == ["k", "o"]


def test_credentials_that_are_not_replaced_are_refused_and_not_told(servers: Servers, access: str, way: Change) -> None:
    store = opened(servers)
    store.put("k", b"before")
    servers.new_secret(access, "a-secret-that-nobody-told-us")
    told = outcome(lambda: store.get("k"))
    assert "credentials refused" in told.message
    fresh = outcome(lambda: opened(servers).get("k"))
    assert isinstance(fresh, StoreDenied)
    assert "first" not in f"{told}{fresh}"


def test_a_sessions_token_goes_with_every_request_and_is_renewed_with_its_keys(
    servers: Servers, access: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On moto behind a proxy: it takes any keys, so that what is sent can be seen."""
    token = tmp_path / "token"
    token.write_text("token 1")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    with faultproxy.serving(servers.moto) as proxy, identities.handing_out(access, "first", "token 1") as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/credentials")
        service.session = "session 1"
        store = open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}", S3Options(endpoint=proxy.endpoint, attempts=1))
        store.put("k", b"x")
        service.session = "session 2"
        proxy.add("refuse", "PUT", status=400, code="ExpiredToken")
        store.put("k", b"x")
    assert [headers["x-amz-security-token"] for headers in proxy.headers_of("PUT", "/k")] == [
        "session 1",
        "session 1",
        "session 2",
    ]


def test_a_profile_is_chosen_by_option_too(
    servers: Servers, access: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text(file_of("nobody", "nothing") + file_of(access, "first", "team"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    opened(servers, profile="team").put("k", b"x")
    assert isinstance(outcome(lambda: opened(servers).put("k", b"x")), StoreDenied)


WORKER = """
import sys
from crossad.store.opening import open_store
from crossad.store.options import S3Options
store = open_store(sys.argv[1], S3Options(endpoint=sys.argv[2], attempts=2, commit="conditional", patience_seconds=60))
for line in sys.stdin:
    store.put(f"k{line.strip()}", b"x")
    print(line.strip(), flush=True)
"""


def test_a_process_at_work_survives_the_change_of_its_mounted_file_without_a_restart(
    servers: Servers, access: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is replaced twice; the second time, the server is faster than the mount."""
    mount = Mount(tmp_path / "mount", "credentials", file_of(access, "first"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(mount.path))
    uri = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, uri, servers.versitygw_iam],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def work(number: int) -> str:
        process.stdin.write(f"{number}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return process.stdout.readline().strip()  # type: ignore[union-attr]

    assert work(1) == "1"
    servers.new_secret(access, "second")
    mount.write(file_of(access, "second"))
    assert work(2) == "2"
    servers.new_secret(access, "third")
    process.stdin.write("3\n")
    process.stdin.flush()
    mount.write(file_of(access, "third"))
    assert process.stdout.readline().strip() == "3"
    _, told = process.communicate()
    assert (process.returncode, told) == (0, "")
    assert [entry.key for entry in open_store(uri, S3Options(endpoint=servers.versitygw_iam)).list()] == [
        "k1",
        "k2",
        "k3",
    ]
