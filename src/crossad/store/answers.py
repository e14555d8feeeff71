"""What an S3 server's refusal means: one table from (status, code) to `faults`, with a next step in every message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from crossad.errors import CrossadError, DataError
from crossad.store import faults

ROTATED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired",
     "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException", "XAdminUserNotFound"}
)  # fmt: skip
"""What a server answers to credentials that were replaced meanwhile."""

_BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "InternalFailure", "RequestTimeout", "RequestTimeoutException",
     "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded",
     "OperationAborted", "IncompleteBody", "XAmzContentSHA256Mismatch", "XMinioServerNotInitialized"}
)  # fmt: skip
_CHANGED = frozenset({"BadDigest", "XAmzContentChecksumMismatch"})  # by a checksum, not by the signature
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XAmzAdminQuotaExceeded"})
_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
ACTIONS = {
    "put_object": "s3:PutObject", "get_object": "s3:GetObject", "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket", "delete_object": "s3:DeleteObject",
    "create_multipart_upload": "s3:PutObject", "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload", "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_parts": "s3:ListMultipartUploadParts",
}  # fmt: skip
_KEY_LIKE = re.compile(r"\b[A-Z0-9]{16,}\b|(?=[A-Za-z/+=]*\d)[A-Za-z0-9/+=]{32,}")


@dataclass(frozen=True)
class Answer:
    """A server's refusal of one request."""

    operation: str  # such as put_object
    where: str  # s3://bucket/key
    endpoint: str
    status: int
    code: str
    told: str  # the server's own words
    region: str | None = None  # where the server says the bucket is
    date: str | None = None  # the server's clock


def redacted(text: str) -> str:
    """Somebody else's words, short, on one line, without anything that could be a key."""
    return _KEY_LIKE.sub("(hidden)", " ".join(text.split()))[:200]


def fault(answer: Answer) -> CrossadError:
    """The error to raise for an answer."""
    for fits, make in _TABLE:
        if fits(answer):
            return make(answer)
    return faults.StoreBroken(
        _says(answer, "refused"), hint="crossad store probe URI shows what this server can do; see docs/store.md"
    )


def _says(answer: Answer, what: str) -> str:
    told = f": {redacted(answer.told)}" if answer.told else ""
    return f"{answer.where}: {what}: {answer.operation} at {answer.endpoint} got {answer.status} {answer.code}{told}"


def _missing(answer: Answer) -> CrossadError:
    return faults.ObjectMissing(f"{answer.where}: no such object at {answer.endpoint}")


def _denied(answer: Answer) -> CrossadError:
    action = ACTIONS.get(answer.operation, answer.operation)
    return faults.StoreDenied(
        _says(answer, "access denied"),
        hint=f"this identity needs {action} here; docs/store.md has the policy, `crossad store probe` tries it",
    )


def _skewed(answer: Answer) -> CrossadError:
    return faults.StoreBroken(
        f"{_says(answer, 'clocks differ')}; the server's clock: {answer.date or 'not told'}",
        hint="set this machine's clock (NTP); signatures are valid for 15 minutes",
    )


def _wrong_region(answer: Answer) -> CrossadError:
    region = answer.region or "the bucket's own"
    return faults.StoreBroken(
        _says(answer, "wrong region"), hint=f"set the region to {region}: --region, or AWS_REGION"
    )


def _simple(kind: Callable[..., CrossadError], what: str, hint: str | None = None) -> Callable[[Answer], CrossadError]:
    """An answer whose fault is always told in the same words."""
    return lambda answer: kind(_says(answer, what), hint=hint)


_no_bucket = _simple(faults.StoreMissing, "no such bucket", "create the bucket, or check its name and the endpoint")
_credentials = _simple(
    faults.StoreDenied,
    "credentials refused",
    "are they for this server? They come from AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE or the environment",
)
_full = _simple(faults.StoreBroken, "no space", "free space or raise the quota; then run again")
_too_long = _simple(faults.KeyRefused, "key refused", "shorten the store's prefix")
_changed = _simple(faults.BodyRefused, "changed on its way", "run again; does it happen often: check the network")
_busy = _simple(faults.StoreUnreachable, "not now", "the server is overloaded or restarting; run again")


def _is(*codes: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.code in codes


_TABLE: tuple[tuple[Callable[[Answer], bool], Callable[[Answer], CrossadError]], ...] = (
    (_is("NoSuchUpload"), _simple(faults.UploadGone, "no such upload")),
    (_is("NoSuchBucket"), _no_bucket),
    (_is("NoSuchKey"), _missing),
    (_is(*_SKEWED), _skewed),
    (_is(*_REGION), _wrong_region),
    (lambda answer: answer.status == 301, _wrong_region),
    (lambda answer: answer.status == 400 and bool(answer.region), _wrong_region),
    (_is(*_FULL), _full),
    (lambda answer: answer.status == 507, _full),
    (_is(*ROTATED), _credentials),
    (_is("KeyTooLongError", "KeyTooLong"), _too_long),
    (_is(*_CHANGED), _changed),
    (_is(*_BUSY), _busy),
    (lambda answer: answer.status == 412, _simple(faults.AlreadyThere, "a precondition failed")),
    (lambda answer: answer.status == 409, _simple(faults.WriteConflict, "a conflict")),
    (lambda answer: answer.status == 416, _simple(DataError, "no such range")),
    (lambda answer: answer.status == 501, _simple(faults.Unsupported, "not implemented by this server")),
    (lambda answer: answer.status in (401, 403), _denied),
    # a HEAD has no body, so no code; any other code of a 404 says that something else is missing
    (lambda answer: answer.status == 404 and answer.code in ("404", "NotFound", ""), _missing),
    (lambda answer: answer.status == 429 or answer.status >= 500, _busy),
)
