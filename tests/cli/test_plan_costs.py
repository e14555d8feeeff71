"""`crossad plan` with estimates, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pastrecords import commit, record

from crossad.cli.plan import command
from crossad.results.home import FolderHome


def condition(model: str, **config: Any) -> dict[str, Any]:
    common = {"source_domain": "domain_A", "target_domains": ["domain_B"], "batch_size": 4, "image_size": [32, 32]}
    return {"name": model, "description": "", "config": {"model_type": model, **common, **config}}


@pytest.fixture
def asked(make_root: Any, tmp_path: Path) -> list[str]:
    """A plan of two models; one of them has a past."""
    suite = {"experiment_conditions": [condition("draem", max_epochs=8), condition("patchcore")]}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    gpu = 2 * 2**30
    config = {"model_type": "draem", "image_size": [32, 32], "batch_size": 4}
    past = record("a", condition={"name": "a", "config": config}, peak_device_memory_bytes=gpu)
    commit(FolderHome(tmp_path / "results"), past)
    data, results = str(make_root(4)), str(tmp_path / "results")
    return [str(tmp_path / "suite.json"), "--data", data, "--results-dir", results]


def plan(*words: str) -> Result:
    result = CliRunner().invoke(command, list(words))
    assert result.exception is None, result.exception
    return result


def test_costs_are_told_with_what_they_rest_on(asked: list[str]) -> None:
    text = plan(*asked, "--devices", "2", "--gpu-memory", "1").stdout
    # 8 epochs of 4 images at 30 s for 200, 16 scored at 9 s for 80, 6 s for the rest
    assert "estimated: at most 12.6 s of GPU time, 12.6 s on 2 at once, 2.00 GiB of GPU memory" in text
    assert "\n  draem: from 1 record on H100\n" in text
    assert "\n  no past records of model patchcore: 1 condition without an estimate\n" in text
    assert "warning: the peak of about 2.00 GiB does not fit into 1 GiB; lower batch_size or image_size" in text
    first, second = [line for line in text.splitlines() if "to do" in line][:2]
    assert "12.6 s" in first
    assert " -  domain_A" in second


def test_machines_get_the_same(asked: list[str]) -> None:
    facts = json.loads(plan(*asked, "--json", "--gpu-memory", "80").stdout)
    first, second = (one["estimate"] for one in facts["plan"])
    assert first["seconds"] == pytest.approx(12.6)
    assert second is None
    costs = facts["costs"]
    assert costs["seconds"] == costs["wall_seconds"] == pytest.approx(12.6)
    assert costs["fits"] is True
    assert costs["bases"] == [{"model": "draem", "device": "H100", "records": 1}]
    assert costs["without_records"] == {"patchcore": 1}
    assert json.loads(plan(*asked, "--json").stdout)["costs"]["fits"] is None


def test_without_data_nothing_is_estimated_and_no_record_is_read(asked: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("crossad.results.past.past", None)
    monkeypatch.chdir(Path(asked[0]).parent / "results")
    words = [asked[0], *asked[3:]]
    assert json.loads(plan(*words, "--json").stdout)["costs"] is None
    assert "estimated" not in plan(*words).stdout
