"""What a fetched run has beside its conditions' files: its plan, its links, and the manifests and commits of here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from crossad.crew import spread
from crossad.errors import DataError
from crossad.fetch.found import Found, refused
from crossad.fetch.runlogs import write_logs
from crossad.fetch.wanted import Item
from crossad.files import alone, sha256_file, write_atomic
from crossad.launch.journal import link
from crossad.results.home import FolderHome
from crossad.results.layout import ConditionPaths, RunPaths, slug
from crossad.results.manifest import Artifact, Manifest, parse_manifest, write_manifest
from crossad.results.plan import Plan, revision_key
from crossad.store.disk import translated

THREADS = 8  # that write small files
_UNFINISHED = re.compile(r"\..*\.[0-9a-f]{16}\.(part|zip|tmp)")


@contextmanager
def held(paths: RunPaths) -> Iterator[None]:
    """Wait until no other process fetches this run into this folder."""
    with ExitStack() as stack:
        with translated(str(paths.root)):
            paths.root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(paths.root / ".fetch.lock"))
        yield


def seal(found: Found, paths: ConditionPaths, items: Sequence[Item]) -> None:
    """Write a condition's local manifest: what is here and was verified, now or by an earlier call.

    Args:
        found: what the store has.
        paths: where it lies here.
        items: what was asked for, and is all here.
    """
    assert found.manifest is not None  # noqa: S101 - something was brought
    _sweep(paths.root)
    listed = {artifact.path: artifact for item in items for artifact in _artifacts(item, paths.root)}
    for artifact in _earlier(paths):
        if artifact.path not in listed and (paths.root / artifact.path).is_file():
            listed[artifact.path] = artifact
    artifacts = tuple(listed[path] for path in sorted(listed))
    changes = {"artifacts": artifacts, "archives": (), "logs": ()}
    write_manifest(paths, found.manifest.model_copy(update=changes))


def _artifacts(item: Item, root: Path) -> Iterator[Artifact]:
    """The files of an item; those that were hashed on their way here are not read again."""
    files = sorted(item.target.iterdir()) if item.what == "archive" else [item.target]
    for path in files:
        known = item.pieces[0][1].sha256 if item.what == "file" else item.unpacked.get(path.name)
        yield Artifact(
            path=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=known or sha256_file(path)
        )


def _earlier(paths: ConditionPaths) -> tuple[Artifact, ...]:
    """What the manifest of an earlier fetch lists."""
    try:
        before: Manifest = parse_manifest(paths.manifest.read_bytes(), str(paths.manifest))
    except (OSError, DataError):
        return ()
    return before.artifacts


def _sweep(root: Path) -> None:
    """Remove what calls that were killed left unfinished; nobody else fetches now."""
    for path in [path for path in root.rglob(".*") if _UNFINISHED.fullmatch(path.name)]:
        if path.is_file():
            path.unlink()


def write_run(paths: RunPaths, plan: Plan, found: Sequence[Found]) -> None:
    """The files of the run itself, from those of its conditions.

    Args:
        paths: of the run, here.
        plan: of the run.
        found: conditions that are here, whole, as far as they were asked for.
    """
    home = FolderHome(paths.results)
    write_plan(paths, plan)

    def place(one: Found) -> None:
        condition = paths.condition(one.entry.name)
        _link(paths, condition)
        if one.commit is not None:
            _commit(home, one, condition)

    with spread(place, found, THREADS) as placed:  # each waits for the disk
        for _ in placed:
            pass
    wrong = refused(plan)
    entries = [entry for place, entry in enumerate(plan.conditions) if place not in wrong]
    write_logs(paths, {entry.name: paths.condition(entry.name) for entry in entries})


def write_plan(paths: RunPaths, plan: Plan) -> None:
    """A run's plan, as the folder's own."""
    text = plan.model_dump_json(indent=2) + "\n"
    FolderHome(paths.results).state.put(revision_key(plan.run, plan.revision), text.encode())
    write_atomic(paths.plan, text)


def _link(paths: RunPaths, condition: ConditionPaths) -> None:
    name = slug(condition.name)
    if condition.tensorboard.is_dir():
        link(paths.tensorboard / name, condition.tensorboard)
    for record in condition.records():
        link(paths.tensorboard / f"result_{name}_{record.stem.removeprefix('result_')}.json", record)


def _commit(home: FolderHome, found: Found, condition: ConditionPaths) -> None:
    """The condition's commit, of the files as they lie here; only where its record was brought, too."""
    commit = found.commit
    assert commit is not None  # noqa: S101 - the caller has looked
    assert commit.record is not None  # noqa: S101 - as above
    record = condition.tensorboard / commit.record.ref.rpartition("/")[2]
    if not record.is_file() or sha256_file(record) != commit.record.sha256:
        return
    payload = {
        "attempt": commit.attempt,
        "run": commit.run,
        "record": home.keep(record, "").model_dump(),
        "manifest": home.keep(condition.manifest, "").model_dump(),
        "summary": commit.summary,
    }
    lock, key = commit.data_lock, found.entry.condition_id
    there = home.ledger.committed("condition", key, lock)
    if there is not None and there.get("manifest") != payload["manifest"]:
        home.ledger.withdraw("condition", key, lock)  # of an earlier, partial fetch
    home.ledger.commit("condition", key, payload, lock)
