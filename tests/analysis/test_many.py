"""A report of many conditions: what it keeps of each, and what its page leaves out and says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from crossad.analysis import page as pages
from crossad.analysis.collect import collect
from crossad.analysis.exports import as_csv, as_json
from crossad.analysis.judge import group
from crossad.analysis.records import Packed
from crossad.analysis.report import write_report
from crossad.results.layout import RunPaths
from crossad.results.record import Record

ALL = ("patchcore", "dinomaly", "draem", "draem_sevnet")
LIMIT = 3


def written(lab: Any) -> Path:
    """The report of four models, two seeds each."""
    sims = [lab.sim(f"{model}-{seed}", model=model, seed=seed, images=20) for model in ALL for seed in (1, 2)]
    lab.run("many", sims)
    return write_report(lab.results, ["many"])


def test_lists_of_the_page_are_bounded_and_say_what_they_leave_out(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ROWS", LIMIT)
    index = written(lab)
    text = index.read_text(encoding="utf-8")
    assert text.count("5 more: in their records.") == 2  # costs and provenance
    assert "The best by source AUROC; 1 more." in text  # of four models over seeds
    assert "All of them: see summary.json." in text
    everything = json.loads((index.parent / "summary.json").read_text(encoding="utf-8"))
    assert len(everything["conditions"]) == 8
    assert all(one["warnings"] for one in everything["conditions"])


def test_a_packed_record_is_the_record_without_what_no_report_shows(lab: Any) -> None:
    lab.run("a", [lab.sim("one")])
    (path,) = RunPaths(lab.results, "a").condition("one").records()
    wrote = Record.model_validate_json(path.read_bytes())
    again = Packed(wrote).record
    left_out = {"summary": True, "training_info": {"curve"}, "provenance": {"libraries", "weights", "command"}}
    assert again.model_dump(exclude=left_out) == wrote.model_dump(exclude=left_out)
    assert (Packed(wrote).status, Packed(wrote).attempt) == (wrote.status, wrote.attempt)


def test_the_files_are_made_of_pieces_a_condition_each(lab: Any) -> None:
    index = written(lab)
    collection = collect(lab.results, ["many"])
    rows, lines = list(as_csv(collection)), list(as_json(collection, group(collection.entries)))
    assert "".join(rows) == (index.parent / "summary.csv").read_text(encoding="utf-8")
    assert "".join(lines) == (index.parent / "summary.json").read_text(encoding="utf-8")
    assert len(rows) == len(collection.entries) + 1
    assert len(lines) == len(collection.entries) + 2
    assert len(list(csv.DictReader("".join(rows).splitlines()))) == 4 * len(collection.entries)
