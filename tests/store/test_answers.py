from __future__ import annotations

import pytest

from crossad.store import faults
from crossad.store.answers import Answer, fault, redacted

TABLE = [
    (404, "NoSuchKey", faults.ObjectMissing),
    (404, "404", faults.ObjectMissing),
    (404, "NoSuchBucket", faults.StoreMissing),
    (404, "NoSuchUpload", faults.UploadGone),
    (404, "XAdminUserNotFound", faults.StoreDenied),
    (404, "SomethingElseNotFound", faults.StoreBroken),
    (403, "AccessDenied", faults.StoreDenied),
    (403, "403", faults.StoreDenied),
    (403, "InvalidAccessKeyId", faults.StoreDenied),
    (403, "SignatureDoesNotMatch", faults.StoreDenied),
    (400, "ExpiredToken", faults.StoreDenied),
    (403, "RequestTimeTooSkewed", faults.StoreBroken),
    (301, "PermanentRedirect", faults.StoreBroken),
    (400, "AuthorizationHeaderMalformed", faults.StoreBroken),
    (400, "KeyTooLongError", faults.KeyRefused),
    (409, "ConditionalRequestConflict", faults.WriteConflict),
    (412, "PreconditionFailed", faults.AlreadyThere),
    (412, "412", faults.AlreadyThere),
    (501, "NotImplemented", faults.Unsupported),
    (400, "RequestTimeout", faults.StoreUnreachable),
    (400, "BadDigest", faults.BodyRefused),
    (429, "TooMany", faults.StoreUnreachable),
    (500, "InternalError", faults.StoreUnreachable),
    (502, "502", faults.StoreUnreachable),
    (503, "SlowDown", faults.StoreUnreachable),
    (507, "InsufficientStorage", faults.StoreBroken),
    (400, "InvalidArgument", faults.StoreBroken),
    (200, "InternalError", faults.StoreUnreachable),
]


@pytest.mark.parametrize(("status", "code", "kind"), TABLE, ids=[f"{status}-{code}" for status, code, _ in TABLE])
def test_every_answer_has_its_meaning(status: int, code: str, kind: type[Exception]) -> None:
    found = fault(Answer("get_object", "s3://b/k", "https://host", status, code, "told"))
    assert type(found) is kind
    assert "s3://b/k" in found.message
    assert "https://host" in found.message


def test_nothing_that_could_be_a_key_is_repeated() -> None:
    told = "The key AKIA1234567890ABCDEF with wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n is not   known"
    assert redacted(told) == "The key (hidden) with (hidden) is not known"
    assert redacted("x-amz-content-sha256 does not match") == "x-amz-content-sha256 does not match"
    assert len(redacted("long " * 1000)) <= 200
