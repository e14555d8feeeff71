from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossad.store import folder
from crossad.store.faults import KeyRefused, ObjectMissing, StoreBroken, StoreDenied, StoreUnreachable
from crossad.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_links_that_lead_out_are_refused_and_not_listed(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    store.put("inside/x", b"1")
    (store.root / "link").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    for key in ("link/secret", "file", "link/new"):
        with pytest.raises(KeyRefused, match="a link leads out"):
            store.get(key)
        with pytest.raises(KeyRefused, match="a link leads out"):
            store.put(key, b"x")
    assert [entry.key for entry in store.list()] == ["inside/x"]
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_links_within_are_no_objects(store: FolderStore) -> None:
    store.put("a/x", b"1")
    (store.root / "b").symlink_to(store.root / "a")
    (store.root / "c").symlink_to(store.root / "a" / "x")
    assert [entry.key for entry in store.list()] == ["a/x"]
    assert store.stat("c") is None


def test_unfinished_writes_are_not_listed(store: FolderStore) -> None:
    store.put("a", b"1")
    (store.root / ".a.xyz.tmp").write_bytes(b"half")
    (store.root / ".a.xyz.part").write_bytes(b"half")
    assert [entry.key for entry in store.list()] == ["a"]


def test_deleting_takes_empty_folders_along_but_never_the_root(store: FolderStore) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")
    store.delete("a/b/c")
    assert sorted(path.name for path in (store.root / "a").iterdir()) == ["d"]
    store.delete("a/d")
    assert list(store.root.iterdir()) == []


def test_writing_while_another_deletes_the_folder(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"f")
    stop = threading.Event()

    def delete() -> None:
        while not stop.wait(0.001):
            store.delete("a/b/x")

    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(delete)
        try:
            for number in range(100):
                store.put("a/b/x", b"1")
                store.put("a/b/x", tmp_path / "file")
                assert store.create_once(f"a/b/{number}", b"1") == "created"
                store.delete(f"a/b/{number}")
        finally:
            stop.set()
        deleting.result()


def test_an_object_below_an_object_is_refused(store: FolderStore) -> None:
    store.put("a", b"1")
    with pytest.raises(KeyRefused, match="a/b"):
        store.put("a/b", b"1")
    store.put("c/d", b"1")
    with pytest.raises(KeyRefused):
        store.put("c", b"1")


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, StoreBroken, 78),
        (errno.EDQUOT, StoreBroken, 78),
        (errno.EROFS, StoreDenied, 78),
        (errno.EACCES, StoreDenied, 78),
        (errno.ESTALE, StoreUnreachable, 75),
        (errno.EIO, StoreUnreachable, 75),
    ],
    ids=["full", "quota", "read-only", "denied", "stale", "io"],
)
def test_errors_of_the_file_system_say_what_to_do(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder, "write_atomic", fail)
    with pytest.raises(kind) as caught:
        store.put("a/b", b"x")
    assert getattr(caught.value, "exit_code", None) == code
    assert f"{store.root}/a/b: {os.strerror(number)}" in str(caught.value)
    assert "hint: " in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_writer_killed_at_any_time_leaves_the_old_bytes_or_the_new(store: FolderStore, tmp_path: Path) -> None:
    code = """
import sys, itertools
from pathlib import Path
from crossad.store.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
print("ready", flush=True)
for n in itertools.count():
    store.put("x", bytes([n % 256]) * 200_000)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    seen = 0
    while seen < 30:
        try:
            data = store.get("x")
        except ObjectMissing:
            continue
        assert len(data) == 200_000
        assert len(set(data)) == 1
        seen += 1
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert len(set(store.get("x"))) == 1
    assert [entry.key for entry in store.list()] == ["x"]


@pytest.mark.parametrize(("lasting", "synced"), [(True, 2), (False, 0)], ids=["lasting", "used-up-at-once"])
def test_a_file_and_its_name_are_made_durable_unless_it_is_used_up_at_once(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool, synced: int
) -> None:
    store.put("a", b"1")
    calls: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(descriptor), sync(descriptor)))
    store.get_file("a", tmp_path / "here", lasting=lasting)
    assert len(calls) == synced
    assert (tmp_path / "here").read_bytes() == b"1"
