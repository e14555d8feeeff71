"""What goes with a body, and that a server refuses one that was changed on its way, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faultproxy
import pytest
from s3servers import DATA, WANTED, Place, Servers

from crossad.store.faults import BodyRefused, StoreUnreachable
from crossad.store.guard import LARGE, crc32_of, md5_of
from crossad.store.options import Checksums
from crossad.store.s3 import S3Store

MIDDLING = LARGE  # bytes of one request that is worth a question
CHECKSUM = "x-amz-checksum-crc32"


@pytest.fixture
def over_moto(place: Place, servers: Servers) -> Iterator[faultproxy.Proxy]:
    """A server that takes a body whatever its CRC32 says."""
    place.kind = "moto"
    with faultproxy.serving(servers.moto) as proxy:
        yield proxy


def sent(proxy: faultproxy.Proxy) -> list[tuple[bool, bool]]:
    """Whether each body that was written had an MD5 and a CRC32, without what only asks."""
    puts = [headers for method, path, headers in proxy.seen if method == "PUT" and "/probe/" not in path]
    return [("content-md5" in headers, CHECKSUM in headers) for headers in puts]


def written(store: S3Store, large: Path) -> None:
    """One small body, one that is not, and a file of three parts, there and back."""
    store.put("small", b"x")
    store.put("middling", bytes(MIDDLING))
    store.put("large", large)
    assert store.get("middling") == bytes(MIDDLING)
    store.get_file("large", large.with_name("back"), WANTED)


def test_a_server_that_refuses_a_wrong_crc32_gets_one_with_every_large_body(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    store = place.behind(proxy)
    written(store, large)
    assert sent(proxy) == [(True, False), *[(False, True)] * 4]
    assert proxy.count("PUT", "/probe/") == 1, "asked once"
    assert proxy.count("DELETE") == 0
    assert not list(store.list("probe/")), "a refused question leaves nothing"


def test_a_server_that_takes_a_wrong_crc32_gets_an_md5(place: Place, over_moto: faultproxy.Proxy, large: Path) -> None:
    store = place.behind(over_moto)
    written(store, large)
    assert sent(over_moto) == [(True, False)] * 5
    assert over_moto.count("PUT", "/probe/") == 1
    assert not list(store.list("probe/")), "what it took is cleared away"


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (501, "NotImplemented"), (400, "InvalidArgument")])
def test_a_server_that_refuses_the_question_gets_an_md5(
    place: Place, proxy: faultproxy.Proxy, large: Path, status: int, code: str
) -> None:
    proxy.add("refuse", "PUT", "/probe/", times=99, status=status, code=code)
    written(place.behind(proxy), large)
    assert sent(proxy) == [(True, False)] * 5


def test_a_server_that_does_not_answer_the_question_is_asked_again(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    proxy.add("refuse", "PUT", "/probe/", times=3)
    written(place.behind(proxy), large)
    assert sent(proxy) == [(True, False), *[(False, True)] * 4]


def test_small_bodies_are_not_worth_a_question(place: Place, proxy: faultproxy.Proxy, tmp_path: Path) -> None:
    store, small = place.behind(proxy), tmp_path / "small"
    small.write_bytes(bytes(LARGE - 1))
    store.put("a", b"x")
    store.put("b", small)
    store.create_once("c", b"x")
    assert sent(proxy) == [(True, False)] * 3
    assert proxy.count("PUT", "/probe/") == 0


def test_no_server_is_asked_where_the_options_say_what_to_send(
    place: Place, proxy: faultproxy.Proxy, large: Path
) -> None:
    written(place.behind(proxy, checksums="when_required"), large)
    assert sent(proxy) == [(True, False)] * 5
    proxy.seen.clear()
    store = place.behind(proxy, checksums="when_supported")
    store.create_once("once", b"x")
    written(store, large)
    assert sent(proxy) == [(False, True)] * 6, "the library's own, and no second one"
    assert proxy.count("PUT", "/probe/") == 0


@pytest.mark.parametrize("checksums", ["auto", "when_required", "when_supported"])
def test_a_body_changed_on_its_way_is_refused_by_the_server(
    place: Place, servers: Servers, large: Path, checksums: Checksums
) -> None:
    with faultproxy.serving(servers.versitygw) as proxy:
        store = place.behind(proxy, patience_seconds=0, checksums=checksums)
        store.bucket.guard.crc32()
        forward = proxy.forward_body
        proxy.forward_body = lambda method, body: forward(method, bytes([body[0] ^ 1]) + body[1:] if body else body)
        for write in (
            lambda: store.put("k", b"x" * 100),
            lambda: store.put("k", bytes(MIDDLING)),
            lambda: store.put("large", large),
        ):
            with pytest.raises(StoreUnreachable, match=r"got 400 (BadDigest|XAmzContentSHA256Mismatch)"):
                write()
        proxy.forward_body = forward
        assert store.stat("k") is None
        assert store.stat("large") is None


@pytest.mark.parametrize(
    ("checksums", "wrong"),
    [("auto", {"ChecksumCRC32": crc32_of(b"y")}), ("when_required", {"ContentMD5": md5_of(b"y")})],
)
def test_a_wrong_checksum_is_refused_though_the_signature_is_right(
    versitygw: Place, checksums: Checksums, wrong: dict[str, str]
) -> None:
    """By the checksum alone, as where a body is not signed."""
    store = versitygw.open(checksums=checksums)
    assert isinstance(store, S3Store)
    upload = store.bucket.begin_upload("large", None)
    with pytest.raises(BodyRefused):
        store.bucket.request("put_object", "k", Body=b"x", **wrong)
    with pytest.raises(BodyRefused):
        store.bucket.request("upload_part", "large", UploadId=upload, PartNumber=1, Body=b"x", **wrong)
    assert store.stat("k") is None


def test_a_file_is_hashed_by_the_very_bytes_that_were_sent(place: Place, proxy: faultproxy.Proxy, large: Path) -> None:
    store = place.behind(proxy)
    assert store.put("large", large) == WANTED.sha256

    def meddle(method: str, body: bytes) -> bytes:
        large.write_bytes(DATA[::-1])
        return body

    large.write_bytes(DATA[:LARGE])
    proxy.forward_body = meddle
    told = store.put("middling", large)
    proxy.forward_body = lambda method, body: body
    back = large.with_name("back")
    store.get_file("middling", back)
    assert back.read_bytes() == DATA[:LARGE]
    assert told == store.put("again", back), "the file was another one by then"
