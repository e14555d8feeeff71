"""What a check of data finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from crossad.data.preflight import check
from crossad.errors import MissingInputError

NEAREST, LINEAR, CUBIC = cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC


def found(root, *, severity=None):
    """Findings by code, small sets aside."""
    findings = [item for item in check(root).findings if item.code != "few" and severity in (None, item.severity)]
    return {item.code: item for item in findings}


def enlarge(how):
    return lambda pixels, part: cv2.resize(pixels, (224, 224), interpolation=how)


def test_sound_domains_are_clean_and_described(tmp_path, make_domain):
    make_domain(tmp_path, "domain_A", seed=1, each=50)
    make_domain(tmp_path, "domain_B", seed=2, each=50)
    (tmp_path / "domain_B/domain.json").write_text('{"sensor": "3", "synthetic": true}')
    report = check(tmp_path)
    assert report.findings == []
    record = json.loads(json.dumps(report.record()))
    assert record["ok"] is True
    assert record["domains"]["domain_B"] == {"synthetic": True, "operating_class": None, "sensor": "3"}
    facts = record["sets"]["domain_A/test/fault"]
    assert (facts["images"], facts["kinds"], facts["sizes"]) == (50, ["32-bit tiff, grey"], ["31x95"])
    assert len(report.sha256) == 300


def test_progress_counts_every_image_and_pair(tmp_path, make_domain):
    make_domain(tmp_path, "domain_A")
    make_domain(tmp_path, "domain_B", seed=2)
    told = {}

    def progress(stage, count, total):
        done, _ = told.get(stage, (0, 0))
        told[stage] = (done + count, total)

    check(tmp_path, progress)
    assert {*told} == {"images", "pairs"}
    assert all(done == total for done, total in told.values())


def test_a_root_without_domains_says_where_to_look(tmp_path, make_domain):
    with pytest.raises(MissingInputError):
        check(tmp_path / "none")
    assert found(tmp_path)["no-domains"].severity == "error"
    folder = make_domain(tmp_path)
    assert "name the one above it" in found(folder)["no-domains"].hint


def test_every_unreadable_file_is_named_at_once(tmp_path, make_domain):
    folder = make_domain(tmp_path)
    (folder / "train/good/000001.tiff").write_bytes(b"")
    (folder / "test/fault/000002.tiff").write_bytes((folder / "test/fault/000002.tiff").read_bytes()[:900])
    errors = check(tmp_path).errors
    assert [item.where for item in errors if item.code == "unreadable"] == [
        "domain_A/train/good/000001.tiff",
        "domain_A/test/fault/000002.tiff",
    ]
    assert all(item.hint for item in errors)


@pytest.mark.parametrize(
    ("gone", "code", "severity", "where"),
    [
        ("train", "no-split", "error", "domain_A"),
        ("test", "no-split", "error", "domain_A"),
        ("train/good", "empty", "error", "domain_A/train/good"),
        ("test/fault", "one-class", "warning", "domain_A/test/fault"),
        ("test/good", "one-class", "warning", "domain_A/test/good"),
    ],
)
def test_missing_sets(tmp_path, make_domain, gone, code, severity, where):
    import shutil

    shutil.rmtree(make_domain(tmp_path) / gone)
    finding = found(tmp_path)[code]
    assert (finding.severity, finding.where) == (severity, where)


def test_an_empty_test_split_is_a_fault(tmp_path, make_domain):
    import shutil

    folder = make_domain(tmp_path)
    shutil.rmtree(folder / "test")
    (folder / "test").mkdir()
    assert found(tmp_path)["empty"].where == "domain_A/test"


def test_names_that_nobody_reads_are_told(tmp_path, make_domain, save):
    folder = make_domain(tmp_path)
    save(folder / "test/bad/0.png", np.ones((3, 3), np.uint8))
    (folder / "train/good/notes.txt").write_text("x")
    (tmp_path / ".crossad-part-x").mkdir()
    (tmp_path / "other").mkdir()
    told = found(tmp_path)
    assert told["ignored"].files == ("domain_A/test/bad", "domain_A/train/good/notes.txt")
    assert told["leftover"].files == (".crossad-part-x",)
    assert told["no-split"].files == ("other",)
    assert {item.severity for item in told.values()} == {"warning"}


def test_rows_and_images_that_do_not_meet_are_told(tmp_path, make_domain):
    folder = make_domain(tmp_path, each=1)
    (folder / "metadata.csv").write_text("path,severity\ntrain/good/000000.tiff,\ntest/fault/9.tiff,1\n")
    rows = [item for item in check(tmp_path).findings if item.code == "rows"]
    assert [item.files for item in rows] == [
        ("test/fault/9.tiff",),
        ("test/fault/000000.tiff", "test/good/000000.tiff"),
    ]


@pytest.mark.parametrize("name", ["metadata.csv", "domain.json"])
def test_a_broken_description_is_a_fault_of_that_domain_alone(tmp_path, make_domain, name):
    (make_domain(tmp_path, "domain_A") / name).write_text("[]\n")
    make_domain(tmp_path, "domain_B", seed=2)
    report = check(tmp_path)
    assert [(item.code, item.where) for item in report.errors] == [("description", "domain_A")]
    assert "domain_B/test/good" in report.sets


def test_domains_that_differ_in_case_only_are_told(tmp_path, make_domain):
    make_domain(tmp_path, "domain_A")
    make_domain(tmp_path, "Domain_a", seed=2)
    assert "Domain_a, domain_A" in found(tmp_path)["case"].message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda pixels, part: (pixels * 255).astype(np.uint8) if part == "test/fault" else pixels, "kind"),
        (lambda pixels, part: pixels[:, :90] if part == "test/fault" else pixels, "size"),
        (lambda pixels, part: enlarge(NEAREST if part == "test/fault" else LINEAR)(pixels, part), "resampling"),
        (lambda pixels, part: enlarge(LINEAR if part == "train/good" else NEAREST)(pixels, part), "resampling"),
    ],
    ids=["depth", "size", "nearest-faults", "bilinear-training"],
)
def test_what_tells_splits_or_labels_apart_is_a_fault(tmp_path, make_domain, change, code):
    make_domain(tmp_path, change=change)
    finding = found(tmp_path, severity="error")[code]
    assert finding.where == "domain_A"
    assert "domain_A/test/fault" in finding.message
    assert "domain_A/train/good" in finding.message


def test_smoothness_that_differs_within_a_domain_is_a_warning(tmp_path, make_domain):
    change = lambda pixels, part: enlarge(CUBIC if part == "test/fault" else LINEAR)(pixels, part)  # noqa: E731
    make_domain(tmp_path, change=change)
    assert found(tmp_path, severity="error") == {}
    assert "domain_A/test/fault" in found(tmp_path)["smoothness"].message


@pytest.mark.parametrize(
    ("one", "other", "codes"),
    [
        (enlarge(NEAREST), enlarge(LINEAR), {"resampling", "smoothness"}),
        (enlarge(CUBIC), enlarge(LINEAR), {"smoothness"}),
        (enlarge(LINEAR), enlarge(LINEAR), set()),
        (enlarge(NEAREST), enlarge(NEAREST), set()),
        (lambda pixels, part: pixels, lambda pixels, part: (pixels * 65535).astype(np.uint16), {"kind"}),
        (lambda pixels, part: pixels, lambda pixels, part: pixels[:30], {"size"}),
    ],
    ids=["nearest-linear", "cubic-linear", "linear-linear", "nearest-nearest", "depth", "size"],
)
def test_what_tells_domains_apart_is_a_warning(tmp_path, make_domain, one, other, codes):
    make_domain(tmp_path, "domain_A", seed=1, change=one)
    make_domain(tmp_path, "domain_B", seed=2, change=other)
    told = found(tmp_path)
    assert {*told} == codes
    assert {(item.severity, item.where) for item in told.values()} <= {("warning", "all domains")}


def test_a_stray_image_of_another_kind_is_named(tmp_path, make_domain, save):
    folder = make_domain(tmp_path, each=50)
    save(folder / "train/good/stray.png", (np.random.default_rng(0).random((31, 95)) * 255).astype(np.uint8))
    finding = found(tmp_path)["kind"]
    assert (finding.severity, finding.files) == ("warning", ("domain_A/train/good/stray.png",))


def test_flat_images_and_images_scaled_one_by_one_are_told(tmp_path, make_domain):
    def span(pixels, part):
        return (pixels - pixels.min()) / (pixels.max() - pixels.min())

    folder = make_domain(tmp_path, change=span)
    assert found(tmp_path)["per-image"].where == "domain_A"
    cv2.imwrite(str(folder / "train/good/000003.tiff"), np.full((31, 95), 0.5, np.float32))
    assert found(tmp_path)["flat"].files == ("domain_A/train/good/000003.tiff",)
