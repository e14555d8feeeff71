"""One bucket below one prefix: single requests by key, without patience. Full names of objects exist only here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from crossad.store.base import SMALL, Entry, Unfinished
from crossad.store.faults import KeyRefused, ObjectDamaged, ObjectMissing, StoreBroken, UploadGone
from crossad.store.guard import Guard
from crossad.store.keys import check_key, check_prefix

if TYPE_CHECKING:
    from crossad.store.boto import Connection
    from crossad.store.options import S3Options

NAME_BYTES = 1024  # the protocol's own limit on a full name
PAGE = 1000


class Bucket:
    """Requests to one bucket; every error is one of `faults`."""

    def __init__(self, connection: Connection, bucket: str, prefix: str, options: S3Options) -> None:
        """Name the bucket and the prefix that all keys lie below."""
        self.connection = connection
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._seen = False  # whether the bucket is known to exist
        self.guard = Guard(self, ask=options.checksums == "auto")
        self.encryption = {
            name: value
            for name, value in (("ServerSideEncryption", options.sse), ("SSEKMSKeyId", options.sse_kms_key_id))
            if value is not None
        }

    @property
    def uri(self) -> str:
        """Where this is."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def where(self, key: str) -> str:
        """An object's address, for messages."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def put(self, key: str, data: bytes, *, once: bool = False, content_type: str | None = None) -> None:
        """Write an object in one request; the server verifies its checksum.

        Raises:
            AlreadyThere: `once`, and there is one.
        """
        extra = self._kind(content_type) | self.encryption | ({"IfNoneMatch": "*"} if once else {})
        self.request("put_object", key, Body=data, **self.guard.of(data), **extra)

    def put_if(self, key: str, data: bytes, etag: str) -> None:
        """Write over the version with this etag only.

        Raises:
            AlreadyThere: there is another version.
        """
        self.request("put_object", key, Body=data, IfMatch=etag, **self.guard.of(data), **self.encryption)

    def get(self, key: str) -> bytes:
        """A small object, whole."""
        answer = self.request("get_object", key)
        if answer["ContentLength"] > SMALL:
            answer["Body"].close()
            raise ObjectDamaged(f"{self.where(key)}: {answer['ContentLength']} bytes, allowed {SMALL}")
        return b"".join(self.connection.blocks(answer["Body"], self.where(key)))

    def read(self, key: str, offset: int = 0, etag: str | None = None) -> tuple[str, Iterator[bytes]]:
        """The etag, and the bytes from an offset on, of the version with `etag` where one is given."""
        extra: dict[str, Any] = {"Range": f"bytes={offset}-"} if offset else {}
        if etag:
            extra["IfMatch"] = etag
        answer = self.request("get_object", key, **extra)
        blocks = self.connection.blocks(answer["Body"], self.where(key))
        whole = offset > 0 and "ContentRange" not in answer  # a server without ranges sends all
        return str(answer["ETag"]), _skip(blocks, offset) if whole else blocks

    def stat(self, key: str) -> Entry | None:
        """The object's entry, or None.

        Raises:
            StoreMissing: not even the bucket is there.
        """
        try:
            answer = self.request("head_object", key)
        except ObjectMissing:
            self._require_bucket()
            return None
        return Entry(key, int(answer["ContentLength"]), _utc(answer["LastModified"]), str(answer["ETag"]))

    def entries(self, prefix: str, token: str | None = None, page: int = PAGE) -> tuple[list[Entry], str | None]:
        """One page of a listing and the token of the next; names that are no keys are left out."""
        extra = {"ContinuationToken": token} if token else {}
        answer = self.connection.call(
            "list_objects_v2",
            self.where(prefix),
            Bucket=self._bucket,
            Prefix=self._prefix + check_prefix(prefix),
            MaxKeys=page,
            **extra,
        )
        self._seen = True
        found = [entry for item in answer.get("Contents", []) if (entry := self._entry(item)) is not None]
        following = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
        if following is not None and following == token:
            raise StoreBroken(f"{self.where(prefix)}: the listing does not advance at {self.connection.endpoint}")
        return found, following

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        self.request("delete_object", key)

    def now(self) -> datetime:
        """The server's clock, as its answers carry it (whole seconds)."""
        answer = self.connection.call(
            "list_objects_v2", self.uri, Bucket=self._bucket, Prefix=self._prefix + "now/", MaxKeys=1
        )
        self._seen = True
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)

    def begin_upload(self, key: str, content_type: str | None) -> str:
        """Begin a multipart upload, which must say which checksums its parts will have; its id."""
        extra = self.guard.of_upload() | self._kind(content_type) | self.encryption
        answer = self.request("create_multipart_upload", key, **extra)
        return str(answer["UploadId"])

    def send_part(self, key: str, upload: str, number: int, data: bytes) -> dict[str, Any]:
        """One part of an upload; what its completion has to say of it."""
        answer = self.request(
            "upload_part", key, UploadId=upload, PartNumber=number, Body=data, **self.guard.of(data, part=True)
        )
        checksums = {name: value for name, value in answer.items() if name.startswith("ChecksumCRC")}
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def uploads(self, after: str = "") -> tuple[list[Unfinished], str]:
        """One page of multipart uploads below the prefix that nobody ended, and the name that the next comes after.

        Pages go by names alone, because versitygw 1.8 refuses the upload's id that it gave as a marker: of a thousand
        uploads of one name, those beyond the page are found once the others are gone.
        """
        extra = {"KeyMarker": after} if after else {}
        answer = self.connection.call(
            "list_multipart_uploads", self.uri, Bucket=self._bucket, Prefix=self._prefix, MaxUploads=PAGE, **extra
        )
        found = [upload for item in answer.get("Uploads", []) if (upload := self._unfinished(item)) is not None]
        following = str(answer.get("NextKeyMarker") or "") if answer.get("IsTruncated") else ""
        if following and following == after:
            raise StoreBroken(f"{self.uri}: the listing does not advance at {self.connection.endpoint}")
        return found, following

    def weighed(self, upload: Unfinished) -> Unfinished:
        """An unfinished upload with the bytes of its parts; as it was where it ended meanwhile."""
        size, marker = 0, 0
        while True:
            try:
                answer = self.request("list_parts", upload.key, UploadId=upload.upload, PartNumberMarker=marker)
            except UploadGone:
                return upload
            size += sum(int(part["Size"]) for part in answer.get("Parts", []))
            following = int(answer.get("NextPartNumberMarker") or 0)
            if not answer.get("IsTruncated") or following <= marker:
                return replace(upload, size=size)
            marker = following

    def request(self, operation: str, key: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own
        """One request about one object."""
        name = self._prefix + check_key(key)
        if len(name.encode()) > NAME_BYTES:
            raise KeyRefused(
                f"key refused: {key[:80]!r}: with the store's prefix it has {len(name.encode())} bytes,"
                f" allowed {NAME_BYTES}",
                hint="shorten the store's prefix",
            )
        answer = self.connection.call(operation, self.where(key), Bucket=self._bucket, Key=name, **parameters)
        self._seen = True
        return answer

    def _kind(self, content_type: str | None) -> dict[str, str]:
        return {"ContentType": content_type} if content_type else {}

    def _require_bucket(self) -> None:
        """A HEAD answers 404 for a missing object and a missing bucket alike: tell them apart, once."""
        if not self._seen:
            self.now()  # a listing has a body that says so

    def _unfinished(self, item: Mapping[str, Any]) -> Unfinished | None:
        """An upload as a listing shows it; None where its name is no key, so somebody else's."""
        key = str(item["Key"]).removeprefix(self._prefix)
        try:
            check_key(key)
        except KeyRefused:
            return None
        return Unfinished(key, str(item["UploadId"]), _utc(item["Initiated"]), 0)

    def _entry(self, item: Mapping[str, Any]) -> Entry | None:
        key = str(item["Key"]).removeprefix(self._prefix)
        try:
            check_key(key)
        except KeyRefused:
            return None  # somebody else's: a folder marker of a console, for one
        return Entry(key, int(item["Size"]), _utc(item["LastModified"]), str(item["ETag"]))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _skip(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The blocks without the first `count` bytes."""
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(0, count - len(block))
