"""What every store promises, on every kind of store there is."""

from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from s3servers import PLACES, Place

from crossad.errors import MissingInputError
from crossad.store import bucket, folder
from crossad.store.base import Expected
from crossad.store.faults import KeyRefused, ObjectDamaged, ObjectMissing

every_place = pytest.mark.parametrize("place", PLACES, indirect=True)
LARGE = 11 * 2**20 + 17  # three parts, the last one short
ODD_KEYS = (
    "a b/c  d.json",
    " leading and trailing ",
    "결과/도메인_A/점수.json",
    "ünï/ß+%41&=?#;@!*'().txt",
    "e\u0301 and \u00e9",
    "deep/" * 20 + "x",
    "n" * 190,
    '-_.~$,:[]{}|^`\\"<>',
    ".hidden/.file",
)
REFUSED = (
    "", "/etc/passwd", "../up", "a/../../up", "..", "a//b", "./a", "a/.", "a/", "x" * 201, "a/" * 500 + "b", "a\nb",
    "a\0b", "\udcff", "a/.b.tmp", ".b.part",
)  # fmt: skip


def large(seed: int) -> bytes:
    return random.Random(seed).randbytes(LARGE)


@every_place
def test_bytes_come_back_as_they_were(place: Place) -> None:
    store = place.open()
    for key, data in {"empty": b"", "a/b/c.json": b'{"x": 1}', "zeros": bytes(70_000)}.items():
        assert store.put(key, data, content_type="application/json") == hashlib.sha256(data).hexdigest()
        assert store.get(key) == data
        entry = store.stat(key)
        assert entry is not None
        assert (entry.key, entry.size) == (key, len(data))
    store.put("a/b/c.json", b"newer")
    assert store.get("a/b/c.json") == b"newer"


@every_place
def test_files_come_back_as_they_were_small_empty_and_large(place: Place, tmp_path: Path) -> None:
    store = place.open()
    for name, data in {"none": b"", "small": b"abc" * 1000, "large": large(1)}.items():
        source, target = tmp_path / name, tmp_path / "back" / name
        source.write_bytes(data)
        assert store.put(f"files/{name}", source) == hashlib.sha256(data).hexdigest()
        found = store.stat(f"files/{name}")
        assert found is not None
        assert found.size == len(data)
        store.get_file(f"files/{name}", target, Expected(len(data), hashlib.sha256(data).hexdigest()))
        assert target.read_bytes() == data
        store.get_file(f"files/{name}", target)  # over what is there, nothing expected
        assert target.read_bytes() == data
        assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


@every_place
def test_odd_keys_are_keys(place: Place) -> None:
    store = place.open()
    for number, key in enumerate(ODD_KEYS):
        store.put(key, str(number).encode())
    assert [entry.key for entry in store.list()] == sorted(ODD_KEYS, key=str.encode)
    for number, key in enumerate(ODD_KEYS):
        assert store.get(key) == str(number).encode()
        assert store.create_once(key, b"no") == "exists"
    for key in ODD_KEYS:
        store.delete(key)
    assert list(store.list()) == []


@every_place
def test_keys_that_escape_or_cannot_be_held_are_refused_by_every_operation(place: Place, tmp_path: Path) -> None:
    store, target = place.open(), tmp_path / "target"
    operations = (
        lambda key: store.put(key, b"x"),
        lambda key: store.create_once(key, b"x"),
        store.read_once,
        store.get,
        lambda key: store.get_file(key, target),
        store.stat,
        store.delete,
    )
    for key in REFUSED:
        for operation in operations:
            with pytest.raises(KeyRefused, match="key"):
                operation(key)
    for prefix in ("/", "../", "a/../b"):
        with pytest.raises(KeyRefused, match="refused"):
            list(store.list(prefix))
    assert not target.exists()
    assert list(store.list()) == []


@every_place
def test_what_is_not_there_is_told_apart_from_a_fault(place: Place, tmp_path: Path) -> None:
    store = place.open()
    store.put("dir/object", b"x")
    for key in ("none", "dir", "dir/object/below"):
        assert store.stat(key) is None
        assert store.read_once(key) is None
        with pytest.raises(ObjectMissing, match="no such object") as caught:
            store.get(key)
        assert caught.value.exit_code == 66
        with pytest.raises(ObjectMissing):
            store.get_file(key, tmp_path / "target")
        store.delete(key)
    with pytest.raises(MissingInputError, match="no such file"):
        store.put("from-nothing", tmp_path / "nothing")
    assert [entry.key for entry in store.list()] == ["dir/object"]
    assert list(tmp_path.glob("*target*")) == []


