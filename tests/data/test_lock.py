"""The lock names exactly what changed."""

from __future__ import annotations

import pytest

from crossad.data.lock import NAME, changes, lock_hash, lock_part, make_lock, read_lock, write_lock
from crossad.errors import DataError


@pytest.fixture
def root(tmp_path):
    for domain in "AB":
        for part in ("train/good", "test/good", "test/fault"):
            for number in range(3):
                path = tmp_path / domain / part / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(f"{domain}{part}{number}".encode())
    return tmp_path


TRAIN, TEST_B = [("A", "train")], [("B", "test")]


def test_a_lock_counts_images_and_bytes(root):
    lock = write_lock(root)
    assert read_lock(root) == lock == make_lock(root)
    assert {split: facts["images"] for split, facts in lock["domains"]["A"].items()} == {"train": 3, "test": 6}
    assert lock["domains"]["A"]["train"]["bytes"] == 3 * len("Atrain/good0")
    assert changes(root) == []


def test_known_hashes_give_the_same_lock_without_reading(root):
    from crossad.files import sha256_file

    known = {path: sha256_file(path) for path in root.rglob("*.png")}
    plain = make_lock(root)
    (root / "A/train/good/0.png").write_bytes(b"Atrain/good9")  # as long as before
    assert make_lock(root, known) == plain != make_lock(root)


@pytest.mark.parametrize("what", ["content", "name", "removed", "added", "metadata"])
def test_any_change_of_a_split_changes_its_part_alone(root, what):
    write_lock(root)
    train, test_b = lock_part(root, TRAIN), lock_part(root, TEST_B)
    path = root / "B/test/fault/1.png"
    if what == "content":
        path.write_bytes(path.read_bytes().upper())
    elif what == "name":
        path.rename(path.with_name("9.png"))
    elif what == "removed":
        path.unlink()
    elif what == "added":
        path.with_name("9.png").write_bytes(b"new")
    else:
        (root / "B/metadata.csv").write_text("path,severity\n")
    told = changes(root)
    assert any(line.startswith("B/test is not what the lock says") for line in told)
    assert not any(line.startswith("A/") for line in told)
    write_lock(root)
    assert (lock_part(root, TRAIN), lock_part(root, TEST_B) == test_b) == (train, False)


def test_a_part_that_is_absent_gets_another_hash_once_it_is_there(root):
    write_lock(root)
    before, whole = lock_part(root, [("C", "test")]), lock_hash(root)
    (root / "B").rename(root / "C")
    write_lock(root)
    assert lock_part(root, [("C", "test")]) != before
    assert lock_hash(root) != whole


def test_without_a_lock_nothing_is_known_and_a_broken_one_is_told(root):
    assert (read_lock(root), lock_part(root, TRAIN), lock_hash(root), changes(root)) == (None, None, None, [])
    for text in ("{", "[]", '{"format": 99, "domains": {}}'):
        (root / NAME).write_text(text)
        with pytest.raises(DataError) as caught:
            read_lock(root)
        assert "crossad data check" in caught.value.hint
