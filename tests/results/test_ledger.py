"""Commits count once, and only for the data they were made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossad.errors import DataError
from crossad.results.home import FolderHome


def test_the_first_commit_stands(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    assert ledger.committed("condition", "k") is None
    assert ledger.commit("condition", "k", {"attempt": "one"})
    assert not ledger.commit("condition", "k", {"attempt": "two"})
    found = ledger.committed("condition", "k")
    assert found is not None
    assert found["attempt"] == "one"


def test_other_data_makes_a_commit_stale_and_gets_its_own(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    ledger.commit("training", "k", {"attempt": "old"}, lock="a" * 64)
    assert ledger.committed("training", "k", "b" * 64) is None
    assert ledger.stale("training", "k", "b" * 64)
    assert ledger.commit("training", "k", {"attempt": "new"}, lock="b" * 64)
    found = ledger.committed("training", "k", "a" * 64)
    assert found is not None
    assert found["attempt"] == "old"


def test_without_a_lock_any_commit_of_the_key_counts(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    ledger.commit("training", "k", {"attempt": "locked"}, lock="a" * 64)
    found = ledger.committed("training", "k")
    assert found is not None
    assert found["attempt"] == "locked"


def test_a_withdrawn_commit_leaves_room_and_evidence(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    ledger.commit("training", "k", {"attempt": "lost"})
    ledger.withdraw("training", "k")
    assert ledger.committed("training", "k") is None
    assert len(list(ledger.state.list("withdrawn/"))) == 1
    assert ledger.commit("training", "k", {"attempt": "again"})


def test_a_commit_that_took_the_place_of_a_bad_one_is_not_withdrawn(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    ledger.commit("training", "k", {"attempt": "lost"})
    seen = ledger.committed("training", "k")
    ledger.withdraw("training", "k", seen=seen)
    ledger.commit("training", "k", {"attempt": "good"})
    ledger.withdraw("training", "k", seen=seen)
    found = ledger.committed("training", "k")
    assert found is not None
    assert found["attempt"] == "good"


def test_a_commit_that_comes_while_a_bad_one_is_set_aside_stays(tmp_path: Path, monkeypatch) -> None:
    ledger = FolderHome(tmp_path).ledger
    ledger.commit("training", "k", {"attempt": "lost"})
    put = ledger.state.put

    def overtaken(key: str, source: bytes, **more: str) -> None:
        put(key, source, **more)
        monkeypatch.setattr(ledger.state, "put", put)
        ledger.withdraw("training", "k")
        ledger.commit("training", "k", {"attempt": "good"})

    monkeypatch.setattr(ledger.state, "put", overtaken)
    ledger.withdraw("training", "k")
    found = ledger.committed("training", "k")
    assert found is not None
    assert found["attempt"] == "good"


def test_failures_are_kept_in_order(tmp_path: Path) -> None:
    ledger = FolderHome(tmp_path).ledger
    for attempt in ("z", "a"):
        ledger.record_failure("c", attempt, {"attempt": attempt})
    assert [failure["attempt"] for failure in ledger.failures("c")] == ["z", "a"]


def test_a_foreign_commit_is_named_not_used(tmp_path: Path) -> None:
    path = tmp_path / ".crossad" / "commits" / "condition-k.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"format": 99}')
    with pytest.raises(DataError, match=r"condition-k\.json.*got format 99"):
        FolderHome(tmp_path).ledger.committed("condition", "k")
