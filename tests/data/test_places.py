"""Where images live: a folder, packed in a folder, packed in a bucket; for everybody else one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossad.data.lock import changes, lock_part, write_lock
from crossad.data.pack import pack
from crossad.data.places import FolderImages, PackedImages, as_images, open_data, open_images
from crossad.errors import MissingInputError, UsageError
from crossad.store.folder import FolderStore
from crossad.store.options import S3Options

PARTS = [("domain_A", "train"), ("domain_B", "test")]


@pytest.fixture
def root(tmp_path, make_domain):
    for seed, name in enumerate(("domain_A", "domain_B")):
        make_domain(tmp_path / "data", name, each=3, seed=seed)
    write_lock(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def packed(root, tmp_path):
    pack(root, FolderStore(tmp_path / "packed"))
    return tmp_path / "packed"


def test_a_folder_stays_a_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = open_images("data")
    assert isinstance(images, FolderImages)
    assert (images.uri, images.shown, images.arguments) == (str(root), "data", ["--data", "data"])
    assert images.bring(PARTS) == images.root == Path("data")
    assert open_data("data", PARTS) == Path("data")


def test_packed_images_answer_as_the_folder_does_without_an_image(root, packed, tmp_path):
    folder, images = open_images(root), open_images(packed, tmp_path / "cache")
    assert isinstance(images, PackedImages)
    assert images.domains() == folder.domains() == ("domain_A", "domain_B")
    for domain in folder.domains():
        for split in ("train", "test"):
            assert images.has(domain, split)
            assert images.count(domain, split) == folder.count(domain, split)
    for parts in (PARTS, PARTS[:1], [("domain_X", "test")]):
        assert images.lock_part(parts) == folder.lock_part(parts) == lock_part(root, parts)
    assert not (tmp_path / "cache").exists()
    assert lock_part(images.root, PARTS) == lock_part(root, PARTS)
    assert [path.name for path in images.root.iterdir()] == ["data.lock.json"]


def test_a_packed_folder_is_fetched_into_the_cache_that_the_environment_names(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSAD_CACHE", str(tmp_path / "cache"))
    for address in (packed, str(packed), f"file://{packed}"):
        root = open_data(address, PARTS)
        assert root.is_relative_to(tmp_path / "cache")
        assert sorted(path.name for path in root.glob("*/*")) == ["test", "train"]
    assert len(changes(root)) == 2, "the two splits that were not asked for"


def test_a_trainer_is_started_with_the_same_place(packed, tmp_path):
    options = S3Options(endpoint="http://127.0.0.1:1", patience_seconds=7.0)
    images = open_images("s3://bucket/hdmap/", tmp_path / "cache", options)
    assert images.uri == images.shown == "s3://bucket/hdmap"
    assert images.arguments == [
        *("--data", "s3://bucket/hdmap", "--data-cache", str(tmp_path / "cache")),
        *("--data-option", "endpoint=http://127.0.0.1:1", "--data-option", "patience_seconds=7.0"),
    ]
    assert open_images(packed, tmp_path / "cache").arguments[:2] == ["--data", str(packed)]


def test_what_was_opened_is_taken_as_it_is(packed):
    images = open_images(packed)
    assert as_images(images) is images
    assert isinstance(as_images(str(packed)), PackedImages)


@pytest.mark.parametrize(
    "address", [Path("s3://bucket/x"), "s3:/bucket/x", "gs://bucket/x", "s3://", "s3://a:b@bucket"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match=r"not an? (address|store)") as caught:
        open_images(address)
    assert "a:b" not in str(caught.value)


def test_nothing_there_is_told_with_the_next_step(tmp_path):
    for address in (tmp_path / "none", f"file://{tmp_path}/none"):
        with pytest.raises(MissingInputError, match=r"no such data folder|no packed images"):
            open_images(address).domains()
    with pytest.raises(MissingInputError, match="no such data folder"):
        _ = open_images(tmp_path / "none").root
