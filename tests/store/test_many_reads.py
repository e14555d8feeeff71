"""Many small objects are read with less between the caller and the server, and with the same care."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from faultproxy import Proxy
from s3servers import Place

from crossad.crew import spread
from crossad.store import boto
from crossad.store.base import Expected
from crossad.store.faults import ObjectMissing, StoreDenied

NAME = "a b/c@d+é=.json"  # what an address has to spell otherwise


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second read on."""
    monkeypatch.setattr(boto, "MANY", 1)


def agents(proxy: Proxy) -> list[bool]:
    """Of each read, whether the client library made all of it."""
    return [headers.get("user-agent", "").startswith("Boto3/") for headers in proxy.headers_of("GET")]


@pytest.mark.parametrize("place", ["versitygw", "versitygw-tls", "moto"], indirect=True)
def test_each_object_is_read_whole_by_many_threads(place: Place) -> None:
    store = place.open(commit="conditional")
    bodies = {f"{NAME}/{number}": b"x" * number * 1000 for number in range(20)}
    for key, body in bodies.items():
        store.put(key, body)
    with spread(store.get, bodies, 8) as read:
        assert dict(read) == bodies


def test_an_object_costs_one_request_of_few_words(place: Place, proxy: Proxy) -> None:
    store = place.behind(proxy)
    store.put(NAME, b"x")
    assert [store.get(NAME) for _ in range(5)] == [b"x"] * 5
    assert agents(proxy) == [True, False, False, False, False]
    assert all("authorization" in headers for headers in proxy.headers_of("GET"))


def test_what_is_no_object_is_asked_for_in_full(place: Place, proxy: Proxy) -> None:
    store = place.behind(proxy)
    store.put("k", b"x")
    store.get("k")
    with pytest.raises(ObjectMissing, match="no such object"):
        store.get("none")
    for kind in ("refuse", "cut", "truncate"):
        proxy.add(kind, "GET", "/k")
        assert store.get("k") == b"x"
    proxy.add("refuse", "GET", "/k", times=2, status=403, code="AccessDenied")
    with pytest.raises(StoreDenied, match="access denied"):
        store.get("k")


def test_a_server_that_answers_otherwise_is_soon_asked_the_usual_way_only(place: Place, proxy: Proxy) -> None:
    store = place.behind(proxy)
    store.put("k", b"x")
    for _ in range(boto.DECLINED + 1):
        with pytest.raises(ObjectMissing):
            store.get("none")
    before = len(proxy.seen)
    assert store.get("k") == b"x"
    assert len(proxy.seen) == before + 1
    assert agents(proxy)[-1]


def test_a_file_that_is_cut_goes_on_where_it_stopped(place: Place, proxy: Proxy, tmp_path: Path) -> None:
    store, body = place.behind(proxy), bytes(range(256)) * 4096
    store.put("k", body)
    store.get("k")
    proxy.add("truncate", "GET", "/k")
    store.get_file("k", tmp_path / "k", Expected(len(body), hashlib.sha256(body).hexdigest()))
    assert (tmp_path / "k").read_bytes() == body
    ranges = [headers["range"] for headers in proxy.headers_of("GET") if "range" in headers]
    assert len(ranges) == 1


def test_checksums_that_the_library_verifies_are_not_given_up(place: Place, proxy: Proxy) -> None:
    store = place.behind(proxy, checksums="when_supported")
    store.put("k", b"x")
    assert [store.get("k") for _ in range(3)] == [b"x"] * 3
    assert agents(proxy) == [True] * 3
