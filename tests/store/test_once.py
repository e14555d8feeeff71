"""Creating once where conditional writes are taken and their condition ignored, and finding out that they are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import faultproxy
import pytest
from s3servers import ON_S3, Place, Servers

from crossad.errors import CrossadError
from crossad.store.faults import ObjectDamaged, StoreBroken
from crossad.store.once import CLAIMS, MARK, PlainOnce, mark
from crossad.store.opening import open_store
from crossad.store.s3 import S3Store


def opened(place: Place, **options: object) -> S3Store:
    store = open_store(place.uri, place.options(**options))
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def plain(place: Place) -> S3Store:
    place.kind = "pretender"
    return opened(place, commit="plain")


@pytest.mark.parametrize("place", ON_S3, indirect=True)
def test_a_pretender_is_found_out_by_one_try_that_leaves_nothing(place: Place) -> None:
    store = opened(place)
    assert store.creation.mode == ("plain" if place.kind == "pretender" else "conditional")
    assert list(store.list()) == []


def test_a_server_that_says_it_has_no_conditional_writes_gets_the_plain_mode(place: Place, servers: Servers) -> None:
    with faultproxy.serving(servers.versitygw) as proxy:
        fault = proxy.add("refuse", "PUT", "probe/", times=0, status=501, code="NotImplemented")
        fault.fits = lambda method, path: method == "PUT" and proxy.headers_of("PUT")[-1].get("if-none-match") == "*"
        fault.times = 1
        assert place.behind(proxy, commit="auto").creation.mode == "plain"


@pytest.mark.parametrize("mode", ["plain", "conditional"])
def test_the_stores_mark_decides_before_any_try(place: Place, mode: str) -> None:
    opened(place).put(MARK, mark(mode))
    assert opened(place).creation.mode == mode


@pytest.mark.parametrize("body", [b"", b"[]", b'{"commit": "maybe"}'], ids=["empty", "list", "unknown"])
def test_a_damaged_mark_is_told(place: Place, body: bytes) -> None:
    opened(place).put(MARK, body)
    with pytest.raises(ObjectDamaged, match=MARK):
        opened(place).create_once("c", b"1")


def test_the_earliest_claim_wins_and_the_first_reader_pins_it(plain: S3Store) -> None:
    plain.put(f"{CLAIMS}/c.json/{'f' * 32}", b"first, by a writer that died before it pinned")
    assert plain.read_once("c.json") == b"first, by a writer that died before it pinned"
    assert plain.get("c.json") == b"first, by a writer that died before it pinned"
    assert plain.create_once("c.json", b"second") == "exists"
    assert [entry.key for entry in plain.list("c.json")] == ["c.json"], "claims lie apart: a listing of commits is flat"


def test_nothing_is_read_before_it_is_settled(plain: S3Store) -> None:
    waited: list[float] = []
    sleep = plain.patience.sleep

    def note(seconds: float) -> None:
        waited.append(seconds)
        assert plain.stat("c.json") is None
        sleep(seconds)

    object.__setattr__(plain.patience, "sleep", note)
    assert plain.create_once("c.json", b"1") == "created"
    assert waited, "a claim just written may have an older one beside it that is not seen yet"
    waited.clear()
    assert plain.create_once("c.json", b"1") == "created"
    assert plain.create_once("c.json", b"2") == "exists"
    assert waited == []


def test_writers_and_readers_at_once_agree(plain: S3Store) -> None:
    barrier = threading.Barrier(12)

    def work(number: int) -> bytes | None:
        barrier.wait()
        if number % 3:
            plain.create_once("c.json", f"attempt {number}".encode())
            return plain.read_once("c.json")
        return plain.read_once("c.json")

    with ThreadPoolExecutor(12) as pool:
        seen = set(pool.map(work, range(12))) - {None}
    assert len(seen) == 1
    assert plain.get("c.json") in seen


def test_deleting_takes_the_claims_along(plain: S3Store) -> None:
    assert plain.create_once("c.json", b"1") == "created"
    plain.delete("c.json")
    assert plain.read_once("c.json") is None
    assert list(plain.list()) == []


def test_a_claim_written_again_does_not_become_younger(plain: S3Store) -> None:
    creation = plain.creation
    assert isinstance(creation, PlainOnce)
    creation._claim(f"{CLAIMS}/c/{'a' * 32}", b"1")
    before = plain.stat(f"{CLAIMS}/c/{'a' * 32}")
    creation._claim(f"{CLAIMS}/c/{'a' * 32}", b"1")
    assert plain.stat(f"{CLAIMS}/c/{'a' * 32}") == before


def test_faults_in_plain_mode_are_asked_again_and_the_own_win_is_recognised(place: Place, servers: Servers) -> None:
    place.kind = "moto"
    with faultproxy.serving(servers.moto, ignore=("if-none-match",)) as proxy:
        store = place.behind(proxy, commit="plain", settle_seconds=0.0)
        for method in ("PUT", "GET", "HEAD"):
            proxy.add("refuse", method, times=2)
        proxy.add("lose", "PUT", CLAIMS)
        assert store.create_once("c.json", b"1") == "created"
        proxy.add("refuse", times=999, status=403, code="AccessDenied")
        with pytest.raises(CrossadError, match="access denied"):
            store.create_once("d.json", b"1")


def test_a_server_whose_clock_never_reaches_its_own_times_is_told(place: Place, servers: Servers) -> None:
    with faultproxy.serving(servers.moto, ignore=("if-none-match",)) as proxy:
        place.kind = "moto"
        store = place.behind(proxy, commit="plain", settle_seconds=1000.0)
        object.__setattr__(store.creation, "patience", replace(store.patience, sleep=lambda _: None))
        with pytest.raises(StoreBroken, match="claims do not settle"):
            store.create_once("c.json", b"1")


@pytest.mark.parametrize("place", ON_S3, indirect=True)
def test_reading_writes_nothing_whatever_the_server_can_do(place: Place) -> None:
    assert opened(place).create_once("c", b"1") == "created"
    with faultproxy.serving(place.endpoint) if place.kind != "versitygw-tls" else nullcontext() as proxy:
        if proxy is None:
            assert opened(place).read_once("c") == b"1"
            return
        proxy.add("refuse", "PUT", times=99, status=403, code="AccessDenied")
        reader = place.behind(proxy, commit="auto")
        assert reader.read_once("c") == b"1"
        assert reader.read_once("d") is None
        assert proxy.count("PUT") == 0
