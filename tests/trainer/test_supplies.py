"""Weights and textures that lie in a store: the same numbers as from a folder, exactly what is needed, no hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from tinydraem import TINY_DRAEM

from crossad.assets import hash_tensors, pin
from crossad.errors import MissingInputError
from crossad.files import sha256_file
from crossad.results.home import FolderHome
from crossad.results.record import Record
from crossad.store.faults import ObjectDamaged, StoreUnreachable
from crossad.store.folder import FolderStore
from crossad.supplies.pins import find_pin
from crossad.supplies.stock import put_textures, put_weights
from crossad.trainer import run

BACKBONE = "resnet18"
BANK = {
    "model_type": "patchcore", "backbone": BACKBONE, "layers": ["layer1"], "source_domain": "domain_A",
    "target_domains": ["domain_B"], "image_size": [32, 64], "coreset_sampling_ratio": 0.1, "max_epochs": 1,
    "max_visualizations": 1, "num_workers": 1, "limit_images": 4,
}  # fmt: skip


ENCODER = "vit_small_patch14_reg4_dinov2"
ENCODED = {"model_type": "dinomaly", "encoder_name": "dinov2reg_vit_small_14", "image_size": [28, 84]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Caches of this test only: no weights are on this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CROSSAD_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """A folder with weights that nobody else has."""
    torch.manual_seed(11)
    folder = tmp_path_factory.mktemp("pretrained")
    save_file(timm.create_model(BACKBONE, pretrained=False).state_dict(), folder / f"{BACKBONE}.safetensors")
    return folder


@pytest.fixture
def built(monkeypatch, quick):
    """What models were built from; they are quick ones."""
    seen, make = [], run.build

    def build(config, *, weights_dir=None):
        seen.append((config, weights_dir))
        return make(config)

    monkeypatch.setattr(run, "build", build)
    return seen


def stock(store, folder, name=BACKBONE):
    return put_weights(store, name, folder / f"{name}.safetensors", "hub")[0]


def tiny(folder, seed=0):
    """A folder with the weights of an encoder, which no quick model loads."""
    folder.mkdir()
    path = folder / f"{ENCODER}.safetensors"
    save_file({"a": torch.full((3,), float(seed))}, path)
    pin(folder, ENCODER, hash_tensors(path), "hub")
    return folder


@pytest.mark.parametrize("place", ["versitygw"], indirect=True)
def test_weights_from_a_store_give_the_numbers_of_weights_in_a_folder(task, on, store, place, pretrained, tmp_path):
    local = run.run_condition(task(**BANK, batch_size=None, place={"weights_dir": pretrained}))
    pinned = stock(store, pretrained)
    own = run.run_condition(on("pod", **BANK, batch_size=None))
    named = {"weights_store": store}
    theirs = run.run_condition(task(**BANK, batch_size=None, place={**named, "run": "again"}, name="other"))
    assert local.provenance.weights == {BACKBONE: pinned.content}
    for record in (own, theirs):
        assert record.provenance.weights == local.provenance.weights
        assert record.training_info.weights_sha256 == local.training_info.weights_sha256
    assert own.stable() == local.stable()


def test_exactly_what_the_model_needs_is_fetched_once(task, versitygw, proxy, pretrained, built, tmp_path):
    owner = versitygw.open()
    pinned, _ = stock(owner, tiny(tmp_path / "weights"), ENCODER), stock(owner, pretrained)
    for seed in (1, 2):
        run.run_condition(task(**ENCODED, seed=seed, place={"weights_store": versitygw.behind(proxy)}))
    assert [folder.name for _, folder in built] == [pinned.sha256] * 2
    fetched = [path for method, path, _ in proxy.seen if method == "GET" and "/assets/" in path]
    assert sum(path.endswith(pinned.key) for path in fetched) == 1
    assert not [path for path in fetched if BACKBONE in path]


def test_a_named_store_comes_first_then_this_machine_then_the_runs_own_store(task, built, tmp_path):
    named, home = FolderStore(tmp_path / "named"), FolderHome(tmp_path / "results")
    folders = [tiny(tmp_path / f"weights{seed}", seed) for seed in range(3)]
    first, last = stock(named, folders[0], ENCODER), stock(home.state, folders[2], ENCODER)
    for number, (place, found) in enumerate(
        (
            ({"weights_store": named, "weights_dir": folders[1]}, tmp_path / "cache/supplies" / first.sha256),
            ({"weights_store": FolderStore(tmp_path / "empty"), "weights_dir": folders[1]}, folders[1]),
            ({"weights_dir": folders[1]}, folders[1]),
            ({}, tmp_path / "cache/supplies" / last.sha256),
        )
    ):
        run.run_condition(task(**ENCODED, seed=number, place=place))
        assert built[-1][1] == found


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_weights_that_are_nowhere_end_with_66_and_the_command_that_pins_them(on, store, built):
    with pytest.raises(MissingInputError) as caught:
        run.run_condition(on("pod", **BANK))
    assert caught.value.exit_code == 66
    assert f"assets/names/{BACKBONE}.json" in caught.value.message
    assert f"crossad assets fetch {BACKBONE} --store {store.uri} --from-hub" in caught.value.hint
    assert built == []


def test_without_a_store_the_way_is_a_folder(task, built):
    with pytest.raises(MissingInputError, match="assets/names") as caught:
        run.run_condition(task(**BANK))
    assert f"crossad assets fetch {BACKBONE} --weights weights --from-hub" in caught.value.hint


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_damaged_weights_in_a_store_end_the_condition_before_a_model_is_built(on, store, pretrained, built):
    pinned = stock(store, pretrained)
    data = bytearray(store.get(pinned.key))
    data[-1] ^= 1
    store.put(pinned.key, bytes(data))
    with pytest.raises(ObjectDamaged, match=f"weights {BACKBONE}") as caught:
        run.run_condition(on("pod", **BANK))
    assert caught.value.exit_code == 65
    assert built == []


def test_a_store_that_is_away_says_nothing_about_the_condition(task, versitygw, proxy, built, tmp_path):
    proxy.add("refuse", "GET", "/assets/", times=99)
    mine = task(**BANK, place={"weights_store": versitygw.behind(proxy, patience_seconds=0)})
    with pytest.raises(StoreUnreachable):
        run.run_condition(mine)
    assert not list(mine.place.state.list("failures/"))


@pytest.fixture
def textures(tmp_path):
    import cv2

    folder = tmp_path / "downloads/dtd"
    (folder / "banded").mkdir(parents=True)
    draw = np.random.default_rng(1)
    for name in ("banded/a.png", "b.png"):
        assert cv2.imwrite(str(folder / name), draw.integers(0, 255, (40, 40), dtype=np.uint8))
    return folder


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_textures_from_a_store_are_the_textures_of_the_folder(task, on, store, textures):
    keys = {**TINY_DRAEM, "target_domains": ["domain_B"], "max_epochs": 1, "limit_images": 6}
    here = run.run_condition(task(**keys, anomaly_source=f"dtd:{textures}"))
    put_textures(store, "dtd", textures)
    (textures / "README").write_text("no texture, so it changes nothing")
    there = run.run_condition(on("pod", **keys, anomaly_source="dtd:dtd"))
    assert there.training_info.weights_sha256 == here.training_info.weights_sha256
    assert there.provenance.textures == {"dtd:dtd": find_pin(store, "dtd", "textures").content}
    assert [*there.provenance.textures.values()] == [*here.provenance.textures.values()]
    assert there.condition["config"]["anomaly_source"] == "dtd:dtd"


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_textures_that_are_nowhere_end_with_66_and_the_command_that_pins_them(on, store, built):
    with pytest.raises(MissingInputError, match="no such texture folder: dtd") as caught:
        run.run_condition(on("pod", anomaly_source="dtd:dtd"))
    assert caught.value.exit_code == 66
    assert f"crossad assets fetch --textures dtd=FOLDER --store {store.uri}" in caught.value.hint
    assert built == []


def command(*words, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(
        [sys.executable, "-m", "crossad", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=500, env=environment,
    )  # fmt: skip


def test_a_queue_whose_weights_are_in_a_bucket(versitygw, domains, pretrained, tmp_path):
    suite, options = tmp_path / "suite.json", [f"endpoint={versitygw.endpoint}"]
    suite.write_text(json.dumps({"experiment_conditions": [{"name": "bank", "description": "", "config": BANK}]}))
    where = [word for option in options for word in ("--store-option", option)]
    pinned = command(
        "assets", "fetch", BACKBONE, "--weights", pretrained, "--store", versitygw.uri, *where, "--json"
    )  # fmt: skip
    assert pinned.returncode == 0, pinned.stderr
    of_weights = ["--weights", versitygw.uri, "--weights-option", options[0]]
    results = ["--results-dir", tmp_path / "results", "--run", "night", "--no-report"]
    ended = command("run", suite, "--gpus", "cpu", "--data", domains, *results, *of_weights)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    path, *_ = (tmp_path / "results").rglob("result_*.json")  # and links to it
    record = Record.model_validate_json(path.read_bytes())
    (row,) = json.loads(pinned.stdout)
    assert record.provenance.weights == {BACKBONE: row["content"]}
    assert row["sha256"] == sha256_file(pretrained / f"{BACKBONE}.safetensors")
    wrong = command("train", "--config", suite, "--experiment-id", "0", "--weights-option", options[0])
    assert wrong.returncode == 64, wrong.stderr
