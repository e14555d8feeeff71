"""`data pack`: what lies in a store afterwards, and what a second, another or a killed pack does."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from crossad.data.index import NAME, Index, find_index, read_index
from crossad.data.lock import make_lock, write_lock
from crossad.data.pack import pack
from crossad.errors import DataError, EnvironmentFault, MissingInputError, UsageError
from crossad.store.folder import FolderStore

EACH = 4


@pytest.fixture
def root(make_root):
    return make_root(EACH, '{"synthetic": true}')


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "packed")


def keys(store):
    return sorted(entry.key for entry in store.list())


@pytest.mark.parametrize("place", ["folder", "versitygw", "moto"], indirect=True)
def test_every_split_lies_there_as_one_archive_named_by_its_bytes(place, root):
    store = place.open()
    done = pack(root, store)
    index = read_index(store)
    assert index == done.index
    assert index.lock_record == make_lock(root)
    assert sorted(index.domains) == ["domain_A", "domain_B"]
    for domain in index.domains.values():
        assert {split: archive.images for split, archive in domain.splits.items()} == {"train": EACH, "test": 2 * EACH}
        for archive in domain.splits.values():
            data = store.get(archive.key)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (archive.bytes, archive.sha256)
            assert archive.key == f"archives/{archive.sha256}.zip"
    assert {file.path for file in index.domains["domain_A"].files} == {"metadata.csv", "domain.json"}
    assert len(keys(store)) == 4 + 2 + 1


def test_images_travel_as_they_are(root, store):
    archive = pack(root, store).index.archive("domain_A", "test", "here")
    with zipfile.ZipFile(store.root / archive.key) as opened:
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
        for name in opened.namelist():
            assert opened.read(name) == (root / "domain_A/test" / name).read_bytes()


def test_the_same_images_give_the_same_bytes_whenever_and_wherever(root, store, tmp_path):
    first = pack(root, store)
    other = Path(shutil.copytree(root, tmp_path / "other", copy_function=shutil.copyfile))
    for path in other.rglob("*.tiff"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o600)
    assert pack(other, FolderStore(tmp_path / "elsewhere")).index.text == first.index.text


def test_the_bytes_of_an_archive_are_those_of_the_first_version(tmp_path, store):
    """A changed writer would make every packed split other content: then all of them would be stored twice."""
    for part in ("train/good", "test/good", "test/fault"):
        (tmp_path / "data/d" / part).mkdir(parents=True)
        (tmp_path / "data/d" / part / "0.png").write_bytes(part.encode())
    splits = pack(tmp_path / "data", store).index.domains["d"].splits
    assert {split: archive.sha256[:16] for split, archive in splits.items()} == {
        "train": "26b1ef3a880a14bd",
        "test": "55d03b667f012516",
    }


def test_packing_twice_sends_nothing(place, root):
    store = place.open()
    assert {packed.state for packed in pack(root, store).archives} == {"uploaded"}
    before = {entry.key: (entry.modified, entry.etag) for entry in store.list()}
    again = pack(root, store)
    assert ({packed.state for packed in again.archives}, again.fresh) == ({"already there"}, False)
    assert {entry.key: (entry.modified, entry.etag) for entry in store.list()} == before


def test_a_changed_split_is_the_only_one_that_is_sent(root, store, save):
    import numpy as np

    old = pack(root, store).index
    save(root / "domain_B/test/fault/000000.tiff", np.zeros((31, 95), np.float32))
    done = pack(root, store)
    assert [(one.domain, one.split) for one in done.archives if one.state == "uploaded"] == [("domain_B", "test")]
    assert done.fresh
    assert read_index(store).sha256 != old.sha256


def test_only_adds_a_domain_beside_those_that_are_there(root, store, make_domain):
    pack(root, store)
    make_domain(root, "domain_C", each=EACH, seed=7)
    done = pack(root, store, only=["domain_C"])
    assert {one.domain for one in done.archives} == {"domain_C"}
    assert sorted(read_index(store).domains) == ["domain_A", "domain_B", "domain_C"]
    assert read_index(store).lock_record == make_lock(root)


def test_a_whole_pack_drops_what_the_root_no_longer_has_and_says_so(root, store):
    pack(root, store)
    shutil.rmtree(root / "domain_B")
    assert pack(root, store).dropped == ("domain_B",)
    assert sorted(read_index(store).domains) == ["domain_A"]


def test_images_that_are_not_those_of_the_lock_are_not_packed(root, store):
    write_lock(root)
    (root / "domain_A/train/good/000000.tiff").unlink()
    with pytest.raises(DataError, match="domain_A/train is not what") as caught:
        pack(root, store)
    assert f"crossad data check {root}" in str(caught.value)
    assert find_index(store) is None


def test_a_root_that_nobody_may_write_to_is_packed_and_left_as_it_is(root, store):
    before = sorted(root.rglob("*"))
    done = pack(root, store)
    assert not done.checked
    assert sorted(root.rglob("*")) == before
    write_lock(root)
    assert pack(root, store).index == done.index


@pytest.mark.parametrize(
    ("name", "told"),
    [("a\nb.tiff", "control signs"), ("a\\b.tiff", "allowed: good/NAME or fault/NAME"), ("x" * 230 + ".tiff", "bytes")],
    ids=["line-end", "backslash", "long"],
)
def test_a_name_that_cannot_travel_is_told_before_anything_is_visible(root, store, name, told):
    (root / "domain_A/test/good" / name).write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be packed") as caught:
        pack(root, store)
    assert told in str(caught.value)
    assert find_index(store) is None


def test_what_is_not_there_is_told(root, store, tmp_path):
    with pytest.raises(MissingInputError, match="no such data folder"):
        pack(tmp_path / "none", store)
    with pytest.raises(UsageError, match="--only domain_X: not in"):
        pack(root, store, only=["domain_X"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="no domain in"):
        pack(tmp_path / "empty", store)


def test_no_room_for_an_archive_is_told_with_sizes_before_anything_is_sent(root, store, monkeypatch):
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(EnvironmentFault, match=r"no room for the largest archive .* bytes needed, 1000 free"):
        pack(root, store)
    assert keys(store) == []


def test_a_disk_that_takes_no_more_is_one_message_and_nothing_is_visible(root, store):
    code = f"""
