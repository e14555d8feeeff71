from __future__ import annotations

import csv
import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from crossad.analysis import gallery
from crossad.analysis.collect import collect
from crossad.analysis.holes import Hole
from crossad.analysis.report import write_collection, write_report
from crossad.errors import MissingInputError
from crossad.results.home import FolderHome

ALL = ("patchcore", "dinomaly", "draem", "draem_sevnet")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def four_models(lab: Any) -> Path:
    lab.run("night1", [lab.sim(model, model=model) for model in ALL], holes=[lab.sim("late", model="draem")])
    return write_report(lab.results, ["night1"])


class Shape(HTMLParser):
    """Headings, images without words, references to outside, and tags that were never closed."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.outside: list[str] = []
        self.mute: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag not in self.VOID and tag not in ("rect", "line", "path", "circle"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        self.outside += [
            str(value) for key, value in attrs if key in ("src", "href") and str(value).startswith(("http", "//"))
        ]
        if (tag == "img" and not facts.get("alt")) or (tag == "svg" and facts.get("role") != "img"):
            self.mute.append(tag)
        if "id" in facts:
            self.ids.append(str(facts["id"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_well_formed(lab: Any) -> None:
    page = text_of(four_models(lab))
    shape = Shape()
    shape.feed(page)
    assert shape.open == []
    assert shape.outside == []
    assert shape.mute == []
    assert shape.headings[0] == "h1"
    assert shape.headings.count("h1") == 1
    assert len(shape.ids) == len(set(shape.ids))
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page


def test_names_from_outside_are_text_everywhere(lab: Any) -> None:
    evil = "<script>alert(1)</script>"
    lab.run("night1", [lab.sim(evil, shifts={"domain_A": 2.0, "<img src=x>": 1.0})])
    folder = write_report(lab.results, ["night1"]).parent
    for file in [folder / "index.html", folder / "summary.md", *(folder / "figures").iterdir()]:
        assert "<script" not in text_of(file)
        assert "<img src=x" not in text_of(file)


def test_a_cell_that_begins_like_a_formula_is_defused(lab: Any) -> None:
    lab.run("night1", [lab.sim("=1+1")])
    with (write_report(lab.results, ["night1"]).parent / "summary.csv").open() as handle:
        assert {row["condition"] for row in csv.DictReader(handle)} == {"'=1+1"}


def test_synthetic_data_are_said_on_the_page_and_on_every_figure(lab: Any) -> None:
    index = four_models(lab)
    assert "says nothing about real gearboxes" in text_of(index)
    assert "its result here is circular" in text_of(index)
    figures = sorted((index.parent / "figures").glob("*.svg"))
    assert len(figures) == 1 + 2 * len(ALL)
    for figure in figures:
        assert "synthetic data" in text_of(figure)
        ET.parse(figure)  # noqa: S314 - our own output


def test_real_data_are_not_called_synthetic(lab: Any) -> None:
    lab.run("night1", [lab.sim("p", synthetic=False)])
    assert "ynthetic data" not in text_of(write_report(lab.results, ["night1"]))


def test_holes_are_dashes_with_reasons_never_numbers(lab: Any) -> None:
    index = four_models(lab)
    rows = list(csv.DictReader(text_of(index.parent / "summary.csv").splitlines()))
    late = [row for row in rows if row["condition"] == "late"]
    assert len(late) == 4
    assert {(row["AUROC"], row["reason"]) for row in late} == {("", "not started")}
    facts = json.loads(text_of(index.parent / "summary.json"))
    assert facts["complete"] is False


def test_a_failed_target_is_listed_with_its_next_step(lab: Any) -> None:
    lab.run("night1", [lab.sim("p", failed=("domain_B",))])
    index = write_report(lab.results, ["night1"])
    page = text_of(index)
    assert "target domain_B: no such domain: domain_B" in page
    assert "Next: crossad data check" in page
    assert "of 2 targets" in page
    assert "crossad data check" in text_of(index.parent / "summary.md")


def test_a_reason_that_stands_above_already_is_left_to_screen_readers(lab: Any) -> None:
    lab.run("night1", [lab.sim("p"), lab.sim("q", shifts={"domain_A": 2.5, "domain_B": 1.6})])
    page = text_of(write_report(lab.results, ["night1"]))
    assert re.findall(r'class="(reason|hidden)">not a target', page) == ["reason", "hidden"]


def test_what_somebody_else_saw_of_a_hole_is_told_everywhere(lab: Any) -> None:
    """The cluster's reasons come as data; a failure that a trainer left is told once, in full."""
    names = ("held", "bad", "off", "gone")
    lab.run("night1", [lab.sim("one")], holes=[lab.sim(name) for name in names])
    for name in ("bad", "off"):
        failures = [{"kind": "DataError", "message": "domain B is <empty>", "hint": "fill it", "exit_code": 65}]
        ledger = FolderHome(lab.results).ledger
        ledger.record_failure(lab.sim(name).entry.condition_id, "a", {"failures": failures})
    holes = [
        Hole("waiting", detail="no node has <a> GPU", next_step="label one"),
        Hole("failed", detail="exit code 65: domain B is <empty>", next_step="fill it; then retry"),
        Hole("cancelled", detail="by hand", next_step="retry it"),
        Hole("lost", detail="its Job is gone", next_step="apply again"),
    ]
    known = {lab.sim(name).entry.condition_id: hole for name, hole in zip(names, holes, strict=True)}
    page = write_collection(collect(lab.results, ["night1"], known=known))
    found = {one["name"]: one for one in json.loads(text_of(page.parent / "summary.json"))["conditions"]}
    assert {name: (one["state"], one["detail"], one["next_step"]) for name, one in found.items()} == {
        "one": ("done", None, None),
        "held": ("waiting", "no node has <a> GPU", "label one"),
        "bad": ("failed", "exit code 65", None),
        "off": ("cancelled", "by hand", "retry it"),
        "gone": ("lost", "its Job is gone", "apply again"),
    }
    assert [problem["hint"] for problem in found["bad"]["problems"]] == ["fill it"]
    assert found["off"]["problems"] == [], "it was cancelled, whatever failed before"
    html, paper = text_of(page), text_of(page.parent / "summary.md")
    for text in (
        "no node has &lt;a&gt; GPU",
        "label one",
        "domain B is &lt;empty&gt;",
        "fill it",
        "by hand",
        "apply again",
    ):
        assert text in html
        assert text in paper
    assert paper.count("(next: fill it)") == 1


