"""The list of everything a condition left behind, with sizes and hashes, written last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from crossad.files import sha256_file, write_json
from crossad.results.home import Kept
from crossad.results.layout import ConditionPaths
from crossad.results.parsing import parsed

FORMAT: Literal[2] = 2
# still written to, or rewritten, after the manifest: not artifacts
_LIVE = {"manifest.json", "progress.json"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(_Part):
    """One file; without size and hash where it may still grow (a local log)."""

    path: str  # in the condition's folder
    bytes: int | None = None
    sha256: str | None = None
    key: str | None = None  # in a bucket: where its bytes are, maybe another attempt's


class Archive(_Part):
    """A zip whose members are the files of one folder."""

    path: str  # the folder, in the condition's folder
    key: str
    bytes: int
    sha256: str


class Log(_Part):
    """A log in pieces, the earliest first, those of attempts that this one continued before its own."""

    path: str
    chunks: tuple[Kept, ...]


class Manifest(_Part):
    """What one attempt at a condition left."""

    format: Literal[2] = FORMAT
    attempt: str
    condition_id: str
    condition: str
    run: str
    parents: tuple[str, ...] = ()  # attempts that this one continued, the earliest first
    artifacts: tuple[Artifact, ...] = ()
    archives: tuple[Archive, ...] = ()
    logs: tuple[Log, ...] = ()


def parse_manifest(body: bytes, where: str) -> Manifest:
    """A manifest's content.

    Raises:
        DataError: it is not what this version writes.
    """
    return parsed(Manifest, body, "manifest", where)


def finished_files(paths: ConditionPaths) -> Iterator[Path]:
    """The files of a condition's folder that are artifacts, in the order of their names."""
    for path in sorted(paths.root.rglob("*")):
        relative = path.relative_to(paths.root).as_posix()
        hidden = path.name.startswith(".") or "/state/" in f"/{relative}"
        if path.is_file() and not hidden and path.name not in _LIVE:
            yield path


def local_artifacts(paths: ConditionPaths) -> tuple[Artifact, ...]:
    """Every artifact of a local folder; logs and event files carry no hash, because later attempts append to them."""
    return tuple(_local(path, paths) for path in finished_files(paths))


def _local(path: Path, paths: ConditionPaths) -> Artifact:
    relative = path.relative_to(paths.root).as_posix()
    if path in (paths.log, paths.detail_log) or path.name.startswith("events.out."):
        return Artifact(path=relative)
    return Artifact(path=relative, bytes=path.stat().st_size, sha256=sha256_file(path))


def write_manifest(paths: ConditionPaths, manifest: Manifest) -> None:
    """Write it into the condition's folder."""
    write_json(paths.manifest, manifest.model_dump(mode="json", exclude_none=True))


def verify_artifacts(root: Path, artifacts: Sequence[Artifact]) -> list[str]:
    """What differs from a manifest, as sentences; empty where all is as it was written."""
    wrong = []
    for artifact in artifacts:
        path = root / artifact.path
        if not path.is_file():
            wrong.append(f"missing: {artifact.path}")
        elif artifact.sha256 is not None and sha256_file(path) != artifact.sha256:
            wrong.append(f"changed: {artifact.path}")
    return wrong
