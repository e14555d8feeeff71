from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score, roc_curve

from crossad.metrics.auroc import Undefined, auroc, roc, split

# few distinct values (many ties), or any finite ones
SCORES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e12, 1e12))


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([*draw(st.lists(st.sampled_from([0, 1]), max_size=40)), 0, 1])
    scores = draw(hnp.arrays(np.float64, labels.size, elements=SCORES))
    return scores, labels


@given(scored())
def test_equals_scikit_learn_to_1e_12(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = case
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(scored())
def test_is_the_share_of_pairs_won(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = case
    faults, normals = scores[labels == 1][:, None], scores[labels == 0][None, :]
    assert auroc(scores, labels) == pytest.approx(((faults > normals) + 0.5 * (faults == normals)).mean(), abs=1e-12)


@given(scored(), st.sampled_from([lambda s: s * 1024.0, lambda s: np.sign(s) * np.sqrt(np.abs(s)), np.cbrt]))
def test_no_monotone_change_of_scores_moves_a_bit(case: tuple[np.ndarray, np.ndarray], change: object) -> None:
    scores, labels = case
    changed = change(scores)  # type: ignore[operator]
    if np.unique(changed).size == np.unique(scores).size:  # still strictly monotone after rounding
        assert auroc(changed, labels) == auroc(scores, labels)


def test_a_shifted_target_keeps_its_area_where_a_clamp_would_lose_it() -> None:
    draw = np.random.default_rng(1)
    scores = np.concatenate([draw.normal(0.6, 0.05, 50), draw.normal(0.8, 0.05, 50)])
    labels = np.repeat([0, 1], 50)
    shifted = scores + 7
    assert auroc(shifted, labels) == pytest.approx(auroc(scores, labels), abs=1e-12)
    assert auroc(np.clip(shifted, 0, 1), labels) == 0.5


def test_sigmoid_ties_do_not_arise() -> None:
    scores, labels = np.array([40.0, 41.0, 42.0, 43.0]), np.array([0, 0, 1, 1])
    assert auroc(scores, labels) == 1.0
    assert auroc((1 / (1 + np.exp(-scores))).astype(np.float32), labels) == 0.5


def test_perfect_inverted_and_constant_scores() -> None:
    labels = np.array([0, 0, 1, 1])
    assert auroc([1, 2, 3, 4], labels) == 1.0
    assert auroc([4, 3, 2, 1], labels) == 0.0
    assert auroc([5, 5, 5, 5], labels) == 0.5


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        ([], [], "no images"),
        ([1.0, 2.0], [0, 0], "one class only: 2 good, 0 fault"),
        ([1.0], [1], "one class only: 0 good, 1 fault"),
        ([1.0, np.nan, np.inf], [0, 1, 1], "2 of 3 scores are not finite"),
    ],
)
def test_what_has_no_area_says_why(scores: list[float], labels: list[int], reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        auroc(scores, labels)


def test_wrong_input_is_not_mistaken_for_an_undefined_area() -> None:
    for scores, labels in (([1.0, 2.0], [0]), ([1.0, 2.0], [0, 2]), ([[1.0]], [[1]])):
        with pytest.raises(ValueError, match="must be") as caught:
            split(scores, labels)
        assert not isinstance(caught.value, Undefined)


@given(scored())
def test_the_curve_is_scikit_learns_and_its_trapezoids_are_the_area(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = case
    fpr, tpr, _ = roc(scores, labels)
    expected = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(fpr, expected[0], atol=1e-12)
    np.testing.assert_allclose(tpr, expected[1], atol=1e-12)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(scores, labels), abs=1e-12)