def test_the_same_records_give_the_same_bytes(lab: Any) -> None:
    index = four_models(lab)
    before = {path.name: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}
    os.utime(lab.paths("night1", "draem").predictions.with_suffix(".csv"), (0, 0))
    write_report(lab.results, ["night1"])
    assert before == {path.name: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}


def test_normalisation_stands_in_the_title(lab: Any) -> None:
    lab.run("night1", [lab.sim("p", change={"normalisation": "domain_stats"})])
    page = text_of(write_report(lab.results, ["night1"]))
    assert "<h1>How well do models transfer? (normalisation: domain_stats)</h1>" in page
    assert "adaptation, not plain transfer" in page


def test_several_sources_get_a_matrix_a_model(lab: Any) -> None:
    shifts = {"domain_A": 2.0, "domain_B": 1.0}
    lab.run("n", [lab.sim("a", shifts=shifts), lab.sim("b", source="domain_B", shifts=shifts)])
    index = write_report(lab.results, [])
    assert (index.parent / "figures" / "matrix-patchcore.svg").exists()
    assert "over 2 of 2 sources" in text_of(index)


def test_one_run_reports_beside_itself_and_several_above(lab: Any) -> None:
    lab.run("a", [lab.sim("p")])
    lab.run("b", [lab.sim("q")])
    assert write_report(lab.results, ["a"]) == lab.results / "a" / "report" / "index.html"
    assert write_report(lab.results, []) == lab.results / "report" / "index.html"
    assert write_report(lab.results, ["a"], lab.results / "x") == lab.results / "x" / "index.html"
    # the report's own folder is no run
    assert "Runs a and b" in text_of(write_report(lab.results, []))


def test_conditions_without_scores_still_report(lab: Any) -> None:
    lab.run("a", [lab.sim("p")])
    lab.paths("a", "p").predictions.with_suffix(".csv").write_text("not,scores\n1,2\n")
    assert "PatchCore keeps" in text_of(write_report(lab.results, ["a"]))


def test_pictures_are_capped_and_only_jpegs(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("a", [lab.sim("p")])
    folder = lab.paths("a", "p").visualizations("targets", "domain_B")
    (folder / "worst_miss_01_000003.jpg").write_bytes(b"<svg onload=alert(1)>")
    page = text_of(write_report(lab.results, ["a"]))
    assert page.count("data:image/jpeg;base64,") == 15
    monkeypatch.setattr(gallery, "CAP", 1000)
    capped = text_of(write_report(lab.results, ["a"]))
    assert 0 < capped.count("data:image/jpeg;base64,") < 15
    assert "more pictures lie in" in capped


def test_more_conditions_than_columns_show_the_best_of_each_model(lab: Any) -> None:
    few = {"domain_A": 2.0, "domain_B": 1.0}
    lab.run("a", [lab.sim(f"p{index}", shifts=few, images=8, seed=index) for index in range(26)])
    index = write_report(lab.results, ["a"])
    assert "the best of each model, of 26 conditions" in text_of(index)
    assert len(text_of(index.parent / "summary.csv").splitlines()) == 1 + 26 * 2


def test_an_empty_results_folder_is_bad_input(lab: Any) -> None:
    with pytest.raises(MissingInputError):
        write_report(lab.results, [])


def test_conditions_that_differ_by_seed_get_their_spread(lab: Any) -> None:
    lab.run("a", [lab.sim(f"p{seed}", seed=seed) for seed in (1, 2, 3)])
    page = text_of(write_report(lab.results, ["a"]))
    assert "Over seeds: mean ± standard deviation" in page
    values = [row for row in re.findall(r"<tr>.*?</tr>", page) if "PatchCore from domain_A" in row]
    assert "<td>3</td>" in values[0]


def test_a_folder_of_unreadable_records_still_gets_a_page(lab: Any) -> None:
    lab.by_hand("hand", lab.sim("one")).record("20260102_030405").write_text("[]")
    page = text_of(write_report(lab.results, ["hand"]))
    assert "result_20260102_030405.json" in page
    assert "not a record of this crossad version" in page
