"""Imported domains hold the values of the arrays, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.io

from crossad.data import importing
from crossad.data.deposit import ASIDE
from crossad.data.importing import Import, import_domain
from crossad.data.layout import domain_facts, list_domains, list_images
from crossad.data.mat import Sources
from crossad.data.preflight import check
from crossad.data.reader import read
from crossad.errors import CrossadError, DataError, UsageError
from crossad.files import sha256_file

RNG = np.random.default_rng(11)
TRAIN = (RNG.random((31, 95, 1, 6)) * 0.3).astype(np.float32)
GOOD = RNG.random((31, 95, 1, 5)).astype(np.float32) * np.float32(0.3)
FAULT = RNG.random((31, 95, 1, 5)).astype(np.float32) * np.float32(0.9)


@pytest.fixture
def asked(tmp_path):
    paths = {}
    for name, values in (("train", TRAIN), ("good", GOOD), ("fault", FAULT)):
        paths[name] = tmp_path / f"{name}.mat"
        scipy.io.savemat(paths[name], {"Xdata": values})
    sources = Sources((paths["train"],), (paths["good"],), (paths["fault"],))
    return Import("domain_A", sources, operating_class="1", sensor="3")


def pixels(root, split):
    return [read(file.path).pixels[0] for file in list_images(root, "domain_A", split)]


def test_raw_tiff_holds_the_very_values_in_file_order(tmp_path, asked):
    done = import_domain(tmp_path / "root", replace(asked, scale="raw"))
    assert done.fresh
    for number, stored in enumerate(pixels(tmp_path / "root", "train")):
        assert np.array_equal(stored, TRAIN[:, :, 0, number])
    for number, stored in enumerate(pixels(tmp_path / "root", "test")):
        assert np.array_equal(stored, (GOOD if number < 5 else FAULT)[:, :, 0, number % 5])
    names = [file.relative for file in list_images(tmp_path / "root", "domain_A", "train")]
    assert names[:2] == ["train/good/000000.tiff", "train/good/000001.tiff"]


def test_train_max_makes_the_largest_training_value_one_and_clips_no_fault(tmp_path, asked):
    import_domain(tmp_path / "root", asked)
    largest = float(TRAIN.max())
    assert max(image.max() for image in pixels(tmp_path / "root", "train")) == 1.0
    expected = (FAULT[:, :, 0, 0].astype(np.float64) / largest).astype(np.float32)
    fault = pixels(tmp_path / "root", "test")[5]
    assert np.array_equal(fault, expected)
    assert fault.max() > 2


def test_the_domain_says_what_it_is(tmp_path, asked):
    import_domain(tmp_path / "root", asked)
    facts = domain_facts(tmp_path / "root", "domain_A")
    assert (facts.synthetic, facts.operating_class, facts.sensor) == (False, "1", "3")
    told = json.loads((tmp_path / "root/domain_A/domain.json").read_text())
    assert told["scale"] == pytest.approx(float(TRAIN.max()))
    assert told["sources"][0] == {
        "split": "train",
        "label": "good",
        "file": "train.mat",
        "sha256": sha256_file(asked.sources.train_good[0]),
    }
    assert {file.stratum for file in list_images(tmp_path / "root", "domain_A", "test")} == {None}
    assert check(tmp_path / "root").errors == []


def test_the_order_says_cold_and_warm_where_the_user_says_so(tmp_path, asked):
    import_domain(tmp_path / "root", replace(asked, cold_warm=True))
    strata = [file.stratum for file in list_images(tmp_path / "root", "domain_A", "test")]
    assert strata == ["cold", "cold", "cold", "warm", "warm"] * 2
    assert {file.stratum for file in list_images(tmp_path / "root", "domain_A", "train")} == {None}


@pytest.mark.parametrize(("kind", "levels"), [("png8", 255), ("png16", 65535)])
def test_png_is_rounded_and_the_clipped_share_is_told(tmp_path, asked, kind, levels):
    done = import_domain(tmp_path / "root", replace(asked, format=kind))
    exact = FAULT[:, :, 0, 1] / float(TRAIN.max())
    stored = pixels(tmp_path / "root", "test")[6]
    assert np.abs(stored - np.minimum(exact, 1)).max() <= 0.5001 / levels
    every = np.concatenate([TRAIN, GOOD, FAULT], axis=3).astype(np.float64) / float(TRAIN.max())
    assert done.facts["clipped_share"] == pytest.approx((np.rint(every * levels) > levels).mean(), rel=1e-3)
    assert done.facts["largest_value"] == pytest.approx(every.max())
    roomy = import_domain(tmp_path / "roomy", replace(asked, format=kind, headroom=done.facts["largest_value"] + 0.01))
    assert roomy.facts["clipped_share"] == 0


def test_sizes_are_bilinear_for_every_set(tmp_path, asked):
    import_domain(tmp_path / "root", replace(asked, scale="raw", size=(224, 224)))
    wanted = cv2.resize(GOOD[:, :, 0, 2], (224, 224), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(pixels(tmp_path / "root", "test")[2], wanted)
    assert [item.code for item in check(tmp_path / "root").findings if item.code == "resampling"] == []


def test_a_limit_spreads_over_the_order_and_changes_no_pixel(tmp_path, asked):
    import_domain(tmp_path / "whole", asked)
    import_domain(tmp_path / "part", replace(asked, limit=2))
    rows = (tmp_path / "part/domain_A/metadata.csv").read_text().splitlines()[1:]
    places = [int(row.rsplit(",", 1)[1]) for row in rows]
    assert len(places) == 6
    assert places[0] < 3 <= places[1]
    whole, part = pixels(tmp_path / "whole", "train"), pixels(tmp_path / "part", "train")
    assert all(np.array_equal(part[number], whole[places[number]]) for number in (0, 1))


def test_several_files_follow_each_other(tmp_path, asked):
    both = replace(asked.sources, train_good=(*asked.sources.train_good, *asked.sources.test_good))
    import_domain(tmp_path / "root", replace(asked, sources=both, scale="raw"))
    assert np.array_equal(pixels(tmp_path / "root", "train")[6], GOOD[:, :, 0, 0])


def test_the_same_import_is_done_once_and_another_one_is_refused(tmp_path, asked):
    root = tmp_path / "root"
    assert import_domain(root, asked).fresh
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert not import_domain(root, asked).fresh
    with pytest.raises(UsageError, match="another domain lies in"):
        import_domain(root, replace(asked, sensor="1"))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    (root / "domain_A/train/good/000001.tiff").unlink()
    with pytest.raises(UsageError, match="lacks 1 of its 16 images"):
        import_domain(root, asked)


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["stop", "full"])
def test_an_interrupted_import_leaves_nothing(tmp_path, asked, fault, monkeypatch):
    def fail(*_):
        raise fault

    monkeypatch.setattr(importing, "write_json", fail)
    with pytest.raises((KeyboardInterrupt, CrossadError)):
        import_domain(tmp_path / "root", asked)
    assert list_domains(tmp_path / "root") == ()
    assert [*(tmp_path / "root").glob(f"{ASIDE}*")] == []


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"domain": "../out"}, UsageError, "allowed: the name of a folder"),
        ({"domain": ".hidden"}, UsageError, "allowed: the name of a folder"),
        ({"sources": Sources()}, DataError, "no maps to train on"),
    ],
    ids=["path", "hidden", "nothing"],
)
def test_what_makes_no_domain_is_refused(tmp_path, asked, change, error, told):
    with pytest.raises(error, match=told):
        import_domain(tmp_path / "root", replace(asked, **change))
    assert not (tmp_path / "root").exists()


def test_training_values_without_a_scale_are_refused(tmp_path, asked):
    scipy.io.savemat(asked.sources.train_good[0], {"Xdata": -TRAIN})
    with pytest.raises(DataError, match="largest training value is"):
        import_domain(tmp_path / "root", asked)
    assert import_domain(tmp_path / "root", replace(asked, scale="raw")).fresh
    assert min(image.min() for image in pixels(tmp_path / "root", "train")) < 0
