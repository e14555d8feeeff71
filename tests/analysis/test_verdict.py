from __future__ import annotations

from typing import Any

from crossad.analysis.collect import collect
from crossad.analysis.judge import Group, group
from crossad.analysis.verdict import overall, verdict


def groups_of(lab: Any, sims: list[Any]) -> list[Group]:
    lab.run("night1", sims)
    return group(collect(lab.results).entries)


def test_the_sentence_names_source_targets_and_both_shares(lab: Any) -> None:
    (found,) = groups_of(lab, [lab.sim("p", shifts={"domain_A": 3.0, "domain_B": 1.0, "domain_C": 1.0})])
    row = found.best[0]
    assert row.ratio is not None
    assert row.skill is not None
    shares = f"{100 * row.ratio:.0f} % of its AUROC and {100 * row.skill:.0f} % of its skill above chance"
    assert verdict(row).startswith(f"PatchCore keeps {shares} from domain_A to domain_B and domain_C: ")


def test_over_several_sources_the_span_is_said(lab: Any) -> None:
    shifts = {"domain_A": 3.0, "domain_B": 1.5}
    groups = groups_of(lab, [lab.sim("a", shifts=shifts), lab.sim("b", source="domain_B", shifts=shifts)])
    said, basis = overall([row for one in groups for row in one.best])
    assert "over 2 of 2 sources" in said
    assert " to " in said
    assert "mean over sources" in basis


def test_a_source_that_was_not_learned_has_no_verdict_on_transfer(lab: Any) -> None:
    (found,) = groups_of(lab, [lab.sim("p", shifts={"domain_A": 0.0, "domain_B": 0.0})])
    assert "no transfer ratio from domain_A: source not learned" in verdict(found.best[0])


def test_a_model_that_never_ran_says_so(lab: Any) -> None:
    lab.run("night1", [], holes=[lab.sim("p")])
    (found,) = group(collect(lab.results).entries)
    assert verdict(found.best[0]) == "PatchCore has no result from domain_A: not started."
