"""Where runs live: a results folder, or a bucket with a working folder on this machine.

Both have the same state (plans, verdicts, commits, failures) as objects of a store. They differ in where the bytes of
finished work lie: in the visible tree of the folder itself, or in the bucket below `attempts/`.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from crossad.errors import DataError
from crossad.files import sha256_file
from crossad.results.layout import STATE
from crossad.results.ledger import Ledger
from crossad.store.base import Expected, Store, size_of
from crossad.store.faults import ObjectDamaged, ObjectMissing
from crossad.store.folder import FolderStore
from crossad.store.keys import check_key
from crossad.store.opening import on_s3, open_store
from crossad.store.options import S3Options
from crossad.store.patience import Patience

LOCAL_LOOK, REMOTE_LOOK = 1.0, 10.0


class Kept(BaseModel):
    """Finished bytes that will not change: where, how many, which."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: str  # in a folder: path relative to it; in a bucket: the key
    bytes: int
    sha256: str


class Home(Protocol):
    """Where runs live, and the folder of this machine in which they are worked on."""

    @property
    def results(self) -> Path:
        """The local folder with visible trees: the store itself, or a bucket's working folder."""

    @property
    def state(self) -> Store:
        """Plans, verdicts, commits and failures."""

    @property
    def ledger(self) -> Ledger:
        """What is done and what failed."""

    @property
    def remote(self) -> bool:
        """True where the local folder is not the store."""

    @property
    def uri(self) -> str:
        """The address, as a person would type it."""

    @property
    def arguments(self) -> list[str]:
        """The options of a command line that name this home."""

    @property
    def look_seconds(self) -> float:
        """How often it is fair to ask the state whether something changed."""

    def keep(self, path: Path, key: str) -> Kept:
        """Make a finished file durable; a bucket takes it under `key`, a folder where it lies.

        Raises:
            DataError: the file is not inside the results folder.
        """

    def bring(self, kept: Kept, target: Path) -> Path | None:
        """A local file with exactly those bytes, or None where they are gone or changed.

        Args:
            kept: what is wanted.
            target: where a bucket's bytes go; a folder answers with the file where it lies.
        """


class FolderHome:
    """A results folder; the store's objects lie in its `.crossad/`."""

    remote = False
    look_seconds = LOCAL_LOOK

    def __init__(self, results: Path) -> None:
        """Name the folder; nothing is created before the first write."""
        self.results = results
        self.state: Store = FolderStore(results / STATE)
        self.ledger = Ledger(self.state)

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self.results)

    @property
    def arguments(self) -> list[str]:
        """The option that names the folder."""
        return ["--results-dir", str(self.results)]

    def keep(self, path: Path, key: str) -> Kept:
        """Name the file where it lies."""
        return Kept(ref=inside(path, self.results), bytes=path.stat().st_size, sha256=sha256_file(path))

    def bring(self, kept: Kept, target: Path) -> Path | None:
        """The file where it lies, if it is still the one that was kept."""
        path = self.results / check_key(kept.ref)
        return path if path.is_file() and sha256_file(path) == kept.sha256 else None


class BucketHome:
    """A bucket of an S3-compatible server, and a working folder here."""

    remote = True
    look_seconds = REMOTE_LOOK

    def __init__(self, state: Store, results: Path, options: S3Options | None = None) -> None:
        """Take the opened store, the working folder, and how the store was opened."""
        self.state, self.results, self._options = state, results, options or S3Options()
        self.ledger = Ledger(state)

    @property
    def uri(self) -> str:
        """The bucket's address."""
        return self.state.uri

    @property
    def arguments(self) -> list[str]:
        """The options that name the bucket, how to reach it, and the working folder."""
        found = ["--store", self.state.uri, "--results-dir", str(self.results)]
        for option in fields(S3Options):
            value = getattr(self._options, option.name)
            if value != option.default:
                found += ["--store-option", f"{option.name}={value}"]
        return found

    def keep(self, path: Path, key: str) -> Kept:
        """Upload the file; its hash is that of the very bytes that were sent."""
        size = size_of(path)
        return Kept(ref=key, bytes=size, sha256=self.state.put(check_key(key), path))

    def bring(self, kept: Kept, target: Path) -> Path | None:
        """Download, verified; bytes that are here already are not asked for."""
        expected = Expected(kept.bytes, kept.sha256)
        if expected.fits(target):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.state.get_file(kept.ref, target, expected)
        except (ObjectMissing, ObjectDamaged):
            return None
        return target


def open_home(
    store: str,
    results: Path | None = None,
    options: S3Options | None = None,
    patience: Patience | None = None,
) -> Home:
    """The home at a folder or `s3://bucket/prefix`; nothing is read, written or sent yet.

    Args:
        store: a folder, `file:///FOLDER`, or a bucket's address.
        results: a bucket's working folder; `results` by default.
        options: how to reach a bucket.
        patience: how long to wait for one.

    Raises:
        UsageError: `store` is no address of a store.
    """
    if on_s3(store):
        return BucketHome(open_store(store, options, patience), results or Path("results"), options)
    opened = open_store(store)
    assert isinstance(opened, FolderStore)  # noqa: S101 - every address but a bucket's is a folder's
    return FolderHome(opened.root)


def inside(path: Path, folder: Path) -> str:
    """A path relative to a folder, as commits spell it.

    Raises:
        DataError: it is not in there.
    """
    if not path.is_relative_to(folder):
        raise DataError(f"outside the results folder: {path}, allowed: below {folder}")
    return path.relative_to(folder).as_posix()
