"""The birth certificate of a number."""

from __future__ import annotations

import pytest
import torch
from tinydraem import TINY_DRAEM

from crossad.conditions.suite import parse_config
from crossad.results.record import Provenance
from crossad.trainer.provenance import provenance


def made() -> Provenance:
    config = parse_config({**TINY_DRAEM, "target_domains": ["domain_B"]})
    return provenance(None, torch.device("cpu"), config, precision="32-true", data_lock=None)


def test_the_commit_is_that_of_the_code_that_runs_though_the_checkout_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSAD_COMMIT", raising=False)
    before = made()
    monkeypatch.setenv("PATH", "")  # who asked git now would get no answer
    assert made() == before


def test_an_image_says_which_commit_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAD_COMMIT", "abc")
    assert made().crossad_commit == "abc"
