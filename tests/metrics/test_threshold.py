from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from crossad.metrics.auroc import Undefined
from crossad.metrics.threshold import oracle_f1, rates, threshold_at, tpr_at_fpr


@pytest.mark.parametrize(
    ("n", "rank"), [(1, 1), (18, 18), (19, 19), (20, 20), (39, 38), (99, 95), (100, 96), (1999, 1900)]
)
def test_the_rank_is_the_conformal_one(n: int, rank: int) -> None:
    assert threshold_at(np.random.default_rng(0).permutation(np.arange(1.0, n + 1))) == rank


def test_a_new_normal_exceeds_it_at_most_five_percent_of_the_time() -> None:
    draw = np.random.default_rng(1)
    exceeded = [draw.normal() > threshold_at(draw.normal(size=39)) for _ in range(4000)]
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.012)


def test_a_threshold_needs_finite_normals() -> None:
    with pytest.raises(Undefined, match="no good images"):
        threshold_at([])
    with pytest.raises(Undefined, match="not finite"):
        threshold_at([1.0, np.nan])


def test_rates_count_scores_above_not_at_the_threshold() -> None:
    fpr, tpr, f1 = rates(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0]), 2.0)
    assert (fpr, tpr) == (0.5, 0.5)
    assert f1 == pytest.approx(f1_score([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 1]))
    assert rates(np.array([1.0]), np.array([1.0]), 5.0) == (0.0, 0.0, 0.0)


def test_oracle_f1_is_the_best_of_all_thresholds() -> None:
    draw = np.random.default_rng(2)
    labels = np.repeat([0, 1], [40, 25])
    scores = np.round(labels + draw.normal(0, 1, 65), 1)
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    assert oracle_f1(scores, labels) == pytest.approx(best, abs=1e-12)


def test_calling_everything_a_fault_is_the_least_oracle() -> None:
    assert oracle_f1(np.zeros(40), np.repeat([0, 1], 20)) == pytest.approx(2 / 3)


def test_tpr_at_fpr_never_exceeds_its_false_alarms() -> None:
    normals, faults = np.arange(100.0), np.array([98.5, 97.5, 50.0, 200.0])
    scores, labels = np.concatenate([normals, faults]), np.repeat([0, 1], [100, 4])
    assert tpr_at_fpr(scores, labels, 0.0) == 0.25
    assert tpr_at_fpr(scores, labels, 0.01) == 0.5
    assert tpr_at_fpr(scores, labels, 0.02) == 0.75
    assert tpr_at_fpr(scores, labels, 1.0) == 1.0
    # ties at the edge: a threshold cannot let half of them through
    assert tpr_at_fpr([0.0, 1.0, 1.0], [0, 0, 1], 0.1) == 0.0
