from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossad.metrics.auroc import auroc
from crossad.metrics.evaluate import Pass, evaluate_domain, summarise
from crossad.metrics.threshold import threshold_at
from crossad.results.record import DomainResult, Record

DRAW = np.random.default_rng(0)
LABELS = np.repeat([0, 1], 60)
SCORES = DRAW.normal(0, 1, 120) + 1.5 * LABELS
NORMALS = SCORES[LABELS == 0]


def full(**change: Any) -> Pass:
    facts: dict[str, Any] = {
        "scores": SCORES,
        "labels": LABELS,
        "threshold": threshold_at(NORMALS),
        "source_normals": NORMALS,
        "source_range": (float(SCORES.min()), float(SCORES.max())),
        "parts": {"mask": SCORES * 2, "severity": -SCORES},
        "floors": {"mean_intensity": DRAW.normal(0, 1, 120)},
        "strata": ["cold", "warm"] * 60,
        "severities": np.where(LABELS, SCORES, np.nan),
    }
    return Pass(**{**facts, **change})


def test_everything_fits_into_a_record() -> None:
    found = evaluate_domain(full())
    result = DomainResult(status="ok", **found)
    assert result.undefined == {}
    assert result.test_image_AUROC == auroc(SCORES, LABELS)
    assert result.interval is not None
    assert result.counts == {"good": 60, "fault": 60}
    assert result.parts == {
        "mask": result.test_image_AUROC,
        "severity": pytest.approx(1 - auroc(SCORES, LABELS)),
    }
    assert set(result.strata) == {"cold", "warm"}
    assert result.severity_spearman == pytest.approx(1.0)
    assert result.outside_source_range == 0
    assert result.score_shift == 0
    assert result.threshold is not None
    assert result.threshold.fpr == pytest.approx(2 / 60)
    assert (result.threshold.f1 or 0) <= (result.threshold.oracle_f1 or 0)


def test_one_class_leaves_reasons_and_no_invented_number() -> None:
    keep = LABELS == 0
    only_good = full(
        scores=SCORES[keep],
        labels=LABELS[keep],
        parts={},
        floors={},
        strata=["cold"] * 60,
        severities=np.full(60, np.nan),
    )
    found = evaluate_domain(only_good)
    assert found["test_image_AUROC"] is None
    assert found["interval"] is None
    assert found["strata"] == {"cold": None}
    assert found["tpr_at_fpr"] == {"0.01": None, "0.05": None}
    assert found["severity_spearman"] is None
    assert found["threshold"]["fpr"] is not None
    assert (found["threshold"]["tpr"], found["threshold"]["f1"], found["threshold"]["oracle_f1"]) == (
        None,
        None,
        None,
    )
    expected = {
        "test_image_AUROC",
        "threshold",
        "tpr_at_fpr.0.01",
        "tpr_at_fpr.0.05",
        "strata.cold",
        "severity_spearman",
    }
    assert set(found["undefined"]) == expected
    assert found["undefined"]["test_image_AUROC"] == "one class only: 60 good, 0 fault"
    DomainResult(status="ok", **found)


def test_scores_that_are_not_finite_never_become_numbers() -> None:
    broken = SCORES.copy()
    broken[[0, 100]] = np.nan, np.inf
    found = evaluate_domain(full(scores=broken, parts={}, strata=None))
    assert found["test_image_AUROC"] is None
    assert "not finite" in found["undefined"]["test_image_AUROC"]
    assert (found["threshold"]["fpr"], found["threshold"]["tpr"]) == (None, None)
    assert found["score_shift"] is None
    assert found["outside_source_range"] == pytest.approx(2 / 120)
    DomainResult(status="ok", **found)


def test_an_empty_domain_is_empty() -> None:
    none = np.empty(0)
    found = evaluate_domain(Pass(none, none.astype(int), threshold=1.0, source_normals=NORMALS, source_range=(0, 1)))
    assert found["counts"] == {"good": 0, "fault": 0}
    assert found["undefined"]["test_image_AUROC"] == "no images"
    assert found["outside_source_range"] is None
    DomainResult(status="ok", **found)


def test_without_a_source_threshold_the_reason_is_kept() -> None:
    found = evaluate_domain(full(threshold=None))
    assert found["threshold"] is None
    assert found["undefined"]["threshold"] == "the source has no good image to set it on"


def test_unknown_strata_and_severities_are_left_out() -> None:
    severities = np.where(LABELS, SCORES, np.nan)
    severities[LABELS.argmax()] = np.nan
    found = evaluate_domain(full(strata=[None, "warm"] * 60, severities=severities))
    assert set(found["strata"]) == {"warm"}
    assert found["severity_spearman"] == pytest.approx(1.0)
    plain = evaluate_domain(full(strata=None, severities=None))
    assert (plain["strata"], plain["severity_spearman"]) == ({}, None)


def test_the_summarys_keys_are_the_records() -> None:
    found = summarise((SCORES, LABELS), {"b": (SCORES, LABELS)})
    assert set(found) <= set(Record.model_fields)


def test_a_null_control_keeps_chance_inside_its_interval() -> None:
    # no fault at all: 40 domains of scores that know nothing; 95 % intervals may miss 0.5 a few times
    draw, inside = np.random.default_rng(6), 0
    for _ in range(40):
        interval = evaluate_domain(Pass(draw.normal(0, 1, 120), LABELS))["interval"]
        inside += interval["low"] <= 0.5 <= interval["high"]
    assert inside >= 35
