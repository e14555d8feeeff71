from __future__ import annotations

from typing import Any

import pytest

from crossad.analysis.collect import Entry, collect
from crossad.analysis.judge import Group, average_of, group
from crossad.analysis.verdict import verdict

GOOD = {"domain_A": 3.0, "domain_B": 2.6, "domain_C": 2.4}
WEAK = {"domain_A": 2.0, "domain_B": 0.4, "domain_C": 0.3}


def groups_of(lab: Any, sims: list[Any]) -> list[Group]:
    lab.run("night1", sims)
    return group(collect(lab.results).entries)


def entries_of(lab: Any, sims: list[Any]) -> tuple[Entry, ...]:
    lab.run("night1", sims)
    return collect(lab.results).entries


def test_the_best_condition_is_chosen_by_source_never_by_targets(lab: Any) -> None:
    strong_source = lab.sim("a", shifts={"domain_A": 4.0, "domain_B": 0.1})
    strong_target = lab.sim("b", shifts={"domain_A": 1.0, "domain_B": 4.0})
    (found,) = groups_of(lab, [strong_source, strong_target])
    assert [row.entry.name for row in found.best] == ["a"]


def test_models_far_apart_are_ranked(lab: Any) -> None:
    (found,) = groups_of(lab, [lab.sim("w", shifts=WEAK), lab.sim("g", model="dinomaly", shifts=GOOD)])
    assert [(row.entry.name, row.rank) for row in found.best] == [("g", "1"), ("w", "2")]
    assert "Dinomaly, PatchCore" in found.ranking


def test_overlapping_intervals_refuse_a_ranking_in_words(lab: Any) -> None:
    (found,) = groups_of(lab, [lab.sim("w", shifts=GOOD), lab.sim("g", model="dinomaly", shifts=GOOD)])
    assert {row.rank for row in found.best} == {"1–2"}
    assert "not distinguishable" in found.ranking


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"random_weights": True}, "random weights"),
        ({"deviations": ["override max_epochs=1"]}, "override max_epochs=1"),
    ],
)
def test_random_weights_and_overrides_take_no_part(lab: Any, change: dict[str, Any], why: str) -> None:
    sims = [lab.sim("g", model="dinomaly", shifts=GOOD, change=change), lab.sim("w", shifts=WEAK)]
    (found,) = groups_of(lab, sims)
    assert [(row.entry.name, row.rank) for row in found.best] == [("w", "1"), ("g", "")]
    assert found.best[1].unranked == why
    assert why in verdict(found.best[1])


def test_models_are_compared_on_common_targets_only(lab: Any) -> None:
    sims = [lab.sim("p", shifts=GOOD), lab.sim("d", model="dinomaly", shifts=GOOD, failed=("domain_C",))]
    (found,) = groups_of(lab, sims)
    row = next(row for row in found.best if row.entry.name == "p")
    record = row.entry.record
    assert record is not None
    assert row.targets == ("domain_B",)
    assert row.average == record.target_results["domain_B"].test_image_AUROC
    assert record.val_image_AUROC is not None
    assert row.average is not None
    assert row.ratio == pytest.approx(row.average / record.val_image_AUROC)
    assert row.ratio_interval is not None
    assert "domain_C left out" in found.ranking


def test_without_scores_a_ratio_over_fewer_targets_has_no_interval(lab: Any) -> None:
    lab.run("n", [lab.sim("p", shifts=GOOD), lab.sim("d", model="dinomaly", shifts=GOOD, failed=("domain_C",))])
    lab.paths("n", "p").predictions.with_suffix(".csv").unlink()
    (found,) = group(collect(lab.results).entries)
    row = next(row for row in found.best if row.entry.name == "p")
    assert row.ratio is not None
    assert row.ratio_interval is None


def test_the_average_of_independent_domains_is_tighter_than_each(lab: Any) -> None:
    (entry,) = entries_of(lab, [lab.sim("p", shifts=GOOD)])
    assert entry.record is not None
    mean, interval = average_of(entry.record, ("domain_B", "domain_C"))
    assert mean is not None
    assert interval is not None
    single = entry.record.target_results["domain_B"].interval
    assert single is not None
    assert interval.low < mean < interval.high
    assert interval.high - interval.low < single.high - single.low
