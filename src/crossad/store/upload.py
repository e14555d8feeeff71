"""Writing a file to a bucket: one request where it is small, else parts, a few at a time; whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossad.errors import CrossadError, DataError
from crossad.store.base import size_of
from crossad.store.faults import StoreUnreachable, UploadGone

if TYPE_CHECKING:
    from crossad.store.bucket import Bucket
    from crossad.store.options import S3Options
    from crossad.store.patience import Patience

MOST_PARTS = 10_000  # the protocol's own limit


@dataclass(frozen=True)
class Upload:
    """How files get into one bucket."""

    bucket: Bucket
    options: S3Options
    patience: Patience
    slots: threading.Semaphore  # of parts in memory: one for all files that are on their way

    def file(self, key: str, path: Path, content_type: str | None) -> None:
        """Write a file whole.

        Raises:
            DataError: the file changed meanwhile; nothing is written.
        """
        size = size_of(path)
        if size > self.options.part_bytes:
            try:
                self._parts(key, path, size, content_type)
            except UploadGone:  # somebody aborted it, or it was completed unseen and cannot be told: once more
                self._parts(key, path, size, content_type)
            return
        with self.slots:
            data = _slice(path, 0, size)
            self.patience.run(lambda: self.bucket.put(key, data, content_type=content_type))

    def _parts(self, key: str, path: Path, size: int, content_type: str | None) -> None:
        """Send the parts, then complete; an upload that fails is aborted, so nothing invisible is left to pay for."""
        upload = self.patience.run(lambda: self.bucket.begin_upload(key, content_type))
        whole = False
        try:
            parts = self._send(key, path, size, upload)
            self._complete(key, size, upload, parts)
            whole = True
        finally:
            if not whole:
                with contextlib.suppress(CrossadError):  # the first fault is the one to tell
                    self.bucket.request("abort_multipart_upload", key, UploadId=upload)

    def _send(self, key: str, path: Path, size: int, upload: str) -> list[dict[str, Any]]:
        """All parts, `threads` at once: a part's bytes are read when its turn comes."""
        length = max(self.options.part_bytes, -(-size // MOST_PARTS))
        gave_up = threading.Event()
        patience = self.patience.until(gave_up)

        def send(offset: int) -> dict[str, Any]:
            number = offset // length + 1
            with self._slot(gave_up):
                data = _slice(path, offset, min(length, size - offset))
                answer = patience.run(
                    lambda: self.bucket.request(
                        "upload_part", key, UploadId=upload, PartNumber=number, Body=data, **self.bucket.guard(data)
                    )
                )
            checksums = {name: value for name, value in answer.items() if name.startswith("ChecksumCRC")}
            return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

        pool = ThreadPoolExecutor(self.options.threads, thread_name_prefix="upload")
        try:
            sent = [pool.submit(send, offset) for offset in range(0, size, length)]
            for part in wait(sent, return_when=FIRST_EXCEPTION).done:
                part.result()  # the first fault, whichever part has it
            return [part.result() for part in sent]
        finally:
            gave_up.set()  # where one part failed or somebody asked to stop, the others need not be waited for
            pool.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def _slot(self, gave_up: threading.Event) -> Iterator[None]:
        """Wait for room for a part; another file's part may hold it as long as the store does not answer."""
        while not self.slots.acquire(timeout=1.0):
            if gave_up.is_set():
                raise StoreUnreachable("given up", hint="run again")
        try:
            yield
        finally:
            self.slots.release()

    def _complete(self, key: str, size: int, upload: str, parts: list[dict[str, Any]]) -> None:
        """Make the object visible; an upload that is gone was completed by a request whose answer was lost."""
        try:
            self.patience.run(
                lambda: self.bucket.request(
                    "complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts}
                )
            )
        except UploadGone:
            found = self.patience.run(lambda: self.bucket.stat(key))
            if found is None or found.size != size or found.etag.strip('"') != _etag(parts):
                raise


def _etag(parts: list[dict[str, Any]]) -> str | None:
    """The etag of a multipart object: a hash of its parts' hashes, and their number; None where those are no hashes."""
    try:
        digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _slice(path: Path, offset: int, length: int) -> bytes:
    """`length` bytes of a file from an offset on."""
    with path.open("rb") as handle:
        handle.seek(offset)
        data = handle.read(length)
        grown = offset + length >= path.stat().st_size != offset + length
    if len(data) != length or grown:
        raise DataError(f"{path}: it changed while it was uploaded", hint="freeze files before they are uploaded")
    return data
