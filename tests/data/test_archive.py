"""What an archive may hold, and that nothing else is ever unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile

import pytest

from crossad.data.archive import check_members, unpack, write_archive
from crossad.data.index import Archive, SplitLock
from crossad.data.layout import list_images
from crossad.data.lock import make_lock
from crossad.errors import DataError


def known(path, images):
    return Archive(key="k", bytes=path.stat().st_size, sha256="0" * 64, images=images)


def tell_nobody(_):
    pass


@pytest.fixture
def packed(tmp_path, make_domain):
    """An archive of a real split, its images, and the split's lock."""
    make_domain(tmp_path / "data", each=3)
    images = list_images(tmp_path / "data", "domain_A", "test")
    members = write_archive(tmp_path / "test.zip", images, tell_nobody)
    lock = SplitLock.model_validate(make_lock(tmp_path / "data")["domains"]["domain_A"]["test"])
    return tmp_path / "test.zip", images, members, lock


def test_images_come_back_as_they_were_and_read_only(packed, tmp_path):
    path, images, members, lock = packed
    seen = []
    assert unpack(path, tmp_path / "out", known(path, 6), seen.append) == members
    assert sum(seen) == 6
    check_members(members, "test", None, lock)
    for image in images:
        copy = tmp_path / "out" / image.relative.removeprefix("test/")
        assert copy.read_bytes() == image.path.read_bytes()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o444


def test_other_images_than_those_of_the_lock_are_found_out(packed):
    _, _, members, lock = packed
    swapped = [members[1], *members[1:]]
    for others, rows in ((swapped, None), (members[:-1], None), (members, "0" * 64)):
        with pytest.raises(DataError, match="not those of the data lock"):
            check_members(others, "test", rows, lock)


def made(tmp_path, *entries, **options):
    """An archive of (name or ZipInfo, data), as somebody else would make it."""
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


BAD_NAMES = {
    "slip": "../../evil.png",
    "slip inside": "good/../../evil.png",
    "dots": "good/..",
    "absolute": "/etc/evil.png",
    "other folder": "bad/a.png",
    "deeper": "good/a/b.png",
    "top": "a.png",
    "backslash": "good/..\\a.png",
    "control": "good/a\nb.png",
    "hidden": "good/.a.png",
    "no image": "good/a.py",
    "folder": "good/",
}


@pytest.mark.parametrize("how", BAD_NAMES)
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_written(tmp_path, how):
    path = made(tmp_path, ("good/0.png", b"fine"), (BAD_NAMES[how], b"x"))
    with pytest.raises(DataError, match="not an archive of `crossad data pack`"):
        unpack(path, tmp_path / "in" / "out", known(path, 2), tell_nobody)
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["made.zip"]


def test_links_are_refused(tmp_path):
    path = made(tmp_path, (link("good/a.png"), b"/etc/passwd"))
    with pytest.raises(DataError, match="not a regular file"):
        unpack(path, tmp_path / "out", known(path, 1), tell_nobody)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = made(tmp_path, ("good/a.png", bytes(10**7)), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match="larger than the archive"):
        unpack(path, tmp_path / "out", known(path, 1), tell_nobody)
    assert not (tmp_path / "out").exists()


def test_compressed_images_are_refused(tmp_path):
    path = made(
        tmp_path, ("good/a.png", b"0" * 200), ("good/b.png", bytes(range(256))), compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(DataError, match=r"compressed|larger"):
        unpack(path, tmp_path / "out", known(path, 2), tell_nobody)


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    """The densest bomb: many entries of the directory name one and the same data."""
    path = made(tmp_path, ("good/a.png", bytes(10**5)))
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, tail = data[start:end], bytearray(data[end:])
    copies = b"".join(entry.replace(b"good/a.png", b"good/%s.png" % letter) for letter in (b"a", b"b", b"c"))
    tail[8:16] = struct.pack("<HHI", 3, 3, len(copies))
    path.write_bytes(data[:start] + copies + bytes(tail))
    with pytest.raises(DataError, match=r"larger than the archive|overlapped|differ"):
        unpack(path, tmp_path / "out", known(path, 3), tell_nobody)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path):
    path = made(tmp_path, ("good/a.png", b"one"), ("good/a.png", b"two"))
    with pytest.raises(DataError, match="a name twice"):
        unpack(path, tmp_path / "out", known(path, 2), tell_nobody)


def test_more_or_fewer_images_than_the_index_says_are_refused(packed, tmp_path):
    path, *_ = packed
    for count in (5, 7):
        with pytest.raises(DataError, match=f"it has 6 images, the index says {count}"):
            unpack(path, tmp_path / "out", known(path, count), tell_nobody)


def test_a_name_that_ends_at_a_zero_byte_is_refused(tmp_path):
    path = made(tmp_path, ("good/a.png", b"x"))
    path.write_bytes(path.read_bytes().replace(b"good/a.png", b"good/a\x00png"))
    with pytest.raises(DataError, match="not an archive"):
        unpack(path, tmp_path / "out", known(path, 1), tell_nobody)


@pytest.mark.parametrize("size", [0, 1, 30, 400, -1, -30])
def test_a_torn_archive_is_one_message(packed, tmp_path, size):
    path, *_ = packed
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match="not an archive"):
        unpack(path, tmp_path / "out", known(path, 6), tell_nobody)


def test_a_damaged_byte_is_found(packed, tmp_path):
    path, *_ = packed
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="CRC"):
        unpack(path, tmp_path / "out", known(path, 6), tell_nobody)


def test_an_archive_is_read_in_bounded_memory(tmp_path):
    """Large images pass through in blocks."""
    import tracemalloc

    (tmp_path / "data/d/train/good").mkdir(parents=True)
    with (tmp_path / "data/d/train/good/0.tiff").open("wb") as large:
        large.truncate(64 * 2**20)
    images = list_images(tmp_path / "data", "d", "train")
    tracemalloc.start()
    write_archive(tmp_path / "a.zip", images, tell_nobody)
    unpack(tmp_path / "a.zip", tmp_path / "out", known(tmp_path / "a.zip", 1), tell_nobody)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20
    assert (tmp_path / "out/good/0.tiff").stat().st_size == 64 * 2**20
