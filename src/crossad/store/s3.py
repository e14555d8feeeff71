"""A store in a bucket of any S3-compatible server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.store.base import ANYTHING, Entry, Expected, Once, Unfinished
from crossad.store.boto import Connection
from crossad.store.bucket import Bucket
from crossad.store.faults import AlreadyThere, ObjectDamaged, UploadGone
from crossad.store.keys import check_key, check_prefix
from crossad.store.landing import land
from crossad.store.once import ConditionalOnce, Creation, PlainOnce, choose
from crossad.store.patience import Patience
from crossad.store.upload import Upload

if TYPE_CHECKING:
    from crossad.store.options import S3Options


class S3Store:
    """Objects of one bucket below one prefix. One for all threads of a process; made after a fork, not before."""

    def __init__(self, bucket: str, prefix: str, options: S3Options, patience: Patience | None = None) -> None:
        """Make a client; nothing is sent before the first operation.

        Args:
            bucket: The bucket's name.
            prefix: Parts that all keys lie below, or "".
            options: How to reach it.
            patience: Instead of `options.patience_seconds`: with a clock or a sleep of the caller's.
        """
        if prefix:
            check_key(prefix)
        self.options = options
        self.patience = patience or Patience(options.patience_seconds)
        self.bucket = Bucket(Connection(options, f"s3://{bucket}"), bucket, prefix, options)
        self._upload = Upload(self.bucket, options, self.patience, threading.Semaphore(options.threads))
        self._lock = threading.Lock()
        self._creation: Creation | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return self.bucket.uri

    @property
    def creation(self) -> Creation:
        """How this store creates once: as the options say, or found out at the first need."""
        with self._lock:
            if self._creation is None:
                settle = timedelta(seconds=self.options.settle_seconds)
                if self.options.commit == "conditional":
                    self._creation = ConditionalOnce(self.bucket, self.patience)
                elif self.options.commit == "plain":
                    self._creation = PlainOnce(self.bucket, self.patience, settle)
                else:
                    self._creation = choose(self.bucket, self.patience, settle)
            return self._creation

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        """Write bytes in one request, files in parts where they are large."""
        check_key(key)
        if not isinstance(source, bytes):
            return self._upload.file(key, source, content_type)
        self.patience.run(lambda: self.bucket.put(key, source, content_type=content_type))
        return hashlib.sha256(source).hexdigest()

    def create_once(self, key: str, data: bytes) -> Once:
        """Create, or find somebody's."""
        return self.creation.create(check_key(key), data)

    def read_once(self, key: str) -> bytes | None:
        """What was created; before anything was, without the choice of a way, which would write."""
        with self._lock:
            creation = self._creation
        if creation is None and self.options.commit == "auto":
            creation = PlainOnce(self.bucket, self.patience, timedelta(seconds=self.options.settle_seconds))
        return (creation or self.creation).read(check_key(key))

    def get(self, key: str) -> bytes:
        """The bytes; a cut body is asked for again."""
        return self.patience.run(lambda: self.bucket.get(key))

    def get_file(self, key: str, target: Path, expected: Expected = ANYTHING, *, lasting: bool = True) -> None:
        """Stream into a file; after a cut, the rest of the same version by range."""
        etag: str | None = None
        if expected.sha256 and expected.size is None:
            found = self.stat(key)
            expected = replace(expected, size=found.size if found else None)

        def read(offset: int) -> Iterator[bytes]:
            nonlocal etag
            try:
                etag, blocks = self.bucket.read(key, offset, etag)
            except AlreadyThere as error:
                raise ObjectDamaged(
                    f"{self.bucket.where(key)}: it was replaced while it was read", hint="run again"
                ) from error
            yield from blocks

        land(self.bucket.where(check_key(key)), target, expected, read, self.patience, lasting=lasting)

    def stat(self, key: str) -> Entry | None:
        """The entry, or None."""
        return self.patience.run(lambda: self.bucket.stat(key))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Page by page; a page that fails is asked for again."""
        check_prefix(prefix)
        token: str | None = None
        while True:
            found, token = self.patience.run(lambda token=token: self.bucket.entries(prefix, token))  # type: ignore[misc]
            yield from found
            if token is None:
                return

    def delete(self, key: str, *, once: bool = True) -> None:
        """Remove the object; in plain mode its claims too."""
        if once:
            self.creation.forget(check_key(key))
        else:
            self.patience.run(lambda: self.bucket.delete(key))

    def now(self) -> datetime:
        """The server's clock, to the second."""
        return self.patience.run(self.bucket.now)

    def uploads(self, before: datetime) -> Iterator[Unfinished]:
        """Multipart uploads that somebody began below the prefix and left, page by page."""
        after, more = "", True
        while more:
            found, after = self.patience.run(lambda after=after: self.bucket.uploads(after))  # type: ignore[misc]
            more = bool(after)
            for upload in found:
                if upload.begun < before:
                    yield self.patience.run(lambda upload=upload: self.bucket.weighed(upload))  # type: ignore[misc]

    def abort(self, upload: Unfinished) -> None:
        """Give its parts back."""
        with suppress(UploadGone):
            self.patience.run(lambda: self.bucket.request("abort_multipart_upload", upload.key, UploadId=upload.upload))
