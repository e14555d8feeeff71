"""What every store can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from crossad.errors import MissingInputError
from crossad.files import sha256_file

Once = Literal["created", "exists"]
SMALL = 64 * 2**20  # bytes that `get` holds in memory; what is larger goes to a file


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it."""

    key: str
    size: int  # bytes
    modified: datetime  # UTC, by the store's clock
    etag: str  # changes when the bytes do; not a hash to rely on


@dataclass(frozen=True)
class Unfinished:
    """A large write that was begun and neither ended nor given up: no reader sees its parts, and they are paid for."""

    key: str
    upload: str  # the server's name for it
    begun: datetime  # UTC, by the store's clock
    size: int  # bytes of the parts that arrived


@dataclass(frozen=True)
class Expected:
    """What an object's bytes must be."""

    size: int | None = None
    sha256: str | None = None

    def fits(self, path: Path) -> bool:
        """Whether a file is there and its bytes are these, as far as they are known."""
        if not path.is_file() or self.size not in (None, path.stat().st_size):
            return False
        return self.sha256 is None or sha256_file(path) == self.sha256


ANYTHING = Expected()


def size_of(source: bytes | Path) -> int:
    """Bytes of what is to be written.

    Raises:
        MissingInputError: it names a file that is not there.
    """
    if isinstance(source, bytes):
        return len(source)
    if not source.is_file():
        raise MissingInputError(f"nothing to write: no such file: {source}")
    return source.stat().st_size


class Store(Protocol):
    """Objects by key. Keys are checked (`keys.check_key`); every method raises `faults` and nothing of a third party.

    A store that does not answer is asked again, up to the patience it was opened with; then `StoreUnreachable`.
    """

    @property
    def uri(self) -> str:
        """Where this is, as a person would type it."""

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        """Write an object whole, over whatever was there; a reader sees the old bytes or the new ones.

        Returns:
            The SHA-256 of the bytes that were written, in hex.
        """

    def create_once(self, key: str, data: bytes) -> Once:
        """Write a small object unless there is one; of many writers at once exactly one creates it.

        An object that holds exactly `data` counts as ours (a response may have been lost), so a writer that must know
        whether it won puts something of its own into the bytes, such as the attempt's id.
        """

    def read_once(self, key: str) -> bytes | None:
        """What `create_once` made, or None; never something that may still change."""

    def get(self, key: str) -> bytes:
        """A small object's bytes, whole.

        Raises:
            ObjectMissing: there is none.
            ObjectDamaged: it has more than `SMALL` bytes.
        """

    def get_file(self, key: str, target: Path, expected: Expected = ANYTHING, *, lasting: bool = True) -> None:
        """Bring an object into a file, whole and verified, or leave the file as it was; a cut is continued.

        Args:
            key: of the object.
            target: the file.
            expected: what the bytes must be.
            lasting: whether the file must outlive a power cut; one that is used up at once need not.

        Raises:
            ObjectMissing: there is none.
            ObjectDamaged: its bytes are not the expected ones.
        """

    def stat(self, key: str) -> Entry | None:
        """The object's entry, or None where there is none."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """All objects whose keys begin with `prefix`, in the order of their keys' bytes, page by page."""

    def delete(self, key: str, *, once: bool = True) -> None:
        """Remove an object; nothing happens where there is none.

        Args:
            key: of the object.
            once: whether `create_once` may have made it; then nothing may bring it back.
        """

    def now(self) -> datetime:
        """The store's clock (UTC), by which `Entry.modified` is set."""

    def uploads(self, before: datetime) -> Iterator[Unfinished]:
        """Unfinished large writes that were begun before a moment; a folder's leave none."""

    def abort(self, upload: Unfinished) -> None:
        """Give an unfinished write up; nothing happens where it ended meanwhile."""
