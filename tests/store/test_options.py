from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from crossad.errors import UsageError
from crossad.store.options import S3Options


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"endpont": "https://s3"}, "unknown store option: endpont; did you mean endpoint?"),
        ({"addressing": "dns"}, "addressing: got 'dns', allowed auto, path, virtual"),
        ({"checksums": "never"}, "allowed auto, when_required, when_supported"),
        ({"commit": "maybe"}, "allowed auto, conditional, plain"),
        ({"sse": "AES128"}, "allowed AES256, aws:kms"),
        ({"sse_kms_key_id": "k"}, "needs sse: aws:kms"),
        ({"part_bytes": 1}, "allowed 5242880 or more"),
        ({"threads": 0}, "allowed 1 or more"),
        ({"attempts": 0}, "allowed 1 or more"),
        ({"endpoint": "minio:9000"}, "allowed https://HOST"),
        ({"endpoint": "ftp://minio"}, "allowed https://HOST"),
        ({"endpoint": "https://s3/?x=1"}, "allowed https://HOST"),
        ({"ca_bundle": "/no/such/file"}, "no such file: /no/such/file"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        S3Options.of(settings)
    assert told in caught.value.message


@pytest.mark.parametrize("name", ["access_key", "aws_access_key_id", "secret_key", "session_token", "password"])
def test_there_is_no_place_for_a_secret(name: str) -> None:
    with pytest.raises(UsageError, match="a literal credential is refused") as caught:
        S3Options.of({name: "AKIAABCDEFGHIJKLMNOP"})
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["https://user:hunter2@s3.example.org", "https://user:hun/hunter2@s3.example.org", "user:hunter2@s3"]
)
def test_credentials_in_an_endpoint_are_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(UsageError, match="credentials in the URL are refused") as caught:
        S3Options(endpoint=endpoint)
    assert "hunter2" not in str(caught.value)


def test_options_are_frozen_and_default_to_what_is_safe(tmp_path: Path) -> None:
    options = S3Options.of({"endpoint": "https://s3.example.org", "sse": "aws:kms", "sse_kms_key_id": "alias/x"})
    assert (options.commit, options.checksums, options.patience_seconds) == ("auto", "auto", 4 * 3600)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.region = "x"  # type: ignore[misc]
