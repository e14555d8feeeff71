"""An archive of pictures: equal for equal pictures; one that is made to mislead writes nothing elsewhere."""

from __future__ import annotations

import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crossad.errors import DataError
from crossad.files import sha256_file
from crossad.results.pictures import LARGEST, pack_pictures, unpack_pictures


def member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def written(archive: Path, *members: tuple[zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w") as packed:
        for info, body in members:
            packed.writestr(info, body, compress_type=kind)
    return archive


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """An archive of three pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        (folder / f"{index}.jpg").write_bytes(random.Random(index).randbytes(500))
    archive = pack_pictures(folder, tmp_path / "a.zip")
    assert archive
    return archive


def test_equal_pictures_make_equal_archives_and_come_back(packed: Path, tmp_path: Path) -> None:
    hashes = unpack_pictures(packed, tmp_path / "out")
    assert hashes == {path.name: sha256_file(path) for path in (tmp_path / "out").iterdir()}
    again = pack_pictures(tmp_path / "out", tmp_path / "b.zip")
    assert again
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize(
    "name",
    ["../e.jpg", "/e.jpg", "a/e.jpg", "a\\e.jpg", ".e.jpg", "e.png", "e.jpg/", "..", "e\x1b.jpg", ".a.tmp.jpg"],
    ids=["climbs", "absolute", "nested", "backslash", "hidden", "other", "folder", "dots", "control", "hidden-too"],
)
def test_a_name_that_is_none_of_a_picture(name: str, tmp_path: Path) -> None:
    archive = written(tmp_path / "a.zip", (member("good.jpg"), b"x"), (member(name), b"x"))
    with pytest.raises(DataError, match=r"not an archive of pictures: a\.zip"):
        unpack_pictures(archive, tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_link_is_no_picture(tmp_path: Path) -> None:
    archive = written(tmp_path / "a.zip", (member("e.jpg", stat.S_IFLNK | 0o777), b"/etc/passwd"))
    with pytest.raises(DataError):
        unpack_pictures(archive, tmp_path / "out")


@pytest.mark.parametrize("names", [("e.jpg", "E.jpg"), ("e.jpg", "e.jpg")], ids=["case", "same"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_one_name(names: tuple[str, str], tmp_path: Path) -> None:
    archive = written(tmp_path / "a.zip", *((member(name), b"x") for name in names))
    with pytest.raises(DataError, match="twice"):
        unpack_pictures(archive, tmp_path / "out")


def test_what_is_packed_small_and_large_outside_is_refused(tmp_path: Path) -> None:
    archive = written(tmp_path / "a.zip", (member("e.jpg"), bytes(2**20)), kind=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError):
        unpack_pictures(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_members_that_share_their_bytes_do_not_multiply_them(packed: Path, tmp_path: Path) -> None:
    """The index names the first picture's bytes three times over, with the size of the whole."""
    body = bytearray(packed.read_bytes())
    for _ in range(40):  # one member named forty times: its size many times that of the archive
        start = body.index(b"PK\x01\x02")
        body[start:start] = body[start : start + 46 + len("0.jpg")]
    end = body.rindex(b"PK\x05\x06")
    count, length = 43, end - body.index(b"PK\x01\x02")
    body[end + 8 : end + 16] = count.to_bytes(2, "little") * 2 + length.to_bytes(4, "little")
    packed.write_bytes(body)
    with pytest.raises(DataError):
        unpack_pictures(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("field", [20, 24], ids=["packed", "unpacked"])
@pytest.mark.parametrize("size", [0, 1, 400, 600, LARGEST, 2**32 - 1])
def test_a_size_that_is_not_true(packed: Path, tmp_path: Path, field: int, size: int) -> None:
    body = bytearray(packed.read_bytes())
    start = body.index(b"PK\x01\x02")
    body[start + field : start + field + 4] = size.to_bytes(4, "little")
    packed.write_bytes(body)
    with pytest.raises(DataError):
        unpack_pictures(packed, tmp_path / "out")


def spoiled(body: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, most of them in the index; sometimes cut."""
    changed = bytearray(body)
    index = body.index(b"PK\x01\x02")
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(index if dice.random() < 0.8 else 0, len(changed))] = dice.randrange(256)
    return bytes(changed[: dice.randrange(len(changed))] if dice.random() < 0.1 else changed)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_changed_in_an_archive_is_an_error_or_pictures(packed: Path, tmp_path: Path, seed: int) -> None:
    whole, dice, refused = packed.read_bytes(), random.Random(seed), 0
    before = sorted(tmp_path.iterdir())
    for turn in range(150):
        packed.write_bytes(spoiled(whole, dice))
        out = tmp_path / "out"
        refused += refuses(lambda out=out: unpack_pictures(packed, out))  # type: ignore[misc]
        if out.exists():
            found = list(out.iterdir())
            assert all(path.suffix == ".jpg" and path.stat().st_size <= len(whole) for path in found), turn
            for path in found:
                path.unlink()
            out.rmdir()
        assert sorted(tmp_path.iterdir()) == before
    assert refused


def refuses(call: Callable[[], None]) -> bool:
    try:
        call()
    except DataError:
        return True
    return False
