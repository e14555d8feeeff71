"""What goes with a body so that the server refuses one that was cut or changed on its way.

An MD5 is what S3-compatible servers have always verified, and the dearest checksum for both sides. A CRC32 costs a
fifth of it, but a server that does not know it takes whatever comes. So a server is asked once, by one byte with a
CRC32 that is wrong. It goes as a header: over TLS the client library itself sends a trailer after a chunked body, and
versitygw 1.8, which keeps connections, then takes a later request for a broken one.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from crossad.errors import CrossadError
from crossad.store.faults import BodyRefused, StoreUnreachable

if TYPE_CHECKING:
    from crossad.store.bucket import Bucket

LARGE = 2**20  # bytes of a body from which on it pays to ask


class Guard:
    """The checksums of one server; none of ours where the client library adds its own."""

    def __init__(self, bucket: Bucket, *, ask: bool) -> None:
        """Name the bucket, and whether its server may be asked for a CRC32; else it is an MD5."""
        self._bucket = bucket
        self._lock = threading.Lock()
        self._crc32: bool | None = None if ask else False  # None: not asked yet

    def of(self, data: bytes, *, part: bool = False) -> dict[str, str]:
        """The parameters of a request with this body; parts of one upload all have the same kind.

        Raises:
            StoreUnreachable: the server was to be asked, and does not answer.
        """
        if self._bucket.connection.adds_checksums:
            return {}
        if (part or len(data) >= LARGE) and self.crc32():
            return {"ChecksumCRC32": crc32_of(data)}
        return {"ContentMD5": md5_of(data)}

    def of_upload(self) -> dict[str, str]:
        """The parameters of a request that begins an upload in parts: it has to name their checksums."""
        return {"ChecksumAlgorithm": "CRC32"} if self._bucket.connection.adds_checksums or self.crc32() else {}

    def crc32(self) -> bool:
        """Whether the server refuses a body that is not what its CRC32 says; found out at the first need."""
        with self._lock:
            if self._crc32 is None:
                self._crc32 = self._tried()
            return self._crc32

    def _tried(self) -> bool:
        """Any other refusal, that of a role without rights there too, means an MD5; no answer means to ask again."""
        key = f"probe/{uuid.uuid4().hex}"
        try:
            self._bucket.request("put_object", key, Body=b"x", ChecksumCRC32=crc32_of(b"y"), **self._bucket.encryption)
        except BodyRefused:
            return True
        except StoreUnreachable:
            raise
        except CrossadError:
            return False
        with suppress(CrossadError):  # a scratch object left behind harms nobody
            self._bucket.delete(key)
        return False


def crc32_of(data: bytes) -> str:
    """A CRC32 as the protocol spells it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def md5_of(data: bytes) -> str:
    """An MD5 as the protocol spells it; it finds broken transfers, nothing hangs on its strength."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
