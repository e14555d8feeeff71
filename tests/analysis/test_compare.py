from __future__ import annotations

import csv
from typing import Any

import pytest

from crossad.analysis.collect import collect
from crossad.analysis.compare import Comparison, compare, find
from crossad.errors import MissingInputError, UsageError

GOOD = {"domain_A": 3.0, "domain_B": 2.5}
WEAK = {"domain_A": 1.0, "domain_B": 0.2}


def of(lab: Any, first: str, second: str) -> Comparison:
    found = collect(lab.results)
    return compare(find(found, first), find(found, second))


def test_a_clear_difference_is_called_one(lab: Any) -> None:
    lab.run("a", [lab.sim("good", shifts=GOOD), lab.sim("weak", shifts=WEAK)])
    comparison = of(lab, "good", "weak")
    assert [pair.domain for pair in comparison.pairs] == ["domain_A", "domain_B"]
    assert all("A is better" in pair.words for pair in comparison.pairs)
    assert all("B is better" in pair.words for pair in of(lab, "weak", "good").pairs)


def test_equals_are_not_distinguishable(lab: Any) -> None:
    lab.run("a", [lab.sim("one", shifts=GOOD), lab.sim("two", shifts=GOOD)])
    assert all("not distinguishable" in pair.words for pair in of(lab, "one", "two").pairs)


def test_p_values_are_corrected_for_the_number_of_domains(lab: Any) -> None:
    lab.run("a", [lab.sim("one", shifts=GOOD), lab.sim("two", shifts=WEAK)])
    pairs = of(lab, "one", "two").pairs
    raw = sorted(pair.difference.p_value for pair in pairs if pair.difference)
    held = sorted(pair.p_holm for pair in pairs if pair.p_holm is not None)
    assert held[0] == pytest.approx(2 * raw[0])
    assert held[1] == pytest.approx(max(held[0], raw[1]))


def test_only_images_that_both_scored_are_compared(lab: Any) -> None:
    lab.run("a", [lab.sim("one", shifts=GOOD), lab.sim("two", shifts=WEAK)])
    file = lab.paths("a", "two").predictions.with_suffix(".csv")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for index, line in enumerate(lines) if index == 0 or index % 2))
    assert [pair.images for pair in of(lab, "one", "two").pairs] == [60, 60]


def test_images_whose_labels_disagree_are_refused(lab: Any) -> None:
    lab.run("a", [lab.sim("one", shifts=GOOD), lab.sim("two", shifts=WEAK)])
    file = lab.paths("a", "two").predictions.with_suffix(".csv")
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        row["label"] = str(1 - int(row["label"]))
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert all("different labels" in pair.words for pair in of(lab, "one", "two").pairs)


def test_other_data_are_refused(lab: Any) -> None:
    lab.run(
        "a",
        [lab.sim("one"), lab.sim("two", change={"provenance": {"crossad_version": "0", "data_lock": "f00"}})],
    )
    with pytest.raises(UsageError, match="different data"):
        of(lab, "one", "two")


def test_a_condition_is_not_compared_with_itself(lab: Any) -> None:
    lab.run("a", [lab.sim("one")])
    with pytest.raises(UsageError, match="same condition"):
        of(lab, "one", "a/one")


def test_a_condition_without_scores_or_name_is_bad_input(lab: Any) -> None:
    lab.run("a", [lab.sim("one")], holes=[lab.sim("late")])
    with pytest.raises(MissingInputError, match="not started"):
        of(lab, "one", "late")
    with pytest.raises(MissingInputError, match="there are: one, late"):
        of(lab, "one", "none")
