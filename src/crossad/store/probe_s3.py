"""The part of the probe that only a bucket has: conditional writes, multipart, checksums; and the mode that follows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import cast

from crossad.store.base import Expected
from crossad.store.faults import AlreadyThere, BodyRefused, StoreBroken, Unsupported
from crossad.store.guard import Guard, md5_of
from crossad.store.once import ConditionalOnce, PlainOnce
from crossad.store.options import SMALLEST_PART, Checksums
from crossad.store.probe import Bench, Lacking, Report, Wrong, race
from crossad.store.s3 import S3Store

ONCE = "create once"


def report(bench: Bench) -> Report:
    """All checks of a bucket, and the commit mode: conditional only where the condition held under a race."""
    store = _of(bench)
    conditional = bench.try_(ONCE, _once)
    why = f"If-None-Match held: {bench.findings[-1].told}" if conditional else bench.findings[-1].told
    plain = conditional or bench.try_(f"{ONCE}, plain mode", _plain)
    checks: tuple[tuple[str, Callable[[Bench], str]], ...] = (
        ("If-Match with a stale etag", _if_match),
        ("multipart", _multipart),
        ("multipart, aborted", _abort),
        ("checksums: when_required", lambda b: _checksums(b, "when_required")),
        ("checksums: when_supported", lambda b: _checksums(b, "when_supported")),
        ("a body that was changed", _changed),
    )
    for check, work in checks:
        bench.try_(check, work)
    mode = "conditional" if conditional else "plain" if plain else None
    if bench.broken:
        why = bench.findings[0].told
    return Report(store.uri, store.bucket.connection.endpoint, mode, why, tuple(bench.findings))


def _of(bench: Bench) -> S3Store:
    return cast(S3Store, bench.store)


def _once(bench: Bench) -> str:
    """First alone, then in a race: many servers have the header, some have it without being atomic."""
    store, key = _of(bench), bench.key("alone")
    store.put(key, b"first")
    try:
        store.bucket.put(key, b"second", once=True)
    except AlreadyThere:
        pass
    except (Unsupported, StoreBroken) as error:
        raise Lacking(f"the server refuses If-None-Match: {error.message}") from error
    else:
        raise Lacking("the server takes If-None-Match and ignores it: an object was overwritten")
    creation = ConditionalOnce(store.bucket, store.patience)
    try:
        return race(bench, creation.create, bench.rounds, "once")
    except Wrong as error:
        raise Lacking(f"If-None-Match is not atomic here: {error}") from error


def _plain(bench: Bench) -> str:
    store = _of(bench)
    settle = timedelta(seconds=store.options.settle_seconds)
    return race(bench, PlainOnce(store.bucket, store.patience, settle).create, 1, "plain")


def _if_match(bench: Bench) -> str:
    store, key = _of(bench), bench.key("match")
    store.put(key, b"first")
    found = store.stat(key)
    if found is None:
        raise Wrong("an object just written is not there")
    store.put(key, b"second")
    try:
        store.bucket.put_if(key, b"third", found.etag)
    except AlreadyThere:
        return "refused, as it should be"
    except StoreBroken as error:
        raise Lacking(f"the server refuses If-Match: {error.message}; crossad does not need it") from error
    raise Lacking("the server ignores it; crossad does not need it")


def _multipart(bench: Bench) -> str:
    """Two parts, the second of one byte, there and back."""
    store, key = _of(bench), bench.key("parts")
    data = os.urandom(SMALLEST_PART) + b"x"
    source, target = bench.folder / "source", bench.folder / "target"
    source.write_bytes(data)
    small = S3Store(*_parts(store), replace(store.options, part_bytes=SMALLEST_PART), store.patience)
    small.put(key, source)
    small.get_file(key, target, Expected(len(data), hashlib.sha256(data).hexdigest()))
    return f"2 parts, {len(data) / 2**20:.0f} MiB, the same sha256"


def _parts(store: S3Store) -> tuple[str, str]:
    bucket, _, prefix = store.uri.removeprefix("s3://").partition("/")
    return bucket, prefix


def _abort(bench: Bench) -> str:
    """An upload given up leaves neither an object nor invisible parts."""
    bucket, key = _of(bench).bucket, bench.key("aborted")
    upload = bucket.begin_upload(key, None)
    bucket.send_part(key, upload, 1, b"x")
    bucket.request("abort_multipart_upload", key, UploadId=upload)
    if bucket.stat(key) is not None:
        raise Wrong("an aborted upload became an object")
    if any(left.upload == upload for left in bucket.uploads()[0]):
        raise Wrong("an aborted upload is still listed: its parts may be paid for")
    return "nothing left"


def _checksums(bench: Bench, mode: Checksums) -> str:
    """Write and read with the client library's own checksums on or off."""
    store, key = _of(bench), bench.key(f"sums-{mode}")
    other = S3Store(*_parts(store), replace(store.options, checksums=mode), store.patience)
    try:
        other.put(key, b"0123456789")
        back = other.get(key)
    except StoreBroken as error:
        raise Lacking(f"refused: {error.message}") from error
    if back != b"0123456789":
        raise Wrong("other bytes came back")
    return "works"


def _changed(bench: Bench) -> str:
    """Which checksum the server believes more than the body."""
    bucket, key = _of(bench).bucket, bench.key("changed")
    if Guard(bucket, ask=True).crc32():
        return "refused by its CRC32, which large bodies get"
    try:
        bucket.request("put_object", key, Body=b"x", ContentMD5=md5_of(b"y"))
    except BodyRefused:
        return "refused by its MD5, which all bodies get"
    raise Lacking("taken, whether a CRC32 or an MD5 says so: a damaged upload is noticed when it is read")
