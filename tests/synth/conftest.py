"""States of the machine made for a test."""

from __future__ import annotations

from functools import cache

import pytest

from crossad.synth.images import Request, addresses, render, state_of


@cache
def _rendered(letter, request, part):
    places = [place for place in addresses(request) if part is None or (place.label == "fault") == part]
    return tuple(render(letter, places, request))


@pytest.fixture
def rendered():
    """Images of a domain, `rendered("A", preset="easy_v1", train=4)`; part 0: normals alone, 1: faults alone."""

    def make(letter="A", *, part=None, **asked):
        return _rendered(letter, Request(**({"size": None, "format": "tiff"} | asked)), part)

    return make


@pytest.fixture
def state():
    """A fresh state of one test image, its draws not yet used."""

    def make(letter="A", number=0, **asked):
        request = Request(**asked)
        return state_of(letter, addresses(request)[number], request)

    return make
