"""From manifests to a list of what is to be brought where. Nothing that a manifest says leads out of the folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossad.errors import DataError
from crossad.fetch.found import Found
from crossad.files import sha256_file
from crossad.results.home import Kept
from crossad.results.layout import ConditionPaths
from crossad.results.manifest import Manifest
from crossad.store.base import Expected
from crossad.store.faults import KeyRefused
from crossad.store.keys import check_key

Kind = Literal["records", "predictions", "checkpoints", "visualizations", "tensorboard", "logs", "reports"]
KINDS: tuple[Kind, ...] = (
    "records", "predictions", "checkpoints", "visualizations", "tensorboard", "logs", "reports"
)  # fmt: skip
_RESERVED = {"manifest.json", ".lock"}


@dataclass(frozen=True)
class Item:
    """One thing to bring: a file, an archive to be unpacked, or a log to be joined."""

    what: Literal["file", "archive", "log"]
    path: str  # in the condition's folder
    target: Path
    pieces: tuple[tuple[str, Expected], ...]  # keys and what their bytes must be; one but for logs

    @property
    def size(self) -> int:
        """Bytes to bring, as far as they are known."""
        return sum(expected.size or 0 for _, expected in self.pieces)


def kind_of(path: str) -> Kind:
    """Which kind a file of a condition's folder is."""
    name = path.rpartition("/")[2]
    if path.startswith("tensorboard_logs/checkpoints/"):
        return "checkpoints"
    if path.startswith("tensorboard_logs/visualizations/"):
        return "visualizations"
    if path.startswith("predictions."):
        return "predictions"
    if name.startswith("result_") and name.endswith(".json"):
        return "records"
    return "tensorboard" if path.startswith("tensorboard_logs/") else "logs"


def items(found: Found, paths: ConditionPaths, only: Collection[Kind]) -> list[Item]:
    """What a condition's manifest lists.

    Raises:
        DataError: it names a path or key that leads elsewhere, or a path twice.
    """
    assert found.manifest is not None  # noqa: S101 - the caller has looked
    listed = list(_listed(found, found.manifest, paths.root))
    seen: set[str] = set()
    for item in listed:
        if item.path in seen:
            raise DataError(f"the manifest of {found.entry.name} names {item.path[:80]!r} twice")
        seen.add(item.path)
    return [item for item in listed if kind_of(item.path) in only]


def _listed(found: Found, manifest: Manifest, root: Path) -> Iterator[Item]:
    for artifact in manifest.artifacts:
        key = artifact.key or f"{found.folder}/{artifact.path}"
        expected = Expected(artifact.bytes, artifact.sha256)
        yield Item("file", artifact.path, inside(root, artifact.path), ((check_key(key), expected),))
    for archive in manifest.archives:
        expected = Expected(archive.bytes, archive.sha256)
        yield Item("archive", archive.path, inside(root, archive.path), ((check_key(archive.key), expected),))
    for log in manifest.logs:
        pieces = tuple((check_key(piece.ref), Expected(piece.bytes, piece.sha256)) for piece in log.chunks)
        yield Item("log", log.path, inside(root, log.path), pieces)


def inside(root: Path, path: str) -> Path:
    """A path below a folder.

    Raises:
        DataError: it leads elsewhere, by its parts or by a link, or names a file that only we write.
    """
    try:
        check_key(path)
    except KeyRefused as error:
        raise DataError(f"a path from outside is refused: {error.message}") from error
    target = root / path
    if path in _RESERVED or path.startswith("."):
        raise DataError(f"a path from outside is refused: {path[:80]!r}: the name is taken")
    for parent in (target, *target.parents):
        if parent == root.parent:
            break
        if parent.is_symlink():
            raise DataError(f"a link is in the way: {parent}", hint="fetch into another folder, or remove the link")
    return target


def is_there(item: Item, before: Manifest | None) -> bool:
    """Whether the bytes are here already, as they were brought by an earlier call or by hand."""
    if item.what == "file":
        ((_, expected),) = item.pieces
        return expected.sha256 is not None and _same(item.target, expected.size, expected.sha256)
    if before is None:
        return False
    known = {artifact.path: artifact for artifact in before.artifacts}
    if item.what == "log":
        same = any(log.path == item.path and _pieces(log.chunks) == item.pieces for log in before.logs)
        mine = [item.path]
    else:
        ((_, expected),) = item.pieces
        same = any((one.path, one.sha256) == (item.path, expected.sha256) for one in before.archives)
        mine = [path for path in known if path.startswith(f"{item.path}/")]
    return same and all(
        path in known and _same(_beside(item, path), known[path].bytes, known[path].sha256) for path in mine
    )


def _beside(item: Item, path: str) -> Path:
    """Where another path of the same condition's folder lies."""
    return item.target.parents[item.path.count("/")] / path


def _pieces(chunks: tuple[Kept, ...]) -> tuple[tuple[str, Expected], ...]:
    return tuple((piece.ref, Expected(piece.bytes, piece.sha256)) for piece in chunks)


def _same(path: Path, size: int | None, digest: str | None) -> bool:
    there = path.is_file() and not path.is_symlink() and path.stat().st_size == size
    return there and sha256_file(path) == digest
