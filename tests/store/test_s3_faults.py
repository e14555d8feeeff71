"""What networks and servers do to a store on S3, and what comes of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import faultproxy
import pytest
from s3servers import DATA, PART, WANTED, Place, every_operation, outcome

from crossad.errors import CrossadError
from crossad.store import upload
from crossad.store.base import Expected
from crossad.store.faults import ObjectDamaged, StoreDenied, StoreUnreachable
from crossad.store.opening import open_bucket
from crossad.store.s3 import S3Store


def test_a_server_that_is_not_there_is_75_and_named(place: Place, tmp_path: Path) -> None:
    store = place.open(endpoint="http://127.0.0.1:9", attempts=1, patience_seconds=0, commit="conditional")
    for operation in every_operation(store, tmp_path):
        error = outcome(operation)
        assert isinstance(error, StoreUnreachable)
        assert error.exit_code == 75
        assert "no whole answer from http://127.0.0.1:9 (endpoint connection error)" in error.message
        assert error.__cause__ is not None


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_a_busy_server_is_asked_again(
    store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path, status: int, code: str
) -> None:
    store.put("k", b"x")
    for operation in every_operation(store, tmp_path):
        proxy.add("refuse", times=2, status=status, code=code)
        operation()
    assert proxy.count("GET") > 4


def test_a_server_that_stays_busy_ends_with_75(place: Place, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", times=99)
    error = outcome(lambda: place.behind(proxy, patience_seconds=0).get("k"))
    assert isinstance(error, StoreUnreachable)
    assert "got 503 SlowDown: said by the proxy" in error.message


def test_cut_connections_are_asked_again(store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path, large: Path) -> None:
    store.put("k", b"x")
    for operation in [*every_operation(store, tmp_path), lambda: store.put("large", large)]:
        proxy.add("cut", times=2)
        operation()
    store.get_file("large", tmp_path / "back", WANTED)
    assert (tmp_path / "back").read_bytes() == DATA


def test_a_lost_response_of_a_put_or_a_multipart_is_harmless(
    store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path, large: Path
) -> None:
    proxy.add("lose", "PUT", "/k")
    store.put("k", b"x")
    assert store.get("k") == b"x"
    for step in ("uploads", "partNumber=2"):
        proxy.add("lose", "", step)
    proxy.add("lose", "POST", "uploadId=")
    store.put("large", large)
    store.get_file("large", tmp_path / "back", WANTED)


def test_our_own_win_is_recognised_when_its_response_is_lost(store: S3Store, proxy: faultproxy.Proxy) -> None:
    proxy.add("lose", "PUT", "/commits/c.json")
    assert store.create_once("commits/c.json", b"attempt 1") == "created"
    assert proxy.count("PUT", "/commits/c.json") == 2
    assert all(headers["if-none-match"] == "*" for headers in proxy.headers_of("PUT", "/commits/c.json"))
    proxy.add("lose", "PUT", "/commits/c.json")
    assert store.create_once("commits/c.json", b"attempt 2") == "exists"
    assert store.get("commits/c.json") == b"attempt 1"


def test_the_client_librarys_own_retry_of_a_lost_win_is_recognised(place: Place, proxy: faultproxy.Proxy) -> None:
    store = place.behind(proxy, attempts=3)
    proxy.add("lose", "PUT", "/c.json")
    assert store.create_once("c.json", b"attempt 1") == "created"


def test_a_conflict_is_tried_again_and_only_so_often(place: Place, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "PUT", times=3, status=409, code="ConditionalRequestConflict")
    assert place.behind(proxy).create_once("c.json", b"1") == "created"
    proxy.add("refuse", "PUT", times=99, status=409, code="ConditionalRequestConflict")
    error = outcome(lambda: place.behind(proxy, patience_seconds=0).create_once("d.json", b"1"))
    assert isinstance(error, StoreUnreachable)
    assert "conflicts in a row" in error.message


def test_truncated_bodies_are_never_taken_for_whole(store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path) -> None:
    store.put("k", b"0123456789" * 100)
    proxy.add("truncate", "GET", "/k", times=2)
    assert store.get("k") == b"0123456789" * 100
    proxy.add("truncate", "GET", "/k", times=2)
    store.get_file("k", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"0123456789" * 100


def test_a_cut_download_goes_on_where_it_stopped(
    store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path, large: Path
) -> None:
    store.put("large", large)
    proxy.add("truncate", "GET", "/large", times=2)
    store.get_file("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == DATA
    first, second, third = proxy.headers_of("GET", "/large")
    assert "range" not in first
    assert second["range"] == f"bytes={len(DATA) // 2}-"
    assert int(third["range"][6:-1]) > len(DATA) // 2
    assert second["if-match"] == third["if-match"]


def test_a_download_that_was_given_up_is_continued_by_the_next_call(
    place: Place, proxy: faultproxy.Proxy, tmp_path: Path, large: Path
) -> None:
    place.behind(proxy).put("large", large)
    target = tmp_path / "folder" / "target"
    proxy.add("truncate", "GET", "/large")
    proxy.add("refuse", "GET", "/large", times=9)
    error = outcome(lambda: place.behind(proxy, patience_seconds=0).get_file("large", target, WANTED))
    assert isinstance(error, StoreUnreachable)
    (part,) = target.parent.iterdir()
    assert part.name.startswith(".target.")
    assert part.name.endswith(".part")
    with faultproxy.serving(f"http://{proxy.upstream}") as calm:
        place.behind(calm).get_file("large", target, WANTED)
        (headers,) = calm.headers_of("GET", "/large")
        assert headers["range"] == f"bytes={len(DATA) // 2}-"
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert target.read_bytes() == DATA


def test_a_part_left_by_something_else_is_started_anew(store: S3Store, tmp_path: Path) -> None:
    store.put("k", b"right" * 100)
    wanted = Expected(500, hashlib.sha256(b"right" * 100).hexdigest())
    (tmp_path / f".target.{str(wanted.sha256)[:16]}.part").write_bytes(b"wrong")
    store.get_file("k", tmp_path / "target", wanted)
    assert (tmp_path / "target").read_bytes() == b"right" * 100


def test_an_object_replaced_during_a_download_is_not_mixed(
    place: Place, store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path, large: Path
) -> None:
    direct = place.open()
    direct.put("large", large)
    large.write_bytes(DATA[::-1])
    proxy.add("truncate", "GET", "/large")

    def replace(method: str, body: bytes) -> bytes:
        if proxy.count("GET", "/large") == 2:
            direct.put("large", large)
        return body

    proxy.forward_body = replace
    error = outcome(lambda: store.get_file("large", tmp_path / "back"))
    assert isinstance(error, ObjectDamaged)
    assert "replaced while it was read" in error.message
    assert [path.name for path in tmp_path.iterdir()] == ["large"]


def test_damaged_bytes_are_named(store: S3Store, proxy: faultproxy.Proxy, tmp_path: Path) -> None:
    store.put("k", b"0123456789")
    proxy.add("corrupt", "GET", "/k", times=9)
    error = outcome(
        lambda: store.get_file("k", tmp_path / "t", Expected(10, hashlib.sha256(b"0123456789").hexdigest()))
    )
    assert isinstance(error, ObjectDamaged)
    assert f"{store.uri}/k: got sha256" in error.message


def test_a_multipart_upload_that_fails_leaves_nothing_behind(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    store = place.behind(proxy, patience_seconds=0)
    proxy.add("refuse", "PUT", "partNumber=3", times=99, status=403, code="AccessDenied")
    assert isinstance(outcome(lambda: store.put("large", large)), StoreDenied)
    assert store.stat("large") is None
    assert store.bucket.uploads() == ([], "")


def test_a_file_that_shrinks_while_it_is_uploaded_is_not_written(store: S3Store, large: Path) -> None:
    store.put("other", b"")
    request = store.bucket.request

    def shrinking(operation: str, key: str, **parameters: Any) -> dict[str, Any]:
        with large.open("r+b") as handle:
            handle.truncate(PART + 5)
        return request(operation, key, **parameters)

    store.bucket.request = shrinking  # type: ignore[method-assign]
    with pytest.raises(CrossadError, match="changed while it was uploaded"):
        store.put("large", large)
    assert store.stat("large") is None
    assert store.bucket.uploads() == ([], "")


def test_a_process_killed_in_an_upload_leaves_nothing_that_is_seen(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    reached, killed = threading.Event(), threading.Event()

    def hold(method: str, body: bytes) -> bytes:
        if method == "PUT" and proxy.count("PUT", "partNumber=") >= 2:
            reached.set()
            killed.wait(60)
        return body

    proxy.forward_body = hold
    code = f"""