@every_place
def test_of_many_writers_at_once_exactly_one_creates(place: Place) -> None:
    store, rounds, writers = place.open(), range(2 if place.kind == "pretender" else 4), range(16)
    assert store.create_once("warm", b"up") == "created"
    for round_ in rounds:
        key, barrier = f"commits/condition-{round_}.json", threading.Barrier(len(writers))

        def write(writer: int, key: str = key, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            return store.create_once(key, f"attempt {writer}".encode())

        with ThreadPoolExecutor(len(writers)) as pool:
            outcomes = list(pool.map(write, writers))
        assert sorted(outcomes) == ["created", *["exists"] * 15]
        winner = f"attempt {outcomes.index('created')}".encode()
        assert store.read_once(key) == winner
        assert place.open().get(key) == winner


@every_place
def test_created_is_told_again_to_its_own_writer_and_exists_to_others(place: Place) -> None:
    store = place.open()
    assert store.create_once("c.json", b"mine") == "created"
    assert store.create_once("c.json", b"mine") == "created"
    assert store.create_once("c.json", b"theirs") == "exists"
    assert store.get("c.json") == b"mine"
    store.delete("c.json")
    assert store.read_once("c.json") is None
    assert store.create_once("c.json", b"theirs") == "created"


@every_place
def test_a_listing_is_flat_ordered_and_complete(place: Place) -> None:
    store = place.open()
    many = 1005 if place.kind == "versitygw" else 40  # more than one page of a server
    keys = [f"commits/condition-{number:04}.json" for number in range(many)] + ["commits-x", "commits/a/b", "other"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, key.encode()), keys))
    found = list(store.list("commits/"))
    assert [entry.key for entry in found] == sorted(key for key in keys if key.startswith("commits/"))
    assert all(entry.size == len(entry.key) and entry.etag for entry in found)
    assert [entry.key for entry in store.list("commits/condition-003")] == keys[30:40]
    assert [entry.key for entry in store.list("commits")] == sorted(k for k in keys if k.startswith("commits"))
    assert list(store.list("nothing/")) == []
    assert len(list(store.list())) == len(keys)


@every_place
def test_times_are_the_stores_own(place: Place) -> None:
    store = place.open()
    store.put("x", b"1")
    entry, now = store.stat("x"), store.now()
    assert entry is not None
    assert entry.modified.tzinfo is UTC
    assert timedelta(seconds=-2) < now - entry.modified < timedelta(minutes=1)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    (listed,) = store.list("x")
    assert abs(listed.modified - entry.modified) < timedelta(seconds=1)
    assert listed.etag == entry.etag
    store.put("x", b"22")
    changed = store.stat("x")
    assert changed is not None
    assert changed.etag != entry.etag


@every_place
def test_bytes_other_than_expected_leave_nothing(place: Place, tmp_path: Path) -> None:
    store, target = place.open(), tmp_path / "target"
    store.put("x", b"what is there")
    for expected in (Expected(size=5), Expected(sha256="0" * 64), Expected(13, "0" * 64), Expected(size=20)):
        with pytest.raises(ObjectDamaged, match="expected") as caught:
            store.get_file("x", target, expected)
        assert caught.value.exit_code == 65
        assert list(tmp_path.glob("*target*")) + list(tmp_path.glob(".*")) == []
    target.write_bytes(b"older")
    with pytest.raises(ObjectDamaged):
        store.get_file("x", target, Expected(sha256="0" * 64))
    assert target.read_bytes() == b"older"


@every_place
def test_readers_see_the_old_bytes_or_the_new_ones(place: Place, tmp_path: Path) -> None:
    store, stop = place.open(), threading.Event()
    versions = {name: random.Random(number).randbytes(5 * 2**20 + 99) for number, name in enumerate("ab")}
    whole = {hashlib.sha256(data).hexdigest() for data in versions.values()}
    for name, data in versions.items():
        (tmp_path / name).write_bytes(data)
    store.put("x", tmp_path / "a")
    seen: set[str] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(hashlib.sha256(store.get("x")).hexdigest())
            assert [entry.key for entry in store.list()] == ["x"]

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for name in "bababa":
            store.put("x", tmp_path / name)
        stop.set()
        reader.result()
    assert seen <= whole
    assert seen


@every_place
def test_what_memory_should_not_hold_goes_to_a_file_only(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in (bucket, folder):
        monkeypatch.setattr(room, "SMALL", 1000)
    store = place.open()
    store.put("small", bytes(1000))
    store.put("huge", bytes(1001))
    assert len(store.get("small")) == 1000
    with pytest.raises(ObjectDamaged, match="allowed 1000"):
        store.get("huge")
    store.get_file("huge", tmp_path / "back", Expected(size=1001))
    assert (tmp_path / "back").stat().st_size == 1001
