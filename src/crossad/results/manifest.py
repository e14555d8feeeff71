"""The list of everything a condition left behind, with sizes and hashes, written last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossad.files import sha256_file, write_json
from crossad.results.layout import ConditionPaths

FORMAT = 1
# still written to, or rewritten, after the manifest: not artifacts
_LIVE = {"manifest.json", "progress.json", ".lock"}


def write_manifest(paths: ConditionPaths) -> str:
    """Write `manifest.json`: path, size in bytes, sha256 of every artifact; logs carry no hash (they grow).

    Returns:
        The sha256 of the manifest itself, for the commit.
    """
    artifacts: list[dict[str, Any]] = []
    for path in sorted(paths.root.rglob("*")):
        relative = path.relative_to(paths.root).as_posix()
        if not path.is_file() or path.name in _LIVE or path.name.startswith(".") or "/state/" in f"/{relative}":
            continue
        live = path in (paths.log, paths.detail_log) or path.name.startswith("events.out.")
        artifacts.append(
            {
                "path": relative,
                "bytes": None if live else path.stat().st_size,
                "sha256": None if live else sha256_file(path),
            }
        )
    write_json(paths.manifest, {"format": FORMAT, "artifacts": artifacts})
    return sha256_file(paths.manifest)


def verify_manifest(root: Path, manifest: dict[str, Any]) -> list[str]:
    """What differs from a manifest, as sentences; empty where all is as it was written."""
    wrong = []
    for artifact in manifest["artifacts"]:
        path = root / artifact["path"]
        if not path.is_file():
            wrong.append(f"missing: {artifact['path']}")
        elif artifact["sha256"] is not None and sha256_file(path) != artifact["sha256"]:
            wrong.append(f"changed: {artifact['path']}")
    return wrong