from pathlib import Path
from crossad.store.opening import open_store
from crossad.store.options import S3Options
options = S3Options(endpoint={proxy.endpoint!r}, part_bytes={PART}, threads=1)
open_store({place.uri!r}, options).put("large", Path({str(large)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    assert reached.wait(60)
    process.kill()
    process.wait()
    killed.set()
    store = place.open()
    assert store.stat("large") is None
    assert list(store.list()) == []
    store.put("large", large)
    assert store.stat("large") is not None


def test_a_fault_in_one_part_does_not_wait_for_the_patience_of_others(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    options = place.options(endpoint=proxy.endpoint, attempts=1, commit="conditional", patience_seconds=4 * 3600)
    store = open_bucket(place.uri, options)
    proxy.add("refuse", "PUT", "partNumber=2", status=403, code="AccessDenied")
    proxy.add("refuse", "PUT", "partNumber=", times=10**6)
    assert isinstance(outcome(lambda: store.put("large", large)), StoreDenied)
    assert proxy.count("PUT", "partNumber=") < 20


@pytest.mark.parametrize("told", [True, False], ids=["etag-of-hashes", "opaque-etag"])
def test_a_completion_whose_response_is_lost_is_recognised_or_done_once_more(
    store: S3Store, proxy: faultproxy.Proxy, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """On a server that answers a second completion with "no such upload", which versitygw and moto do not."""
    if not told:
        monkeypatch.setattr(upload, "_etag", lambda _: None)  # as where encryption makes etags that are no hashes
    proxy.add("lose", "POST", "uploadId=")
    proxy.add("refuse", "POST", "uploadId=", status=404, code="NoSuchUpload")
    store.put("large", large)
    assert proxy.count("POST", "uploadId=") == (2 if told else 3)
    store.get_file("large", tmp_path / "back", WANTED)
    assert store.bucket.uploads() == ([], "")
