"""From a store into this machine's cache: verified, whole or absent, fetched once whoever asks."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile

import faultproxy
import pytest

from crossad.assets import hash_tensors, locate, pinned
from crossad.errors import DataError, EnvironmentFault
from crossad.files import sha256_file
from crossad.store.faults import ObjectDamaged, ObjectMissing, StoreUnreachable
from crossad.store.folder import FolderStore
from crossad.supplies import bring as bring_module
from crossad.supplies.bring import bring
from crossad.supplies.stock import put_textures, put_weights
from crossad.supplies.textures import hash_textures, texture_files

NAME = "resnet18"
LARGE = 300_000  # numbers: a file that a cut leaves a part of


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def remote(versitygw, proxy, weights):
    """(the store through a proxy that begins to count now, the pin)."""
    pin, _ = put_weights(versitygw.open(), NAME, weights(count=LARGE), "hub")
    return versitygw.behind(proxy, patience_seconds=0), pin


def supplies(cache):
    return sorted((cache / "supplies").glob("*"))


def test_weights_become_a_folder_in_which_they_are_found_and_pinned(store, weights, cache):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    folder = bring(store, pin, cache=cache)
    found = locate(NAME, folder)
    assert found.path.parent == folder
    assert hash_tensors(found.path) == pinned(folder)[NAME] == pin.content
    assert not list((cache / "fetching").iterdir())


def test_textures_become_the_folder_they_were(store, textures, cache):
    pin, _ = put_textures(store, "dtd", textures)
    told = []
    folder = bring(store, pin, lambda *one: told.append(one), cache)
    here, there = texture_files(folder), texture_files(textures)
    assert [path.relative_to(folder) for path in here] == [path.relative_to(textures) for path in there]
    assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]
    assert hash_textures(folder) == pin.content
    assert not any(path.stat().st_mode & stat.S_IWUSR for path in here)
    assert ("unpack dtd", 1, 3) in told


def test_what_is_here_is_not_asked_for_again(remote, proxy, cache):
    store, pin = remote
    first = bring(store, pin, cache=cache)
    seen = len(proxy.seen)
    assert bring(store, pin, cache=cache) == first
    assert len(proxy.seen) == seen


def test_what_was_damaged_here_is_fetched_again(store, weights, textures, cache):
    for pin, name in (
        (put_weights(store, NAME, weights(), "hub")[0], f"{NAME}.safetensors"),
        (put_textures(store, "dtd", textures)[0], "banded/one.png"),
    ):
        path = bring(store, pin, cache=cache) / name
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + b"?")
        assert bring(store, pin, cache=cache) / name == path
        assert path.read_bytes() == data
        path.unlink()
        bring(store, pin, cache=cache)
        assert path.read_bytes() == data


def test_a_cut_download_leaves_nothing_that_counts_and_the_next_one_continues(remote, versitygw, proxy, cache):
    store, pin = remote
    proxy.add("truncate", "GET", "/assets/")
    proxy.add("refuse", "GET", "/assets/", times=9)
    with pytest.raises(StoreUnreachable):
        bring(store, pin, cache=cache)
    assert supplies(cache) == []
    with faultproxy.serving(f"http://{proxy.upstream}") as calm:
        folder = bring(versitygw.behind(calm), pin, cache=cache)
        (headers,) = calm.headers_of("GET", "/assets/")
        assert headers["range"].startswith("bytes=")
    assert sha256_file(folder / f"{NAME}.safetensors") == pin.sha256


def test_damaged_bytes_are_never_put_in_place(remote, proxy, cache):
    store, pin = remote
    proxy.add("corrupt", "GET", "/assets/", times=9)
    with pytest.raises(ObjectDamaged, match=f"weights {NAME}: s3://.*sha256") as caught:
        bring(store, pin, cache=cache)
    assert f"crossad assets fetch {NAME} --store {store.uri}" in caught.value.hint
    assert supplies(cache) == []


def test_bytes_that_are_gone_are_named(store, weights, cache):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    store.delete(pin.key)
    with pytest.raises(ObjectMissing, match=pin.sha256) as caught:
        bring(store, pin, cache=cache)
    assert caught.value.exit_code == 66
    assert "crossad assets fetch" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["../outside.png", "/outside.png", "a/../../outside.png", "a.sh", ".a.png", "a\\b.png"]
)
def test_nothing_hostile_is_unpacked(store, textures, cache, tmp_path, name):
    pin, _ = put_textures(store, "dtd", textures)
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    other = pin.model_copy(update={"sha256": sha256_file(path), "bytes": path.stat().st_size, "files": 1})
    store.put(other.key, path)
    with pytest.raises(DataError, match="not textures: "):
        bring(store, other, cache=cache)
    assert supplies(cache) == []
    assert not list(tmp_path.rglob("outside.png"))


def test_other_images_than_those_of_the_pin_are_refused(store, textures, cache):
    pin, _ = put_textures(store, "dtd", textures)
    with pytest.raises(DataError, match="its images are not those of the pin"):
        bring(store, pin.model_copy(update={"content": "0" * 64}), cache=cache)
    assert supplies(cache) == []


def test_no_room_is_told_before_anything_is_fetched(store, weights, cache, monkeypatch):
    pin, _ = put_weights(store, NAME, weights(), "hub")
    usage = type("usage", (), {"free": pin.bytes - 1})
    monkeypatch.setattr(bring_module.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(store, "get_file", lambda *_: pytest.fail("asked"))
    with pytest.raises(EnvironmentFault, match="no room for resnet18"):
        bring(store, pin, cache=cache)


FETCH = """
import json, sys
from crossad.store.opening import open_store
from crossad.store.options import S3Options
from crossad.supplies.bring import bring
from crossad.supplies.pins import find_pin

uri, options = sys.argv[1], json.loads(sys.argv[2])
store = open_store(uri, S3Options.of(options))
print(bring(store, find_pin(store, "resnet18", "weights")))
"""


def test_eight_processes_fetch_once(remote, versitygw, proxy, cache):
    _, pin = remote
    words = [sys.executable, "-c", FETCH, versitygw.uri, json.dumps({"endpoint": proxy.endpoint})]
    environment = {**os.environ, "CROSSAD_CACHE": str(cache)}
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(8)]
    told = {process.communicate(timeout=300)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0] * 8
    assert told == {str(cache / "supplies" / pin.sha256)}
    assert proxy.count("GET", f"/{pin.key}") == 1
