"""Why the numbers can be trusted: no shift, no format, no empty fault and no brightness decides them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossad.analysis.report import write_report
from crossad.data.layout import list_images
from crossad.data.reader import read
from crossad.metrics.auroc import auroc
from crossad.metrics.floors import Subspace, scores_above
from crossad.metrics.intervals import auroc_interval
from crossad.synth.images import Request
from crossad.synth.write import write_domain
from crossad.trainer import holdout
from crossad.trainer.run import run_condition

LETTERS = "ABCD"
TEST = 60  # a label


def write(root, **request):
    """All four domains at native size."""
    for letter in LETTERS:
        write_domain(root, letter, Request(**({"train": 40, "test": TEST, "size": None, "format": "tiff"} | request)))
    return root


def pixels(root, letter, split, label=None):
    files = list_images(root, f"domain_{letter}", split)
    return [read(file.path).pixels for file in files if label is None or file.label == label]


def floors(root, source, target):
    """(scores by floor name, labels) of a target's test split, fitted on the source's normals."""
    files = list_images(root, f"domain_{target}", "test")
    scores = scores_above(Subspace(pixels(root, source, "train")), pixels(root, target, "test"))
    return scores, np.array([file.label for file in files])


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return write(tmp_path_factory.mktemp("default"), preset="default_v1")


@pytest.mark.parametrize("letter", LETTERS)
def test_brightness_does_not_give_the_faults_of_the_default_preset_away(letter, default):
    scores, labels = floors(default, letter, letter)
    for name in ("mean_intensity", "max_intensity"):
        assert 0.25 < auroc(scores[name], labels) < 0.75, name


@pytest.mark.parametrize("seed", [7, 8])
def test_faults_of_severity_zero_are_found_by_nobody(seed, tmp_path):
    """The null control: 0.5 lies within every interval, of every scorer, from every source to every target."""
    root = write(tmp_path, preset="null_v1", seed=seed)
    outside, labels = [], np.repeat([0, 1], TEST)
    fitted = {source: Subspace(pixels(root, source, "train")) for source in LETTERS}
    for target in LETTERS:
        images = pixels(root, target, "test")
        for source in LETTERS:
            for name, values in scores_above(fitted[source], images).items():
                found = auroc_interval(values, labels)
                if not found.low < 0.5 < found.high:
                    outside.append((source, target, name, found))
    # the rows of one target share images: a single unlucky draw moves several, so only a share can be demanded of 95 %
    assert len(outside) <= 0.05 * 48, outside


def test_the_file_format_decides_no_auroc(tmp_path):
    areas = {}
    for form in ("tiff", "png16", "png8"):
        root = write(tmp_path / form, preset="default_v1", format=form)
        scores, labels = floors(root, "A", "C")
        areas[form] = {name: auroc(values, labels) for name, values in scores.items()}
    for form in ("png16", "png8"):
        for name, value in areas["tiff"].items():
            assert areas[form][name] == pytest.approx(value, abs=0.02), (form, name)


SHIFTS = {
    "far up": lambda values: values + 1e6,
    "down": lambda values: values - 40,
    "scaled": lambda values: 1e-6 * values,
    "bent": lambda values: np.exp(3 * values),
    "squeezed": np.tanh,
}


@pytest.mark.parametrize("how", SHIFTS)
def test_a_monotone_shift_of_a_targets_scores_changes_no_auroc(how, default):
    scores, labels = floors(default, "A", "B")
    values = np.round(scores["pca"], 6)  # ties included, and coarse enough that no shift creates one
    assert auroc(SHIFTS[how](values), labels) == auroc(values, labels)


def test_auroc_is_scikit_learns(default):
    for target in LETTERS:
        scores, labels = floors(default, "A", target)
        for values in scores.values():
            assert auroc(values, labels) == pytest.approx(roc_auc_score(labels, values), abs=1e-12)


def test_record_and_report_name_the_version_of_the_hold_outs_faults(task, quick):
    mine = task(validation="holdout", val_split_ratio=0.5)
    said = f"selected on hold-out ({holdout.VERSION})"
    assert run_condition(mine).selection == said
    index = write_report(mine.results, [mine.run])
    page = index.read_text()
    assert said in page
    assert "Selected on test" not in page
    with (index.parent / "summary.csv").open(newline="") as handle:
        assert {row["selection"] for row in csv.DictReader(handle)} == {said}