from pathlib import Path
from crossad.data.pack import pack
from crossad.errors import EnvironmentFault
from crossad.store.folder import FolderStore
try:
    pack(Path({str(root)!r}), FolderStore(Path({str(store.root)!r})))
except EnvironmentFault as error:
    print(error)
"""

    def small_files_only():
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=small_files_only, check=False
    )
    assert "File too large" in done.stdout, done.stderr
    assert "TMPDIR" in done.stdout
    assert find_index(store) is None


def test_an_index_that_contradicts_itself_is_refused(root, store):
    index = json.loads(pack(root, store).index.text)
    index["lock"]["domains"]["domain_A"]["train"]["bytes"] += 10**6
    store.put(NAME, json.dumps(index).encode())
    with pytest.raises(DataError, match="differ in images or bytes"):
        read_index(store)


@pytest.mark.parametrize("name", ["../x", "..", ".hidden", "a/b", "", "a\nb"])
def test_an_index_cannot_name_a_domain_that_leads_out_of_the_root(root, store, name):
    index = json.loads(pack(root, store).index.text)
    for part in (index["domains"], index["lock"]["domains"]):
        part[name] = part.pop("domain_A")
    with pytest.raises(ValueError, match="no name of a domain"):
        Index.model_validate(index)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "crossad-data", "format": 2}', "\xff"])
def test_what_is_no_index_is_told_in_one_message(store, text):
    store.put(NAME, text.encode("latin-1"))
    with pytest.raises(DataError, match="not an index of packed images"):
        read_index(store)
