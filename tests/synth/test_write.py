"""Domains on disk: deterministic, labelled as synthetic, whole or absent."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from crossad.data.deposit import ASIDE
from crossad.data.layout import domain_facts, list_domains, list_images
from crossad.data.preflight import check
from crossad.data.reader import read
from crossad.errors import CrossadError, UsageError
from crossad.synth import images, write
from crossad.synth.images import HEADROOM, Request, addresses, full_scale, render
from crossad.synth.presets import DOMAINS, GENERATOR
from crossad.synth.write import write_domain

SMALL = Request(train=3, test=4, size=None, format="tiff")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_request_gives_the_same_bytes_whatever_the_batch_and_the_processes(tmp_path, monkeypatch):
    write_domain(tmp_path / "one", "A", SMALL)
    write_domain(tmp_path / "processes", "A", SMALL, workers=2)
    monkeypatch.setattr(write, "BATCH", 2)
    write_domain(tmp_path / "batches", "A", SMALL)
    one = contents(tmp_path / "one")
    assert contents(tmp_path / "processes") == one
    assert contents(tmp_path / "batches") == one


def test_another_seed_gives_other_pixels_and_another_domain_too():
    first = [next(render(letter, addresses(SMALL)[:1], SMALL)).pixels for letter in DOMAINS]
    other = next(render("A", addresses(SMALL)[:1], replace(SMALL, seed=43))).pixels
    assert not np.array_equal(first[0], other)
    assert len({pixels.tobytes() for pixels in first}) == 4


def test_a_larger_set_keeps_the_images_of_a_smaller_one():
    large = replace(SMALL, train=5, test=10)
    small = {(i.address.label, i.address.stratum, i.address.index): i for i in render("C", addresses(SMALL), SMALL)}
    big = {(i.address.label, i.address.stratum, i.address.index): i for i in render("C", addresses(large), large)}
    assert {*small} < {*big}
    assert all(np.array_equal(small[key].pixels, big[key].pixels) for key in small)


def test_tiff_files_hold_the_exact_pixels(tmp_path):
    write_domain(tmp_path, "B", SMALL)
    for image in render("B", addresses(SMALL), SMALL):
        stored = read(tmp_path / "domain_B" / f"{image.address.stem}.tiff").pixels[0]
        assert np.array_equal(stored, image.pixels)
    assert json.loads((tmp_path / "domain_B/domain.json").read_text())["clipped_share"] == 0


@pytest.mark.parametrize(("kind", "levels"), [("png8", 255), ("png16", 65535)])
def test_png_files_round_and_their_clipped_share_is_recorded(tmp_path, kind, levels, monkeypatch):
    monkeypatch.setattr(images, "HEADROOM", HEADROOM / 3)  # so that something is clipped
    request = replace(SMALL, format=kind)
    write_domain(tmp_path, "A", request)
    every = [(image, image.pixels.astype(np.float64)) for image in render("A", addresses(request), request)]
    for image, exact in every:
        stored = read(tmp_path / "domain_A" / f"{image.address.stem}.png").pixels[0]
        assert np.abs(stored - np.minimum(exact, 1)).max() <= 0.5001 / levels
    over = np.mean([np.rint(exact * levels) > levels for _, exact in every])
    assert over > 0
    assert json.loads((tmp_path / "domain_A/domain.json").read_text())["clipped_share"] == pytest.approx(over)


def test_the_default_headroom_clips_next_to_nothing():
    request = Request(train=1, test=30, size=None)
    for letter in DOMAINS:
        assert np.mean([(image.pixels > 1).mean() for image in render(letter, addresses(request), request)]) < 1e-3


@pytest.mark.parametrize("kind", ["png8", "png16", "tiff"])
def test_every_file_says_that_it_is_synthetic(tmp_path, kind):
    write_domain(tmp_path, "A", replace(SMALL, format=kind))
    for path in (tmp_path / "domain_A").rglob("*.[pt][ni]*"):
        assert b"SYNTHETIC" in path.read_bytes(), path
    assert domain_facts(tmp_path, "domain_A").synthetic is True
    assert "not from a gearbox" in (tmp_path / "README.txt").read_text()


def test_domain_and_rows_tell_what_was_done(tmp_path):
    write_domain(tmp_path, "D", SMALL)
    facts = json.loads((tmp_path / "domain_D/domain.json").read_text())
    assert (facts["operating_class"], facts["sensor"], facts["generator"]) == ("3", "1", GENERATOR)
    assert (facts["preset"], facts["seed"], facts["scale"]) == ("easy_v1", 42, full_scale("D"))
    rows = list(csv.DictReader((tmp_path / "domain_D/metadata.csv").read_text().splitlines()))
    assert len(rows) == SMALL.images
    assert {row["synthetic"] for row in rows} == {"true"}
    assert [row["stratum"] for row in rows[3:]] == ["cold", "cold", "warm", "warm"] * 2
    for row in rows:
        faulty = "/fault/" in row["path"]
        assert (float(row["severity"]) > 0) == faulty == bool(row["planet_tooth"])
        mask = tmp_path / "domain_D/masks" / row["path"].replace(".tiff", ".png")
        assert mask.exists() == faulty
        if faulty:
            rows_hit = read(mask).pixels[0].all(axis=1)
            assert np.flatnonzero(rows_hit) == (int(row["planet_tooth"]) + int(row["start_row"])) % 31
    severities = [file.severity for file in list_images(tmp_path, "domain_D", "test")]
    assert all(0.5 <= severity <= 1.2 for severity in severities[4:])


@pytest.mark.parametrize("preset", ["easy_v1", "null_v1", "trap_v1"])
@pytest.mark.parametrize("size", [None, (64, 64)], ids=["native", "64"])
def test_a_check_of_the_data_finds_only_the_trap(tmp_path, preset, size):
    for letter in "AD":
        write_domain(tmp_path, letter, Request(preset, train=12, test=12, size=size, format="png8"))
    codes = {finding.code for finding in check(tmp_path).findings if finding.code != "few"}
    assert codes <= ({"per-image"} if preset == "trap_v1" else set())
    if preset == "trap_v1" and size is None:
        assert codes == {"per-image"}


def test_a_domain_that_is_there_is_left_alone_and_another_one_is_refused(tmp_path):
    assert write_domain(tmp_path, "A", SMALL)
    assert not write_domain(tmp_path, "A", SMALL)
    with pytest.raises(UsageError, match="seed: there 42, asked for 1"):
        write_domain(tmp_path, "A", replace(SMALL, seed=1))
    (tmp_path / "domain_A/test/good/000001.tiff").unlink()
    with pytest.raises(UsageError, match="lacks 1 of its 11 images"):
        write_domain(tmp_path, "A", SMALL)
    (tmp_path / "domain_B").mkdir()
    with pytest.raises(UsageError, match="was not written by crossad synth"):
        write_domain(tmp_path, "B", SMALL)


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["stop", "full"])
def test_an_interrupted_domain_leaves_nothing(tmp_path, fault, monkeypatch):
    def fail(*_):
        raise fault

    monkeypatch.setattr(write, "_describe", fail)
    with pytest.raises((KeyboardInterrupt, CrossadError)):
        write_domain(tmp_path, "A", SMALL)
    assert list_domains(tmp_path) == ()
    assert [*tmp_path.glob(f"{ASIDE}*")] == []
