"""Packed images on this machine: verified, whole or absent, fetched once whoever asks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import faultproxy
import pytest

from crossad.data.cache import Cache, default_cache
from crossad.data.index import NAME, read_index
from crossad.data.layout import domain_facts, list_domains, list_images
from crossad.data.lock import changes, make_lock, read_lock
from crossad.data.pack import pack
from crossad.errors import DataError, EnvironmentFault, MissingInputError
from crossad.store.faults import ObjectDamaged, StoreUnreachable
from crossad.store.folder import FolderStore

EACH = 4
ALL = [(domain, split) for domain in ("domain_A", "domain_B") for split in ("train", "test")]


@pytest.fixture
def data(make_root):
    return make_root(EACH, '{"sensor": "3"}')


@pytest.fixture
def store(tmp_path, data):
    store = FolderStore(tmp_path / "packed")
    pack(data, store)
    return store


@pytest.fixture
def remote(versitygw, proxy, data):
    """Packed images in a bucket, seen through a proxy that begins to count now."""
    pack(data, versitygw.open())
    return versitygw.behind(proxy, patience_seconds=0)


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def parts(folder):
    return sorted(path.name for path in (folder / "parts").glob("*"))


@pytest.mark.parametrize("place", ["folder", "versitygw", "moto"], indirect=True)
def test_what_was_packed_is_an_ordinary_data_root(place, data, tmp_path):
    pack(data, place.open())
    root = Cache(place.open(), tmp_path / "cache").bring(ALL)
    assert list_domains(root) == list_domains(data)
    for domain, split in ALL:
        there, here = list_images(data, domain, split), list_images(root, domain, split)
        assert [(file.relative, file.label, file.severity) for file in here] == [
            (file.relative, file.label, file.severity) for file in there
        ]
        assert [file.path.read_bytes() for file in here] == [file.path.read_bytes() for file in there]
    assert domain_facts(root, "domain_A").sensor == "3"
    assert read_lock(root) == make_lock(data)
    assert changes(root) == []


def test_only_the_splits_that_are_asked_for_are_fetched(remote, proxy, tmp_path):
    cache = Cache(remote, tmp_path / "cache")
    root = cache.bring([("domain_B", "test")])
    assert list_domains(root) == ("domain_B",)
    assert proxy.count("GET", "/archives/") == 1
    with pytest.raises(MissingInputError, match="has no train split"):
        list_images(root, "domain_B", "train")
    assert cache.bring([("domain_A", "train"), ("domain_B", "test")]) == root
    assert proxy.count("GET", "/archives/") == 2


def test_what_is_here_is_not_asked_for_again_by_anybody(remote, proxy, tmp_path):
    first = Cache(remote, tmp_path / "cache").bring(ALL)
    seen = len(proxy.seen)
    assert Cache(remote, tmp_path / "cache").bring(ALL) == first
    assert [path.rpartition("/")[2] for _, path, _ in proxy.seen[seen:]] == [NAME]


def test_an_index_with_one_other_split_shares_the_rest(store, data, tmp_path, save):
    import numpy as np

    first = Cache(store, tmp_path / "cache").bring(ALL)
    save(data / "domain_B/test/good/000000.tiff", np.zeros((31, 95), np.float32))
    pack(data, store)
    second = Cache(store, tmp_path / "cache").bring(ALL)
    assert first != second
    assert len(parts(tmp_path / "cache")) == 5
    assert changes(first) == changes(second) == []


@pytest.mark.parametrize("kind", ["domain", "split"])
def test_what_is_not_packed_is_named_before_anything_is_fetched(store, data, tmp_path, kind):
    shutil.rmtree(data / "domain_B/train")
    pack(data, store)
    wanted, told = {
        "domain": (("domain_b", "test"), "no such domain: domain_b"),
        "split": (("domain_B", "train"), "domain domain_B has no train split"),
    }[kind]
    with pytest.raises(MissingInputError, match=told) as caught:
        Cache(store, tmp_path / "cache").bring([("domain_A", "test"), wanted])
    assert kind == "split" or "did you mean domain_B?" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_nothing_packed_is_told_with_the_command_that_packs(tmp_path):
    with pytest.raises(MissingInputError, match="no packed images") as caught:
        Cache(FolderStore(tmp_path / "none"), tmp_path / "cache")
    assert f"crossad data pack ROOT {tmp_path / 'none'}" in str(caught.value)


def test_a_cut_download_goes_on_and_the_images_are_whole(remote, versitygw, proxy, tmp_path):
    proxy.add("truncate", "GET", "/archives/", times=2)
    root = Cache(versitygw.behind(proxy), tmp_path / "cache").bring(ALL)
    assert changes(root) == []


def test_a_download_that_stays_cut_leaves_no_images_and_the_next_one_continues(
    remote, versitygw, proxy, tmp_path, data
):
    proxy.add("truncate", "GET", "/archives/")
    proxy.add("refuse", "GET", "/archives/", times=9)
    with pytest.raises(StoreUnreachable):
        Cache(remote, tmp_path / "cache").bring([("domain_A", "train")])
    assert parts(tmp_path / "cache") == []
    with faultproxy.serving(f"http://{proxy.upstream}") as calm:
        root = Cache(versitygw.behind(calm), tmp_path / "cache").bring([("domain_A", "train")])
        (headers,) = calm.headers_of("GET", "/archives/")
        assert headers["range"].startswith("bytes=")
    assert len(list_images(root, "domain_A", "train")) == EACH


def test_damaged_bytes_are_never_unpacked(remote, proxy, tmp_path):
    proxy.add("corrupt", "GET", "/archives/", times=9)
    with pytest.raises(ObjectDamaged, match=r"images of domain_A/train: s3://.*sha256") as caught:
        Cache(remote, tmp_path / "cache").bring([("domain_A", "train")])
    assert f"crossad data pack ROOT {remote.uri}" in str(caught.value)
    assert parts(tmp_path / "cache") == []
    assert tree(tmp_path / "cache/fetching") == []


def test_images_that_are_not_those_of_the_lock_are_refused(store, tmp_path):
    """Whoever can write an index can name any archive; the lock says which images it must hold."""
    index = json.loads(store.get(NAME))
    splits = {name: domain["splits"] for name, domain in index["domains"].items()}
    splits["domain_A"]["train"], splits["domain_B"]["train"] = splits["domain_B"]["train"], splits["domain_A"]["train"]
    store.put(NAME, json.dumps(index).encode())
    with pytest.raises(DataError, match=r"archives/.*\(domain_A/train\).*not those of the data lock"):
        Cache(store, tmp_path / "cache").bring(ALL)
    assert parts(tmp_path / "cache") == []
    assert tree(tmp_path / "cache/fetching") == []


def test_images_that_somebody_deleted_or_cut_are_fetched_again(store, tmp_path):
    cache = Cache(store, tmp_path / "cache")
    root = cache.bring(ALL)
    images = list_images(root, "domain_A", "test")
    images[0].path.unlink()
    images[1].path.chmod(0o644)
    images[1].path.write_bytes(b"")
    assert changes(cache.bring(ALL)) == []
    (root / "domain_A/metadata.csv").write_text("path,severity\n")
    assert list_images(cache.bring(ALL), "domain_A", "test")[EACH].severity == 0.5


def test_too_little_room_is_told_with_sizes_and_nothing_is_begun(remote, proxy, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1))
    with pytest.raises(EnvironmentFault) as caught:
        Cache(remote, tmp_path / "cache").bring(ALL)
    told = str(caught.value)
    assert "no room for domain_A/train, domain_A/test, domain_B/train, domain_B/test in" in told
    assert "1 MiB needed, 0 MiB free" in told
    assert "--data-cache" in told
    assert proxy.count("GET", "/archives/") == 0
    assert parts(tmp_path / "cache") == []


def test_a_cache_that_was_filled_before_may_be_read_only(store, tmp_path):
    cache = Cache(store, tmp_path / "cache")
    cache.bring(ALL)
    before = {path: path.lstat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    Cache(store, tmp_path / "cache").bring(ALL)
    assert {path: path.lstat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before


def test_a_cache_may_be_moved(store, tmp_path):
    root = Cache(store, tmp_path / "cache").bring(ALL)
    moved = (tmp_path / "cache").rename(tmp_path / "mounted elsewhere") / root.relative_to(tmp_path / "cache")
    assert changes(moved) == []


def test_progress_is_told_to_the_end(store, tmp_path):
    done: dict[str, list[int]] = {}
    Cache(store, tmp_path / "cache").bring(
        ALL[:1], lambda stage, n, total: done.setdefault(stage, [0, total]).append(n)
    )
    assert {stage: (sum(counts[2:]), counts[1]) for stage, counts in done.items()} == {
        "fetch domain_A/train (MiB)": (1, 1),
        "unpack domain_A/train": (EACH, EACH),
    }


def test_where_the_cache_is_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CROSSAD_CACHE", raising=False)
    assert default_cache() == tmp_path / "xdg/crossad"
    monkeypatch.setenv("CROSSAD_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"
    for name in ("CROSSAD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache/crossad"


BRING = """
import sys
from pathlib import Path
from crossad.data.cache import Cache
from crossad.data.lock import changes
from crossad.store.opening import open_store
from crossad.store.options import S3Options
uri, endpoint, folder = sys.argv[1:]
cache = Cache(open_store(uri, S3Options(endpoint=endpoint, attempts=2, patience_seconds=60.0)), Path(folder))
root = cache.bring([(d, s) for d in ("domain_A", "domain_B") for s in ("train", "test")])
assert changes(root) == []
print(root)
"""


def bringing(uri, endpoint, folder):
    words = [sys.executable, "-c", BRING, uri, endpoint, str(folder)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_eight_processes_at_once_fetch_each_archive_once(remote, proxy, tmp_path):
    processes = [bringing(remote.uri, proxy.endpoint, tmp_path / "cache") for _ in range(8)]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, ends
    assert len({out for out, _ in ends}) == 1
    archives = [path.rpartition("/")[2] for method, path, _ in proxy.seen if method == "GET" and "/archives/" in path]
    assert sorted(archives) == sorted(f"{name}.zip" for name in parts(tmp_path / "cache"))
    assert len(archives) == 4
    assert tree(tmp_path / "cache/fetching") == []


def test_a_downloader_killed_in_the_middle_leaves_no_lock_and_no_half_folder(remote, proxy, tmp_path, data):
    reached, killed = proxy.hold("GET", "/archives/", seen=2)
    first = bringing(remote.uri, proxy.endpoint, tmp_path / "cache")
    assert reached.wait(60)
    second = bringing(remote.uri, proxy.endpoint, tmp_path / "cache")
    first.kill()
    assert first.wait() == -signal.SIGKILL
    killed.set()
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert changes(Path(out.strip())) == []
    first.communicate()


UNPACK = """
import os, signal, sys
import crossad.data.archive as archive
real, left = archive._copy, int(sys.argv.pop(1))
def copy(source, out):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(source, out)
archive._copy = copy
"""


@pytest.mark.parametrize("images", [0, 1, EACH, 2 * EACH + 1])
def test_killed_while_unpacking_there_is_no_half_folder_and_the_next_one_needs_no_second_download(
    remote, proxy, tmp_path, images
):
    words = [sys.executable, "-c", UNPACK + BRING, str(images), remote.uri, proxy.endpoint, str(tmp_path / "cache")]
    assert subprocess.run(words, capture_output=True, check=False).returncode == -signal.SIGKILL
    whole = parts(tmp_path / "cache")
    index = read_index(remote)
    counts = {one.sha256: one.images for domain in index.domains.values() for one in domain.splits.values()}
    for name in whole:
        assert len(tree(tmp_path / "cache/parts" / name)) == counts[name]
    process = bringing(remote.uri, proxy.endpoint, tmp_path / "cache")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert proxy.count("GET", "/archives/") == 4
    assert tree(tmp_path / "cache/fetching") == []


def test_a_pack_killed_in_the_middle_leaves_nothing_that_is_read_and_the_next_one_goes_on(
    versitygw, proxy, data, tmp_path
):
    reached, killed = proxy.hold("PUT", "/archives/", seen=2)
    code = """
import sys
from pathlib import Path
from crossad.data.pack import pack
from crossad.store.opening import open_store
from crossad.store.options import S3Options
pack(Path(sys.argv[1]), open_store(sys.argv[2], S3Options(endpoint=sys.argv[3])))
"""
    words = [sys.executable, "-c", code, str(data), versitygw.uri, proxy.endpoint]
    process = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert reached.wait(60)
    process.kill()
    process.wait()
    killed.set()
    with pytest.raises(MissingInputError, match="no packed images"):
        Cache(versitygw.open(), tmp_path / "cache")
    states = [one.state for one in pack(data, versitygw.open()).archives]
    assert states[0] == "already there"
    assert changes(Cache(versitygw.open(), tmp_path / "cache").bring(ALL)) == []
