"""Writing a file to a bucket: one request where it is small, else parts, a few at a time; whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossad.errors import CrossadError, DataError
from crossad.store.base import size_of
from crossad.store.faults import UploadGone

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

    def file(self, key: str, path: Path, content_type: str | None) -> str:
        """Write a file whole; each byte is read once.

        Returns:
            The SHA-256 of what was written.

        Raises:
            DataError: the file changed meanwhile; nothing is written.
        """
        size = size_of(path)
        if size > self.options.part_bytes:
            try:
                return self._parts(key, path, size, content_type)
            except UploadGone:  # somebody aborted it, or it was completed unseen and cannot be told: once more
                return self._parts(key, path, size, content_type)
        with self.slots:
            data = _slice(path, 0, size)
            self.patience.run(lambda: self.bucket.put(key, data, content_type=content_type))
            return hashlib.sha256(data).hexdigest()

    def _parts(self, key: str, path: Path, size: int, content_type: str | None) -> str:
        """Send the parts, then complete; an upload that fails is aborted, so nothing invisible is left to pay for."""
        upload = self.patience.run(lambda: self.bucket.begin_upload(key, content_type))
        whole = False
        try:
            parts, sha256 = self._send(key, path, size, upload)
            self._complete(key, size, upload, parts)
            whole = True
            return sha256
        finally:
            if not whole:
                with contextlib.suppress(CrossadError):  # the first fault is the one to tell
                    self.bucket.request("abort_multipart_upload", key, UploadId=upload)

    def _send(self, key: str, path: Path, size: int, upload: str) -> tuple[list[dict[str, Any]], str]:
        """All parts, `threads` at once, and the SHA-256 of the whole: this thread reads and hashes, others send."""
        length = max(self.options.part_bytes, -(-size // MOST_PARTS))
        gave_up, failed, digest = threading.Event(), threading.Event(), hashlib.sha256()
        patience = self.patience.until(gave_up)

        def send(number: int, data: bytes) -> dict[str, Any]:
            return patience.run(lambda: self.bucket.send_part(key, upload, number, data))

        def ended(part: Future[dict[str, Any]]) -> None:
            self.slots.release()
            if part.cancelled() or part.exception():
                failed.set()

        def begin(number: int, offset: int) -> Future[dict[str, Any]]:
            try:
                data = _slice(path, offset, min(length, size - offset))
                digest.update(data)
                part = pool.submit(send, number, data)
            except BaseException:
                self.slots.release()
                raise
            part.add_done_callback(ended)
            return part

        pool = ThreadPoolExecutor(self.options.threads, thread_name_prefix="upload")
        sent: list[Future[dict[str, Any]]] = []
        try:
            for number, offset in enumerate(range(0, size, length), 1):
                if not self._room(failed):
                    break
                sent.append(begin(number, offset))
            for part in wait(sent, return_when=FIRST_EXCEPTION).done:
                part.result()  # the first fault, whichever part has it
            return [part.result() for part in sent], digest.hexdigest()
        finally:
            gave_up.set()  # where one part failed or somebody asked to stop, the others need not be waited for
            pool.shutdown(cancel_futures=True)

    def _room(self, failed: threading.Event) -> bool:
        """Wait for room for a part, which other files' parts may hold as long as the store does not answer."""
        while not failed.is_set():
            if self.slots.acquire(timeout=1.0):
                return True
        return False

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
