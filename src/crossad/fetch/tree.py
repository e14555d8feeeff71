"""What a fetched run has beside its conditions' files: its plan, its own logs, its links, manifests and commits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossad.errors import DataError
from crossad.fetch.found import Found
from crossad.fetch.wanted import inside
from crossad.files import sha256_file, write_atomic
from crossad.launch.journal import link
from crossad.results.home import FolderHome
from crossad.results.layout import ConditionPaths, RunPaths, slug
from crossad.results.manifest import Artifact, Manifest, finished_files, local_artifacts, parse_manifest, write_manifest
from crossad.results.plan import Plan
from crossad.store.base import Entry, Store


def earlier_manifest(paths: ConditionPaths) -> Manifest | None:
    """The manifest that an earlier fetch left, if it can be read."""
    try:
        return parse_manifest(paths.manifest.read_bytes(), str(paths.manifest))
    except (OSError, DataError):
        return None


def seal(found: Found, paths: ConditionPaths) -> None:
    """Write a condition's local manifest, of what lies there now; later fetches tell by it what they need not bring."""
    assert found.manifest is not None  # noqa: S101 - something was brought
    artifacts = tuple(
        Artifact(path=one.path, bytes=one.bytes or path.stat().st_size, sha256=one.sha256 or sha256_file(path))
        for one, path in zip(local_artifacts(paths), finished_files(paths), strict=True)
    )
    write_manifest(paths, found.manifest.model_copy(update={"artifacts": artifacts}))


def write_run(paths: RunPaths, plan: Plan, found: Sequence[Found]) -> None:
    """The files of the run itself, from those of its conditions."""
    home = FolderHome(paths.results)
    text = plan.model_dump_json(indent=2) + "\n"
    home.state.put(f"runs/{plan.run}/plans/{plan.revision:04d}.json", text.encode())
    write_atomic(paths.plan, text)
    for one in found:
        condition = paths.condition(one.entry.name)
        _link(paths, condition)
        if one.commit is not None:
            _commit(home, one, condition)
    write_atomic(paths.log, "".join(_merged(paths, found, facts=True)))
    write_atomic(paths.detail_log, "".join(_merged(paths, found, facts=False)))


def _link(paths: RunPaths, condition: ConditionPaths) -> None:
    name = slug(condition.name)
    if condition.tensorboard.is_dir():
        link(paths.tensorboard / name, condition.tensorboard)
    for record in condition.records():
        link(paths.tensorboard / f"result_{name}_{record.stem.removeprefix('result_')}.json", record)


def _commit(home: FolderHome, found: Found, condition: ConditionPaths) -> None:
    """The condition's commit, of the files as they lie here; only where its record was brought, too."""
    assert found.commit is not None  # noqa: S101 - the caller has looked
    name = str(found.commit["record"]["ref"]).rpartition("/")[2]
    record = condition.tensorboard / name
    if not record.is_file() or not condition.manifest.is_file():
        return
    payload = {
        "attempt": found.commit["attempt"],
        "run": found.commit["run"],
        "record": home.keep(record, "").model_dump(),
        "manifest": home.keep(condition.manifest, "").model_dump(),
        "summary": found.commit["summary"],
    }
    lock, key = found.commit["data_lock"], found.entry.condition_id
    there = home.ledger.committed("condition", key, lock)
    if there is not None and there.get("manifest") != payload["manifest"]:
        home.ledger.withdraw("condition", key, lock)  # of an earlier, partial fetch
    home.ledger.commit("condition", key, payload, lock)


def _merged(paths: RunPaths, found: Sequence[Found], *, facts: bool) -> list[str]:
    """Lines of all conditions' logs with their names, in the order of their stamps."""
    lines = []
    for one in found:
        condition = paths.condition(one.entry.name)
        path = condition.log
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                stamp, _, rest = line.partition(" | ")
                level, _, text = rest.partition(" | ")
                if text and (not facts or _of_the_run(text)):
                    lines.append((stamp, f"{stamp} | {level} | {one.entry.name} | {text}\n"))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _of_the_run(text: str) -> bool:
    """What the run's own log has: starts, ends, failures, and every AUROC line."""
    return "AUROC" in text or text.startswith(("Started:", "Finished:", "Ended:", "Failed:", "Interrupted:"))


def newest_report(store: Store, run: str) -> list[tuple[Entry, str]]:
    """The objects of a run's newest report with their paths below `report/`."""
    below = f"runs/{run}/reports/"
    reports: dict[str, list[Entry]] = {}
    for entry in store.list(below):
        name, slash, _ = entry.key.removeprefix(below).partition("/")
        if slash:
            reports.setdefault(name, []).append(entry)
    pages = {
        name: next((one.modified for one in entries if one.key == f"{below}{name}/index.html"), None)
        for name, entries in reports.items()
    }
    whole = [(modified, name) for name, modified in pages.items() if modified is not None]
    if not whole:
        return []
    _, name = max(whole)
    return [(entry, entry.key.removeprefix(f"{below}{name}/")) for entry in reports[name]]


def report_target(paths: RunPaths, relative: str) -> Path:
    """Where a file of a report goes."""
    return inside(paths.report, relative)
