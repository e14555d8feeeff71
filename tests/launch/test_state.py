from __future__ import annotations

from pathlib import Path

import pytest

from crossad.errors import DataError, UsageError
from crossad.launch.state import RunState
from crossad.results.home import FolderHome


def test_a_retry_opens_the_next_generation_and_deletes_nothing(tmp_path: Path) -> None:
    state = RunState(FolderHome(tmp_path), "night")
    assert not state.reopen("c")
    state.close("c", "failed", "first", exit_code=70)
    assert state.reopen("c")
    assert (state.verdict("c"), state.generation("c")) == (None, 2)
    state.close("c", "cancelled", "second")
    found = state.verdict("c")
    assert found is not None
    assert (found.kind, found.generation) == ("cancelled", 2)
    assert "first" in (state.root / "verdicts/c/0001.json").read_text()


def test_the_first_verdict_on_a_generation_stands(tmp_path: Path) -> None:
    state = RunState(FolderHome(tmp_path), "night")
    state.close("c", "cancelled", "first")
    state.close("c", "failed", "late")
    found = state.verdict("c")
    assert found is not None
    assert found.reason == "first"


def test_a_damaged_verdict_is_named_and_not_a_traceback(tmp_path: Path) -> None:
    state = RunState(FolderHome(tmp_path), "night")
    state.close("c", "failed", "first")
    (state.root / "verdicts/c/0001.json").write_text("{}")
    with pytest.raises(DataError, match=r"runs/night/verdicts/c/0001.json: kind: Field required"):
        state.verdict("c")


def test_one_process_holds_a_run_and_says_so_while_it_does(tmp_path: Path) -> None:
    state = RunState(FolderHome(tmp_path), "night")
    assert state.holder() is None
    with state.hold():
        holder = state.holder()
        assert holder is not None
        assert holder.mark.alive
        with (
            pytest.raises(UsageError, match=f"process {holder.mark.pid}"),
            RunState(FolderHome(tmp_path), "night").hold(),
        ):
            raise AssertionError("two holders")
    assert state.holder() is None
