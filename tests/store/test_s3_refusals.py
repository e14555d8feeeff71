"""What a server or a set-up refuses, and what a user is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faultproxy
import pytest
from s3servers import ACCESS, DATA, SECRET, WANTED, Place, Servers, credentials, every_operation, outcome

from crossad.store.faults import StoreBroken, StoreDenied, StoreMissing
from crossad.store.opening import open_store
from crossad.store.s3 import S3Store


def test_no_permission_names_the_action_that_is_missing(place: Place, proxy: faultproxy.Proxy, tmp_path: Path) -> None:
    proxy.add("refuse", times=999, status=403, code="AccessDenied")
    actions = (
        "PutObject",
        "GetObject",
        "GetObject",
        "GetObject",
        "ListBucket",
        "PutObject",
        "GetObject",
        "DeleteObject",
    )
    store = place.behind(proxy)
    for operation, action in zip(every_operation(store, tmp_path), (*actions, "ListBucket"), strict=True):
        error = outcome(operation)
        assert "got 403" in error.message
        assert isinstance(error, StoreDenied)
        assert error.exit_code == 78
        assert f"s3:{action}" in str(error.hint)


@pytest.mark.parametrize(("access", "secret"), [(ACCESS, "wrong"), ("nobody", SECRET)], ids=["secret", "access"])
def test_refused_credentials_are_told_as_such(
    place: Place, monkeypatch: pytest.MonkeyPatch, access: str, secret: str
) -> None:
    credentials(monkeypatch, access, secret)
    error = outcome(lambda: place.open(commit="conditional").put("k", b"x"))
    assert isinstance(error, StoreDenied)
    assert "credentials refused" in error.message


def test_no_credentials_at_all_are_told_as_such(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    error = outcome(lambda: place.open().get("k"))
    assert isinstance(error, StoreDenied)
    assert "no usable credentials" in error.message
    unknown = outcome(lambda: place.open(profile="nobodys"))
    assert isinstance(unknown, StoreDenied)


def test_a_missing_bucket_is_told_by_every_operation(place: Place, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket/x", place.options(commit="conditional"))
    for operation in every_operation(store, tmp_path):
        error = outcome(operation)
        assert isinstance(error, StoreMissing)
        assert error.exit_code == 66
        assert "no such bucket" in error.message
    asked_first = open_store("s3://no-such-bucket/x", place.options(commit="conditional"))
    assert isinstance(outcome(lambda: asked_first.stat("k")), StoreMissing)


def test_a_wrong_region_names_the_right_one(store: S3Store, proxy: faultproxy.Proxy) -> None:
    headers = {"x-amz-bucket-region": "eu-test-7"}
    proxy.add("refuse", times=99, status=400, code="AuthorizationHeaderMalformed", headers=headers)
    error = outcome(lambda: store.get("k"))
    assert isinstance(error, StoreBroken)
    assert "wrong region" in error.message
    assert "eu-test-7" in str(error.hint)


def test_clocks_that_differ_are_told_with_the_servers(store: S3Store, proxy: faultproxy.Proxy) -> None:
    headers = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT"}
    proxy.add("refuse", times=99, status=403, code="RequestTimeTooSkewed", headers=headers)
    error = outcome(lambda: store.get("k"))
    assert isinstance(error, StoreBroken)
    assert "Wed, 01 Jan 2020" in error.message
    assert "NTP" in str(error.hint)


def test_a_full_store_is_told_at_once(store: S3Store, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "PUT", times=99, status=403, code="QuotaExceeded")
    error = outcome(lambda: store.put("k", b"x"))
    assert isinstance(error, StoreBroken)
    assert "no space" in error.message


def test_a_certificate_of_an_unknown_authority_is_told_and_mended_by_a_bundle(
    servers: Servers, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.kind = "versitygw-tls"
    error = outcome(lambda: place.open(ca_bundle=None).get("k"))
    assert isinstance(error, StoreBroken)
    assert "certificate is not trusted" in error.message
    assert "--ca-bundle" in str(error.hint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(servers.authority.ca))
    place.open(ca_bundle=None).put("k", b"x")
    assert place.open().get("k") == b"x"


def test_credentials_replaced_in_their_file_are_read_again(
    servers: Servers, place: Place, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text(f"[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    store = place.behind(proxy)
    store.put("k", b"before")
    proxy.upstream = servers.other_keys("tester2", "rotated-secret").removeprefix("http://")
    waited: list[float] = []

    def arrive(seconds: float) -> None:
        waited.append(seconds)
        keys.write_text("[default]\naws_access_key_id=tester2\naws_secret_access_key=rotated-secret\n")

    store = rewired(store, arrive)
    assert store.get("k") == b"before"
    assert len(waited) == 1, "the new file came late: refused credentials on a working connection count as not now"
    store.put("k", b"after")
    assert store.get("k") == b"after"


def rewired(store: S3Store, sleep: Callable[[float], None]) -> S3Store:
    object.__setattr__(store.patience, "sleep", sleep)
    return store


def test_expired_credentials_are_renewed_within_one_call(store: S3Store, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", status=400, code="ExpiredToken")
    store.put("k", b"x")
    assert proxy.count("PUT") == 2


def test_a_servers_words_are_not_repeated_where_they_could_hold_a_key(store: S3Store, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", times=99, status=403, code="AKIA1234567890ABCDEF")
    error = outcome(lambda: store.get("k"))
    assert "AKIA1234567890ABCDEF" not in str(error)


def test_a_server_without_ranges_sends_all_and_only_the_rest_is_kept(
    place: Place, servers: Servers, tmp_path: Path, large: Path
) -> None:
    with faultproxy.serving(servers.moto, ignore=("range",)) as proxy:
        place.kind = "moto"
        store = place.behind(proxy)
        store.put("large", large)
        proxy.add("truncate", "GET", "/large")
        store.get_file("large", tmp_path / "back", WANTED)
        assert (tmp_path / "back").read_bytes() == DATA
        assert proxy.count("GET", "/large") == 2
