"""Writes are whole or absent."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from crossad.files import canonical_json, create_once, write_atomic, write_json


def test_an_atomic_write_leaves_no_helper_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "file.txt", "one")
    write_atomic(tmp_path / "deep" / "file.txt", "two")
    assert (tmp_path / "deep" / "file.txt").read_text() == "two"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.txt"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["value.json"]


def test_create_once_has_one_winner_whose_bytes_stand(tmp_path: Path) -> None:
    path, wins = tmp_path / "commit.json", []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        if create_once(path, str(number)):
            wins.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert path.read_text() == str(wins[0])
    assert len(list(tmp_path.iterdir())) == 1


def test_canonical_json_ignores_key_order_only() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1})
    assert canonical_json({"a": [2, 1]}) != canonical_json({"a": [1, 2]})
