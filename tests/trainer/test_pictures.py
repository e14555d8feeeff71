"""Pictures say what they show: every line of text is really drawn, and one colour scale serves all domains."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from crossad.data.layout import ImageFile
from crossad.trainer import pictures
from crossad.trainer.pictures import LINE, SIDE, STAMP, Style, choose, colour_range, draw_domain
from crossad.trainer.run import run_condition
from crossad.trainer.scoring import DomainScores

WIDE, SQUARE = (31, 95), (64, 64)


class Shown:
    """Images of one size with a bright corner."""

    def __init__(self, size):
        self.size = size

    def image(self, index):
        pixels = torch.full((1, *self.size), 0.2)
        pixels[:, :8, :8] = 0.9
        return pixels


def scores(domain="domain_A", count=8, gain=1.0, size=WIDE):
    """Half normals, half faults; maps that rise from left to right up to `gain`."""
    labels = np.repeat(np.array([0, 1], dtype=np.int64), count // 2)
    names = [f"test/{('good', 'fault')[label]}/{index:06d}.png" for index, label in enumerate(labels)]
    files = tuple(
        ImageFile(domain, "test", int(label), Path(domain, name), name)
        for name, label in zip(names, labels, strict=True)
    )
    ramp = np.broadcast_to(np.linspace(0, gain, size[1], dtype=np.float32), (count, *size))
    return DomainScores(files, labels, np.linspace(0, gain, count), {}, ramp.astype(np.float16), 1.0)


def style(**changes):
    given = {"low": 0.0, "high": 1.0, "threshold": 0.5, "stamps": (), "limit": 4, "title": "draem, fitted on domain_A"}
    return Style(**(given | changes))


def drawn(folder, found, size=WIDE, **changes):
    """Pictures by name, decoded from the files."""
    written = draw_domain(folder, found, Shown(size), style(**changes))
    return {path.name: cv2.imread(str(path)).astype(int) for path in written}


def ink(line):
    """Pixels of a line of text that are not paper; JPEG leaves faint shadows on it."""
    return int((line.min(axis=2) < 160).sum())


def reddish(line):
    return int(((line[:, :, 2] - line[:, :, :2].max(axis=2)) > 80).sum())


CAPTIONS = 3 * LINE  # what it is, what it is called, which model


@pytest.mark.parametrize("size", [WIDE, SQUARE], ids=["wide", "square"])
@pytest.mark.parametrize("stamps", [("SYNTHETIC DATA",), ("RANDOM WEIGHTS",), ("RANDOM WEIGHTS", "SYNTHETIC DATA")])
def test_stamps_are_drawn_in_red_on_a_line_of_their_own(stamps, size, tmp_path):
    plain = drawn(tmp_path / "plain", scores(size=size), size)
    stamped = drawn(tmp_path / "stamped", scores(size=size), size, stamps=stamps)
    assert plain.keys() == stamped.keys()
    for name, picture in stamped.items():
        line = picture[CAPTIONS : CAPTIONS + LINE]
        assert picture.shape[0] == plain[name].shape[0] + LINE
        assert reddish(line) > 40 * len(stamps), name
        assert reddish(plain[name][:CAPTIONS]) == reddish(picture[:CAPTIONS]) == 0
        rest = np.concatenate([picture[:CAPTIONS], picture[CAPTIONS + LINE :]])
        assert np.abs(rest - plain[name]).mean() < 2  # nothing else changed, to JPEG's rounding


def test_the_stamp_is_the_words_it_was_given():
    one, other = (pictures._text(words, SIDE, STAMP).astype(int) for words in ("SYNTHETIC DATA", "RANDOM WEIGHTS"))
    assert (one != other).any()
    assert reddish(one) > 40


@pytest.mark.parametrize("size", [WIDE, SQUARE], ids=["wide", "square"])
def test_every_line_of_text_is_there(size, tmp_path):
    for name, picture in drawn(tmp_path, scores(size=size), size).items():
        lines = [picture[top : top + LINE] for top in range(0, CAPTIONS, LINE)]
        assert all(ink(line) > 60 for line in lines), name
        below = picture[CAPTIONS:]
        if size == WIDE:
            height = (below.shape[0] - LINE) // 3
            titles = [below[top : top + LINE] for top in range(0, 3 * height, height)]
        else:
            across = (SIDE - 2 * pictures.GAP) // 3
            starts = range(0, SIDE - across + 1, across + pictures.GAP)
            titles = [below[:LINE, start : start + across] for start in starts]
        assert len(titles) == 3
        assert all(ink(title) > 20 for title in titles), name
        assert ink(picture[-LINE:]) > 60, name  # the colour scale and its values


def test_a_picture_without_a_title_has_a_line_less(tmp_path):
    with_title, without = drawn(tmp_path / "a", scores()), drawn(tmp_path / "b", scores(), title="")
    for name, picture in with_title.items():
        assert picture.shape[0] - without[name].shape[0] == LINE


def test_wrong_calls_are_named(tmp_path):
    right, wrong = (drawn(tmp_path / str(limit), scores(), threshold=limit) for limit in (0.5, 0.0))
    name = next(name for name in right if name.startswith("worst_false_alarm"))
    second_line = slice(LINE, 2 * LINE)
    assert np.abs(right[name][second_line] - wrong[name][second_line]).max() > 100


def test_one_value_has_one_colour_in_every_domain(tmp_path):
    """A target whose maps reach twice as high is drawn hotter, not rescaled to look like the source."""
    source, target = scores(), scores("domain_B", gain=2.0)
    low, high = colour_range(source)
    assert (low, high) == (pytest.approx(0.01, abs=0.02), pytest.approx(1.0, abs=0.02))
    one, other = (
        next(iter(drawn(tmp_path / d.files[0].domain, d, low=low, high=high).values())) for d in (source, target)
    )
    assert one.shape == other.shape
    assert np.abs(one[-LINE:] - other[-LINE:]).mean() < 1  # the same scale with the same values, to JPEG's rounding
    tile = slice(CAPTIONS + (height := (one.shape[0] - CAPTIONS - LINE) // 3) + LINE, CAPTIONS + 2 * height)
    heat, hotter = one[tile].mean(axis=0), other[tile].mean(axis=0)
    for share in (0.2, 0.5, 0.9):  # value share * gain at that column
        column, half = round(share * (SIDE - 1)), round(share / 2 * (SIDE - 1))
        assert np.abs(heat[column] - hotter[half]).max() < 12, share
    assert np.abs(hotter[SIDE // 2 + 30 :] - heat[-1]).max() < 12  # beyond the scale: the hot end
    assert np.abs(heat[SIDE // 2] - hotter[SIDE // 2]).max() > 60


def test_pictures_of_one_condition_share_the_sources_scale(task, quick, monkeypatch):
    seen = {}
    draw = pictures.draw_domain

    def kept(folder, found, images, given):
        seen[found.files[0].domain] = (given, colour_range(found))
        return draw(folder, found, images, given)

    monkeypatch.setattr("crossad.trainer.evaluation.draw_domain", kept)
    run_condition(task())
    scales = {(given.low, given.high) for given, _ in seen.values()}
    assert scales == {seen["domain_A"][1]}
    assert len({own for _, own in seen.values()}) == 4  # each domain on its own would have another
    assert {given.threshold for given, _ in seen.values()} == {seen["domain_A"][0].threshold}
    assert all(given.stamps == ("SYNTHETIC DATA",) for given, _ in seen.values())
    assert all(given.title == "draem, fitted on domain_A" for given, _ in seen.values())


def test_random_weights_are_stamped_by_the_condition_that_has_them(task, monkeypatch):
    stamps = []
    monkeypatch.setattr("crossad.trainer.evaluation.draw_domain", lambda _f, _s, _i, given: stamps.append(given.stamps))
    bank = {"model_type": "patchcore", "backbone": "resnet18", "pre_trained": False, "coreset_sampling_ratio": 0.05}
    run_condition(task(**bank, max_epochs=None, target_domains=["domain_B"]))
    assert stamps == [("RANDOM WEIGHTS", "SYNTHETIC DATA")] * 2


@pytest.mark.parametrize("limit", [0, 1, 4, 7, -1])
def test_no_more_pictures_than_asked_for_and_none_twice(limit):
    found = choose(scores(), limit)
    assert len({index for _, index in found}) == len(found) == (8 if limit < 0 else min(limit, len(found)))
    assert bool(found) == (limit != 0)
