from __future__ import annotations

import time

import numpy as np
import pytest

from crossad.metrics.intervals import Estimate
from crossad.metrics.transfer import area, harmonic_mean, not_learned, ratio, summarise


def scored(shift: float, images: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    scores = np.concatenate([draw.normal(0, 1, images), draw.normal(shift, 1, images)])
    return scores, np.repeat([0, 1], images)


TARGETS = {"b": scored(1.0, seed=1), "c": scored(0.5, seed=2)}


def test_the_numbers_are_the_guides() -> None:
    found = summarise(scored(2.0), TARGETS)
    source = area(scored(2.0), "source").value
    values = [area(TARGETS[name], f"target/{name}").value for name in ("b", "c")]
    assert found["n_targets"] == 2
    assert found["avg_target_auroc"] == pytest.approx(np.mean(values))
    assert found["worst_target_auroc"] == min(values)
    assert found["transfer_ratio"] == pytest.approx(np.mean(values) / source)
    assert found["skill_ratio"] == pytest.approx(np.mean([2 * v - 1 for v in values]) / (2 * source - 1))
    assert found["domain_gap"] == {"b": source - values[0], "c": source - values[1]}
    assert found["harmonic_mean_auroc"] == pytest.approx(3 / sum(1 / v for v in (source, *values)))
    assert found["undefined"] == {}
    for name in ("transfer_ratio", "skill_ratio"):
        bounds = found[f"{name}_interval"]
        assert bounds["low"] < found[name] < bounds["high"]


def test_a_coin_has_no_ratio() -> None:
    found = summarise(scored(0.0), TARGETS)
    assert "transfer_ratio" not in found
    assert found["undefined"]["transfer_ratio"].startswith("source not learned: the interval of its AUROC")
    assert found["undefined"]["skill_ratio"] == found["undefined"]["transfer_ratio"]
    assert found["avg_target_auroc"] is not None
    assert found["domain_gap"]["b"] is not None


def test_an_interval_that_touches_a_half_is_not_learned() -> None:
    assert not_learned(Estimate(0.6, 0.5, 0.7)) is not None
    assert not_learned(Estimate(0.6, 0.501, 0.7)) is None


def test_an_inverted_target_stays_inverted() -> None:
    found = summarise(scored(2.0), {"b": scored(-1.0, seed=1)})
    assert found["worst_target_auroc"] < 0.5
    assert found["skill_ratio"] < 0


def test_an_easier_target_is_not_capped() -> None:
    assert summarise(scored(0.8), {"b": scored(3.0, seed=1)})["transfer_ratio"] > 1


def test_a_dead_target_enters_no_mean_and_has_a_reason() -> None:
    one_class = (np.ones(10), np.zeros(10, dtype=int))
    found = summarise(scored(2.0), {**TARGETS, "d": one_class})
    assert found["n_targets"] == 2
    assert found["avg_target_auroc"] == summarise(scored(2.0), TARGETS)["avg_target_auroc"]
    assert found["domain_gap"]["d"] is None
    assert "one class only" in found["undefined"]["domain_gap.d"]


def test_without_targets_everything_about_them_is_undefined() -> None:
    for targets, reason in (({}, "no target was scored"), ({"d": ([1.0], [0])}, "no target has an AUROC")):
        found = summarise(scored(2.0), targets)
        for name in ("avg_target_auroc", "worst_target_auroc", "harmonic_mean_auroc"):
            assert found[name] is None
            assert found["undefined"][name] == reason
        assert found["undefined"]["transfer_ratio"] == reason


def test_without_a_source_area_the_targets_still_stand() -> None:
    found = summarise(([1.0, np.inf], [0, 1]), TARGETS)
    assert found["n_targets"] == 2
    assert found["avg_target_auroc"] is not None
    assert found["domain_gap"] == {"b": None, "c": None}
    for name in ("transfer_ratio", "skill_ratio", "harmonic_mean_auroc", "domain_gap.b"):
        assert found["undefined"][name] == "the source has no AUROC: 1 of 2 scores are not finite"


def test_perfect_domains_do_not_give_a_certain_ratio() -> None:
    perfect = (np.arange(40.0), np.repeat([0, 1], 20))
    found = summarise(perfect, {"b": perfect})
    assert found["transfer_ratio"] == 1.0
    bounds = found["transfer_ratio_interval"]
    assert bounds["low"] < 0.95
    assert bounds["high"] > 1.05


def test_the_ratios_interval_covers_the_true_ratio() -> None:
    draw, hits, repeats = np.random.default_rng(11), 0, 120
    labels = np.repeat([0, 1], 50)
    for index in range(repeats):
        # true areas .921 (shift 2) and .760 (shift 1)
        splits = [np.concatenate([draw.normal(0, 1, 50), draw.normal(s, 1, 50)]) for s in (2.0, 1.0, 1.0)]
        areas = [area((s, labels), str(k), seed=index, resamples=300) for k, s in enumerate(splits)]
        _, bounds = ratio(areas[0], areas[1:], skill=False)
        hits += bounds.low <= 0.7602 / 0.9214 <= bounds.high
    assert hits / repeats >= 0.9


def test_seed_decides_the_resamples_and_nothing_else() -> None:
    first, again, other = (summarise(scored(2.0), TARGETS, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["transfer_ratio"] == other["transfer_ratio"]
    draws = [area(TARGETS["b"], "target/b", seed=seed, resamples=50).draws for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_other_images_get_other_draws() -> None:
    one, other = (area(TARGETS["b"], f"target/{name}", resamples=50).draws for name in "bc")
    assert not np.array_equal(one, other)


def test_the_order_of_targets_changes_nothing() -> None:
    backwards = dict(reversed(TARGETS.items()))
    assert summarise(scored(2.0), TARGETS) == summarise(scored(2.0), backwards)


def test_the_guides_size_takes_seconds() -> None:
    targets = {name: scored(1.0, images=2000, seed=seed) for seed, name in enumerate("bcd")}
    started = time.perf_counter()
    summarise(scored(2.0, images=2000), targets)  # 4 domains of 4000 images, 2000 resamples
    assert time.perf_counter() - started < 20


def test_harmonic_mean() -> None:
    assert harmonic_mean([1.0, 0.5]) == pytest.approx(2 / 3)
    assert harmonic_mean([0.9, 0.0]) == 0.0
