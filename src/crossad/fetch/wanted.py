"""From manifests to a list of what is to be brought where. Nothing that a manifest says leads out of the folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crossad.errors import DataError
from crossad.fetch.found import Found
from crossad.fetch.paths import check_apart, inside
from crossad.results.layout import ATTEMPTS, ConditionPaths, slug
from crossad.results.manifest import Manifest
from crossad.store.base import Expected
from crossad.store.keys import check_key

Kind = Literal["records", "predictions", "checkpoints", "visualizations", "tensorboard", "logs", "reports"]
KINDS: tuple[Kind, ...] = (
    "records", "predictions", "checkpoints", "visualizations", "tensorboard", "logs", "reports"
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing to bring: a file, an archive to be unpacked, or a log to be joined."""

    what: Literal["file", "archive", "log"]
    path: str  # in the condition's folder
    target: Path
    pieces: tuple[tuple[str, Expected], ...]  # keys and what their bytes must be; one but for logs
    unpacked: dict[str, str] = field(default_factory=dict, compare=False)  # of an archive, once it is: name -> sha256

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
        DataError: it names a path or key that leads elsewhere, or two paths that are in each other's way.
    """
    assert found.manifest is not None  # noqa: S101 - the caller has looked
    listed = list(_listed(found, found.manifest, paths))
    check_apart(item.path for item in listed)
    return [item for item in listed if kind_of(item.path) in only]


def _listed(found: Found, manifest: Manifest, paths: ConditionPaths) -> Iterator[Item]:
    root = paths.root
    for artifact in manifest.artifacts:
        path = _renamed(artifact.path, manifest, paths)
        key = artifact.key if found.remote else f"{found.folder}/{artifact.path}"
        expected = Expected(_size(artifact.bytes), artifact.sha256)
        yield Item("file", path, inside(root, path), ((_key(found, key), expected),))
    for archive in manifest.archives:
        if kind_of(archive.path) != "visualizations":
            raise DataError(f"an archive outside the pictures' folder is refused: {archive.path[:80]!r}")
        expected = Expected(_size(archive.bytes), archive.sha256)
        target = inside(root, archive.path, folder=True)
        yield Item("archive", archive.path, target, ((_key(found, archive.key), expected),))
    for log in manifest.logs:
        path = _renamed(log.path, manifest, paths)
        pieces = tuple((_key(found, piece.ref), Expected(_size(piece.bytes), piece.sha256)) for piece in log.chunks)
        yield Item("log", path, inside(root, path), pieces)


def _renamed(path: str, manifest: Manifest, paths: ConditionPaths) -> str:
    """A log's name has the condition's name in it, which another run may have called otherwise."""
    return paths.log.name if path == f"multi_domain_{slug(manifest.condition)}.log" else path


def _size(size: int | None) -> int | None:
    if size is not None and size < 0:
        raise DataError(f"a manifest's size is refused: {size}")
    return size


def _key(found: Found, key: str | None) -> str:
    """A key that a manifest of this store may name."""
    return named_key(key, f"{ATTEMPTS}/" if found.remote else f"{found.folder}/")


def named_key(key: str | None, below: str = f"{ATTEMPTS}/") -> str:
    """A key that an object names, where it may lead.

    Raises:
        DataError: it leads elsewhere.
    """
    if not key or not check_key(key).startswith(below):
        raise DataError(f"a key from outside is refused: {str(key)[:80]!r}: allowed below {below}")
    return key
