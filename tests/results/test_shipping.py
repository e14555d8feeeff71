"""What an attempt publishes goes out a few files at a time: whole, in order, with bounded memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from faultproxy import Proxy
from s3servers import PART, Place

from crossad.errors import DataError
from crossad.results.home import BucketHome
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.manifest import parse_manifest
from crossad.results.outbox import Finished, Published, Sender
from crossad.results.shipping import FILES, BucketOutbox
from crossad.store.base import Store
from crossad.store.folder import FolderStore

ATTEMPT = "att1"


class Watched(FolderStore):
    """Notes what is written, and does something before files are."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: list[str] = []
        self.before = lambda key: None

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        if key.endswith(".bin"):
            self.before(key)
        sha256 = super().put(key, source, content_type=content_type)
        self.written.append(key.rpartition("/")[2])
        return sha256


@pytest.fixture
def paths(tmp_path: Path) -> ConditionPaths:
    """A condition's folder with a record, a log, and as many files as may be on their way at once."""
    found = RunPaths(tmp_path / "work", "night").condition("one")
    found.tensorboard.mkdir(parents=True)
    for number in range(FILES):
        (found.root / f"{number}.bin").write_bytes(bytes([number]) * 1000)
    (found.tensorboard / "result_1.json").write_bytes(b"{}")
    return found


def publish(store: Store, paths: ConditionPaths) -> Published:
    home = BucketHome(store, paths.root.parent.parent)
    with BucketOutbox(home, Sender(ATTEMPT, "id", "one", "night", paths), print, ship_seconds=60) as outbox:
        paths.log.write_bytes(b"a line\n")
        return outbox.publish(Finished(paths.tensorboard / "result_1.json"))


def test_files_go_out_together_then_the_logs_then_the_manifest(paths: ConditionPaths, tmp_path: Path) -> None:
    store, together = Watched(tmp_path / "bucket"), threading.Barrier(FILES)
    store.before = lambda key: together.wait(60)  # type: ignore[assignment,return-value]  # none alone gets through
    published = publish(store, paths)
    assert store.written[-2:] == ["facts-000001.log", "manifest.json"]
    manifest = parse_manifest(store.get(published.manifest.ref), "the bucket")
    listed = [artifact.path for artifact in manifest.artifacts]
    assert listed == sorted([*(f"{number}.bin" for number in range(FILES)), "tensorboard_logs/result_1.json"])
    assert all(store.stat(artifact.key or "") for artifact in manifest.artifacts)


def test_the_first_error_is_told_whole_while_another_file_hangs_and_no_manifest_is_written(
    paths: ConditionPaths, tmp_path: Path
) -> None:
    store, hang = Watched(tmp_path / "bucket"), threading.Event()

    def before(key: str) -> None:
        if key.endswith("2.bin"):
            raise DataError("2.bin: it changed while it was uploaded", hint="freeze files")
        hang.wait(60)

    store.before = before  # type: ignore[assignment]
    with pytest.raises(DataError, match=r"2\.bin: it changed") as caught:
        publish(store, paths)
    assert caught.value.hint == "freeze files"
    assert not hang.is_set()
    assert "manifest.json" not in store.written
    hang.set()


def test_of_many_large_files_only_so_many_parts_are_in_memory(
    paths: ConditionPaths, versitygw: Place, proxy: Proxy
) -> None:
    for number in range(FILES):  # two of several parts, two of one request
        (paths.root / f"{number}.bin").write_bytes(bytes(2 * PART + 7 if number % 2 else PART))
    busy, most, counting, second = 0, 0, threading.Lock(), threading.Event()

    def on_its_way(method: str, body: bytes) -> bytes:
        nonlocal busy, most
        if len(body) >= PART:
            with counting:
                busy += 1
                most = max(most, busy)
            second.wait(0.2)  # long enough for all that may come to be here
            with counting:
                busy -= 1
        return body

    proxy.forward_body = on_its_way
    publish(versitygw.behind(proxy, threads=2, part_bytes=PART), paths)
    assert most == 2
