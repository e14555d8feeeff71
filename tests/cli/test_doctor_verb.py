"""`crossad doctor` as a user types it, on this machine; tests/control/test_doctor_cluster.py asks a cluster."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faultproxy
import numpy as np
import pytest
import safetensors.numpy
from click.testing import CliRunner, Result
from s3servers import SECRET, Place, credentials

from crossad.assets import pin
from crossad.cli.data import command as data_verb
from crossad.cli.doctor import command
from crossad.control.checks import machine, storage
from crossad.data.pack import pack
from crossad.data.places import open_images
from crossad.store.bucket import Bucket
from crossad.supplies.stock import put_weights

SUITE = {
    "experiment_conditions": [
        {
            "name": "A_to_B",
            "description": "",
            "config": {
                "model_type": "patchcore",
                "backbone": "tf_efficientnet_lite0",
                "source_domain": "domain_A",
                "target_domains": ["domain_B"],
            },
        }
    ]
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    Path("suite.json").write_text(json.dumps(SUITE))
    return tmp_path


def doctor(*words: object) -> Result:
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    assert "this check itself failed" not in result.output
    return result


def findings(*words: object) -> list[dict[str, Any]]:
    """All that was found, in JSON; the exit code tells the same."""
    result = doctor(*words, "--json")
    told = json.loads(result.stdout)
    found: list[dict[str, Any]] = told["findings"]
    wrongs = [one for one in found if one["verdict"] == "wrong"]
    assert told["ok"] == (not wrongs)
    assert told["counts"]["wrong"] == len(wrongs)
    assert result.exit_code == (1 if wrongs else 0)
    assert all(one["next_step"] for one in wrongs), wrongs
    return found


def of(found: list[dict[str, Any]], area: str, check: str = "") -> list[tuple[str, str]]:
    return [(one["verdict"], one["sentence"]) for one in found if one["area"] == area and check in ("", one["check"])]


def test_without_options_everything_is_left_out_by_name() -> None:
    result = doctor()
    assert result.exit_code == 0
    for option in ("--cluster", "--store", "--data", "--gpus"):
        assert f"add {option}" in result.stdout
    assert "0 wrong" in result.stdout


def test_a_healthy_machine(make_root: Any) -> None:
    root = make_root(3)
    found = findings("suite.json", "--data", root, "--store", "results", "--gpus", "cpu")
    assert of(found, "store")[0][1].startswith("results (a folder): usable, commits are link; clock: the store's is ")
    assert of(found, "data", "domains") == [("ok", f"{root}: 2 domains, 18 images: domain_A, domain_B")]
    assert of(found, "data", "lock")[0][0] == "warning"
    assert of(found, "weights")[0][0] == "ok"
    assert of(found, "machine", "GPUs") == [("ok", "the CPU, as asked")]
    assert not Path("results").exists()  # it is a doctor


def test_people_see_a_table_and_the_next_command(make_root: Any) -> None:
    result = doctor("suite.json", "--data", make_root(3), "--gpus", "cpu")
    assert result.exit_code == 0
    assert "\nok        data: domains" in result.output
    assert "next: crossad run suite.json --data" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.json"], "no such suite file: none.json"),
        (["suite.json", "--settings", "none.yaml"], "cannot read settings: none.yaml"),
        (["suite.json", "--ids", "7"], "7"),
        (["--store-option", "region=x", "--store", "results"], "--store-option"),
    ],
)
def test_bad_input_is_one_message(words: list[str], told: str) -> None:
    result = doctor(*words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_data_that_a_suite_needs_and_that_are_not_there(make_root: Any) -> None:
    config = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_Z"]}
    wants = {"name": "A_to_Z", "description": "", "config": config}
    Path("suite.json").write_text(json.dumps({"experiment_conditions": [wants]}))
    found = findings("suite.json", "--data", make_root(3))
    assert of(found, "data", "domains") == [
        ("wrong", f"{Path('data').absolute()} has no domain domain_Z, which A_to_Z reads")
    ]
    assert of(found, "data", "images")[0][0] == "left out"


def test_a_data_folder_that_is_not_there() -> None:
    found = findings("suite.json", "--data", "nowhere")
    (verdict, sentence), *_ = of(found, "data", "domains")
    assert verdict == "wrong"
    assert "nowhere" in sentence


def test_a_damaged_image_and_one_that_the_lock_does_not_know(make_root: Any) -> None:
    root = make_root(3)
    assert CliRunner().invoke(data_verb, ["check", str(root)]).exit_code == 0
    assert of(findings("--data", root), "data", "lock")[0][0] == "ok"
    (root / "domain_A/test/good/000001.tiff").rename(root / "domain_A/test/good/000009.tiff")
    ((verdict, sentence),) = [one for one in of(findings("--data", root), "data", "images") if "lock" in one[1]]
    assert verdict == "wrong"
    assert "domain_A/test is not what the lock says" in sentence
    (root / "domain_A/test/good/000009.tiff").write_bytes(b"II*\0 cut")
    (first, *_) = of(findings("--data", root), "data", "images")
    assert first[0] == "wrong"
    assert "000009.tiff" in first[1]


def test_images_that_take_too_long_are_left_out(make_root: Any) -> None:
    ticks = iter(range(10_000))
    (told,) = storage.contents(open_images(make_root(3)), 2.0, clock=lambda: float(next(ticks)))
    assert told.verdict == "left out"
    assert "crossad data check" in told.step


def test_packed_data_and_an_archive_that_is_gone(make_root: Any, versitygw: Place) -> None:
    store = versitygw.open()
    pack(make_root(3), store)
    asked = [
        "suite.json",
        "--data",
        versitygw.uri,
        "--data-option",
        f"endpoint={versitygw.endpoint}",
        "--data-cache",
        "c",
    ]
    found = findings(*asked)
    assert of(found, "data", "lock")[0][0] == "ok"
    assert of(found, "data", "images")[0][0] == "ok"
    archive = next(entry.key for entry in store.list("archives/"))
    store.delete(archive)
    ((verdict, sentence),) = of(findings(*asked), "data", "images")
    assert verdict == "wrong"
    assert sentence.endswith("is not there")


def reach(place: Place) -> list[str]:
    return ["--store", place.uri, "--store-option", f"endpoint={place.endpoint}"]


@pytest.mark.parametrize("place", ["folder", "versitygw", "pretender"], indirect=True)
def test_a_store_that_works_keeps_nothing_of_it(place: Place) -> None:
    words = ["--store", place.uri] if place.kind == "folder" else reach(place)
    ((verdict, sentence),) = of(findings(*words), "store")
    assert verdict == "ok"
    commit = {"folder": "link", "versitygw": "conditional", "pretender": "plain"}[place.kind]
    assert f"usable, commits are {commit}" in sentence
    assert list(place.open().list()) == []


def test_clocks_that_differ_are_wrong(versitygw: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "now", lambda _: datetime(2020, 1, 1, tzinfo=UTC))
    found = of(findings(*reach(versitygw)), "store")
    assert [verdict for verdict, _ in found] == ["wrong"]
    assert "clock: the store's is" in found[0][1]
    assert "allowed 60" in found[0][1]


def test_a_store_that_is_down(versitygw: Place, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", times=10**6)
    words = ["--store", versitygw.uri, "--store-option", f"endpoint={proxy.endpoint}"]
    words += ["--store-option", "patience_seconds=0", "--store-option", "attempts=1"]
    found = of(findings(*words), "store")
    assert found[0][0] == "wrong"
    assert "write" in found[0][1]


def test_a_store_that_refuses_these_keys(versitygw: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch, secret="wrong-on-purpose")  # noqa: S106 - so it says
    found = of(findings(*reach(versitygw)), "store")
    assert found[0][0] == "wrong"


def test_a_bucket_that_is_not_there(versitygw: Place) -> None:
    words = ["--store", "s3://no-such-bucket/x", "--store-option", f"endpoint={versitygw.endpoint}"]
    ((verdict, sentence),) = of(findings(*words), "store")
    assert verdict == "wrong"
    assert "no-such-bucket" in sentence


def test_weights_that_changed_and_weights_that_are_missing(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, folder / "resnet18.safetensors")
    pin(folder, "resnet18", "0" * 64, "a test")
    suite = json.loads(json.dumps(SUITE))
    suite["experiment_conditions"][0]["config"]["backbone"] = "resnet50"
    Path("suite.json").write_text(json.dumps(suite))
    missing, changed = of(findings("suite.json", "--weights", folder), "weights")
    assert missing[0] == changed[0] == "wrong"
    assert "no pretrained weights for resnet50" in missing[1]
    assert "resnet18: changed: " in changed[1]


def test_gpus_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    ((verdict, sentence),) = of(findings("--gpus", "3"), "machine", "GPUs")
    assert (verdict, sentence) == ("wrong", "--gpus: no such GPU on this machine: 3, found: 0")


@pytest.mark.parametrize(
    ("script", "verdict", "words"),
    [
        ("echo 'NVIDIA X, 80 GiB, 570.1'", "ok", "NVIDIA X, 80 GiB, 570.1"),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "wrong", "version mismatch"),
    ],
)
def test_the_driver_of_a_gpu(tmp_path: Path, script: str, verdict: str, words: str) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    told = list(machine.gpus("0", {"CUDA_VISIBLE_DEVICES": "0", "PATH": f"{tmp_path}:/bin:/usr/bin"}))[-1]
    assert told.verdict == verdict
    assert words in told.sentence


def test_packages_are_compared_with_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    here = machine.installed("torch")
    assert here is not None
    lock.write_text(
        f"timm==0.0.1 \\\n    --hash=sha256:0\ntorch=={here} ; sys_platform == 'linux' \\\ntorch==9.9 ; other\n"
    )
    (told,) = machine.packages(lock)
    assert told.verdict == "warning"
    assert "timm " in told.sentence
    assert "locked 0.0.1" in told.sentence
    assert "torch" not in told.sentence
    (told,) = machine.packages()
    assert told.verdict == "ok"


def test_a_machine_without_a_trainer_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "installed", lambda _: None)
    (told,) = machine.packages()
    assert told.verdict == "left out"


def test_weights_that_jobs_find_in_a_store(versitygw: Place, tmp_path: Path) -> None:
    suite = json.loads(json.dumps(SUITE))
    suite["experiment_conditions"][0]["config"]["backbone"] = "resnet18"
    Path("suite.json").write_text(json.dumps(suite))
    image = f"registry/crossad@sha256:{'0' * 64}"
    where = {"uri": versitygw.uri, "options": {"endpoint": versitygw.endpoint}}
    settings = {
        "images": {"trainer": image, "controller": image},
        "data": {"claim": "hdmap"},
        "store": {"uri": f"{versitygw.uri}/runs", "options": where["options"]},
        "weights": where,
    }
    Path("settings.json").write_text(json.dumps(settings))
    words = ("suite.json", "--settings", "settings.json")
    ((verdict, sentence),) = of(findings(*words), "weights")
    assert verdict == "warning"
    assert sentence.startswith(f"resnet18: not pinned in {versitygw.uri}, {versitygw.uri}/runs")
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "resnet18.safetensors")
    pinned, _ = put_weights(versitygw.open(), "resnet18", tmp_path / "resnet18.safetensors", "hub")
    assert of(findings(*words), "weights") == [("ok", f"resnet18: pinned in {versitygw.uri}")]
    on_this_machine = ("suite.json", "--store", versitygw.uri, "--store-option", f"endpoint={versitygw.endpoint}")
    assert of(findings(*on_this_machine), "weights") == [("ok", f"resnet18: pinned in {versitygw.uri}")]
    versitygw.open().delete(pinned.key)
    ((verdict, sentence),) = of(findings(*words), "weights")
    assert (verdict, sentence) == ("wrong", f"{versitygw.uri}/{pinned.key} (resnet18) is not there")
