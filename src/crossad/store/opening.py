"""From what a person types to a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from crossad.errors import UsageError
from crossad.store.folder import FolderStore
from crossad.store.options import S3Options

if TYPE_CHECKING:
    from crossad.store.base import Store
    from crossad.store.patience import Patience
    from crossad.store.s3 import S3Store


def on_s3(uri: str) -> bool:
    """True for a bucket's address; everything else is a folder, or an error."""
    return uri.startswith("s3://")


def open_store(uri: str, options: S3Options | None = None, patience: Patience | None = None) -> Store:
    """The store at `results/`, `file:///srv/results` or `s3://bucket/prefix`; nothing is read, written or sent yet.

    Raises:
        UsageError: it is no address of a store.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        if not uri:
            raise UsageError("an empty store", hint="name a folder, or s3://bucket/prefix")
        return FolderStore(Path(uri))
    if scheme == "file" and rest.startswith("/"):
        return FolderStore(Path(unquote(urlsplit(uri).path)))
    if scheme != "s3":
        raise UsageError(f"not a store: {_shown(uri)}", hint="allowed: a folder, file:///FOLDER, s3://bucket/prefix")
    return open_bucket(uri, options or S3Options(), patience)


def open_bucket(uri: str, options: S3Options, patience: Patience | None = None) -> S3Store:
    """The store at `s3://bucket/prefix`."""
    from crossad.store.s3 import S3Store  # noqa: PLC0415 - boto3's room opens only for a bucket

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:  # a secret may hold a slash, and would end the bucket's name
        raise UsageError(
            "not a store: s3://...: credentials in an address are refused",
            hint="use a profile, or files; docs/store.md",
        )
    if not bucket or "?" in uri or "#" in uri:
        raise UsageError(f"not a store: {_shown(uri)}", hint="allowed: s3://bucket/prefix; options are options")
    return S3Store(bucket, prefix.rstrip("/"), options, patience)


def _shown(uri: str) -> str:
    """An address without what stands before an @."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"[:120]
