from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossad.errors import UsageError
from crossad.store.faults import KeyRefused
from crossad.store.folder import FolderStore
from crossad.store.opening import on_s3, open_store
from crossad.store.options import S3Options
from crossad.store.s3 import S3Store

HERE = S3Options(endpoint="http://127.0.0.1:1")


def test_a_path_is_a_folder_and_makes_nothing(tmp_path: Path) -> None:
    for uri in (str(tmp_path / "results"), f"file://{tmp_path}/results"):
        store = open_store(uri)
        assert isinstance(store, FolderStore)
        assert store.root == tmp_path / "results"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "shown"),
    [("s3://bucket", "s3://bucket"), ("s3://bucket/", "s3://bucket"), ("s3://bucket/a b/c/", "s3://bucket/a b/c")],
)
def test_a_bucket_with_or_without_a_prefix(uri: str, shown: str) -> None:
    store = open_store(uri, HERE)
    assert isinstance(store, S3Store)
    assert store.uri == shown
    assert on_s3(uri)


@pytest.mark.parametrize(
    "uri",
    ["", "gs://bucket", "http://host/bucket", "file://host/x", "s3://", "s3:///x", "s3://b/x?region=eu", "s3://b#x"],
)
def test_what_is_no_store_is_refused_with_what_is(uri: str) -> None:
    with pytest.raises(UsageError, match="store") as caught:
        open_store(uri, HERE)
    assert "s3://bucket/prefix" in str(caught.value)


def test_a_prefix_does_not_climb() -> None:
    with pytest.raises(KeyRefused):
        open_store("s3://bucket/a/../b", HERE)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIAABC:hunter2@bucket/x",
        "s3://AKIAABC:hun/hunter2@bucket/x",
        "s3://AKIAABC:hunter2/bucket",
        "s3://AKIAABC@bucket",
        "http://AKIAABC:hun/hunter2@bucket/x",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError, match="not a store") as caught:
        open_store(uri, HERE)
    assert "hunter2" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_a_folder_needs_no_boto3() -> None:
    code = (
        "import sys; from crossad.store.opening import open_store; import crossad.store.s3;"
        " open_store('results'); assert not {'boto3', 'botocore'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
