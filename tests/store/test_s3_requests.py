"""What requests carry: region, the bucket's name in path or host, encryption."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import faultproxy
import pytest
from s3servers import BUCKET, Place, Servers

from crossad.store.s3 import S3Store


def region_of(headers: dict[str, str]) -> str:
    """The region that a request is signed for."""
    (found,) = re.findall(r"Credential=[^/]+/\d+/([^/]+)/s3/", headers["authorization"])
    return str(found)


def test_the_region_is_the_options_else_the_environments_else_the_profiles_else_the_usual(
    place: Place, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy.add("refuse", times=99, status=403, code="AccessDenied")  # versitygw has one region; what is sent matters

    def sent(**options: str) -> str:
        with pytest.raises(Exception, match="access denied"):
            place.behind(proxy, **options).get("k")
        return region_of(proxy.headers_of("GET", "/k")[-1])

    assert sent() == "us-east-1"
    config = tmp_path / "config"
    keys = "aws_access_key_id = x\naws_secret_access_key = y\n"
    config.write_text(f"[profile team]\nregion = eu-profile-1\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert sent(profile="team") == "eu-profile-1"
    for number, name in enumerate(("AWS_DEFAULT_REGION", "AWS_REGION")):
        monkeypatch.setenv(name, f"eu-environment-{number}")
        assert sent(profile="team") == f"eu-environment-{number}"
    assert sent(profile="team", region="eu-option-1") == "eu-option-1"


def test_the_endpoint_is_the_options_else_the_environments(
    place: Place, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    place.open(endpoint=None, commit="conditional").put("k", b"x")
    assert proxy.count("PUT", "/k") == 1
    place.open(commit="conditional").put("k", b"x")
    assert proxy.count("PUT", "/k") == 1


@pytest.mark.parametrize("addressing", ["auto", "path", "virtual"])
def test_the_bucket_is_in_the_path_or_in_the_host(
    place: Place, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch, addressing: str
) -> None:
    """A custom endpoint gets the path unless told otherwise: most have no names of buckets in their DNS."""
    lookup = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: lookup("127.0.0.1", *more, **named) if host else None
    )
    port = proxy.server_address[1]
    store = place.behind(proxy, endpoint=f"http://store.test:{port}", addressing=addressing)
    proxy.add("refuse", times=99, status=404, code="NoSuchKey")
    assert store.read_once("k") is None
    (method, path, headers) = proxy.seen[-1]
    assert method == "GET"
    if addressing == "virtual":
        assert headers["host"] == f"{BUCKET}.store.test:{port}"
        assert not path.startswith(f"/{BUCKET}/")
    else:
        assert headers["host"] == f"store.test:{port}"
        assert path.startswith(f"/{BUCKET}/")


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, (None, None)),
        ({"sse": "AES256"}, ("AES256", None)),
        ({"sse": "aws:kms"}, ("aws:kms", None)),
        ({"sse": "aws:kms", "sse_kms_key_id": "alias/crossad"}, ("aws:kms", "alias/crossad")),
    ],
    ids=["none", "aes256", "kms", "kms-key"],
)
def test_encryption_headers_go_with_every_write_and_nothing_else(
    place: Place, servers: Servers, large: Path, options: dict[str, str], sent: tuple[str | None, str | None]
) -> None:
    with faultproxy.serving(servers.moto) as proxy:
        place.kind = "moto"
        store = place.behind(proxy, **options)
        store.put("k", b"x")
        store.create_once("o", b"x")
        store.put("large", large)
        asked = proxy.headers_of("PUT", "/probe/")  # for a checksum
        written = [*proxy.headers_of("PUT", "/k"), *proxy.headers_of("PUT", "/o"), *proxy.headers_of("POST", "uploads")]
        assert (len(asked), len(written)) == (1, 3)
        names = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")
        for headers in asked + written:
            assert tuple(headers.get(name) for name in names) == sent
        store.get_file("large", large.with_name("back"))
        list(store.list())
        store.delete("k")
        others = [*proxy.headers_of("PUT", "partNumber="), *proxy.headers_of("GET"), *proxy.headers_of("DELETE")]
        assert len(others) >= 5
        assert not [name for headers in others for name in headers if name in names], "servers refuse them there"


def test_claims_are_encrypted_too(place: Place, servers: Servers) -> None:
    with faultproxy.serving(servers.moto, ignore=("if-none-match",)) as proxy:
        place.kind = "moto"
        store = place.behind(proxy, commit="plain", settle_seconds=0.0, sse="AES256")
        assert isinstance(store, S3Store)
        assert store.create_once("o", b"x") == "created"
        written = proxy.headers_of("PUT")
    assert len(written) == 2
    assert {headers["x-amz-server-side-encryption"] for headers in written} == {"AES256"}
