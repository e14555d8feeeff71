from __future__ import annotations

from pathlib import Path

from crossad.launch.journal import Journal, Tail, link
from crossad.results.layout import RunPaths


def test_a_tail_gives_whole_lines_once_and_starts_over_when_the_file_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    tail = Tail(log)
    with log.open("a") as handle:
        handle.write("one\ntw")
    assert tail.lines() == ["one"]
    with log.open("a") as handle:
        handle.write("o\n")
    assert tail.lines() == ["two"]
    assert tail.lines() == []
    (tmp_path / "new").write_text("three\n")
    (tmp_path / "new").replace(log)
    assert tail.lines() == ["three"]


def test_auroc_lines_are_forwarded_with_the_condition_and_nothing_else_is(tmp_path: Path) -> None:
    said: list[str] = []
    paths = RunPaths(tmp_path, "night")
    condition = paths.condition("a")
    journal = Journal(paths, said.append)
    journal.watch(condition)
    condition.tensorboard.mkdir(parents=True)
    condition.log.write_text(
        "2026-01-01 00:00:00 | INFO | Source AUROC: 0.9 | x\n2026-01-01 00:00:00 | INFO | loss 1\n"
    )
    journal.forward(condition)
    assert said == ["a | Source AUROC: 0.9 | x"]
    assert paths.log.read_text().endswith(" | INFO | a | Source AUROC: 0.9 | x\n")


def test_a_link_is_relative_and_can_be_moved_to_another_target(tmp_path: Path) -> None:
    at = tmp_path / "deep/down/link"
    link(at, tmp_path / "one")
    assert str(at.readlink()) == "../../one"
    link(at, tmp_path / "two")
    assert str(at.readlink()) == "../../two"
