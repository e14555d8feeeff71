"""A night on a real node, as a team would have it: a suite of all models, and all that can go wrong until morning.

By `helm install`, disturbed all along, then by `crossad render` and `kubectl apply`, undisturbed: what can be done is
done, equal to a local run bit for bit; what cannot is explained in the report. `-s` shows the diary, which stays in the
folder that it names.

Real: every process in its container, kubelet, API server, scheduler, store, deaths, and PatchCore's ImageNet weights,
which pods get from the store. Not real: GPUs (the scheduler counts them, trainers are told `device: cpu`), the images
(synthetic), Dinomaly's encoder (random weights).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from diary import Diary
from disturbances import Disturber, failures
from nodeworld import World, assert_equal
from realnode import BUCKET, RealNode
from tinydraem import TINY_DRAEM

from crossad.manifests import words
from crossad.results.layout import RunPaths
from crossad.results.manifest import parse_manifest
from crossad.results.record import Record

RUN, APPLIED = "night3", "night4"
OUTAGE = 120.0  # seconds without a store
BACKBONE = "tf_efficientnet_lite0"
SHARED = {
    "source_domain": "domain_A", "target_domains": ["domain_B"], "image_size": [32, 96], "batch_size": 6,
    "max_visualizations": 1, "num_workers": 1,
}  # fmt: skip
LONG = {**TINY_DRAEM, "max_epochs": 150, "check_val_every_n_epoch": 50}  # long enough to be disturbed three times
PATCHCORE = {"model_type": "patchcore", "backbone": BACKBONE, "layers": ["blocks.1", "blocks.2"]}
DISTURBED: dict[str, dict[str, Any]] = {
    "draem": LONG,
    "sevnet": {**LONG, "model_type": "draem_sevnet", "severity_head_hidden_dim": 8},
    "dinomaly": {
        "model_type": "dinomaly", "image_size": [28, 84], "encoder_name": "dinov2reg_vit_small_14",
        "pre_trained": False, "target_layers": [0, 1], "decoder_depth": 2, "max_epochs": 75,
        "check_val_every_n_epoch": 25,
    },
}  # fmt: skip
GOOD = {**DISTURBED, "patchcore": PATCHCORE}
BAD = {"damaged": {**PATCHCORE, "seed": 3, "target_domains": ["domain_B", "domain_C"]}, "nowhere": {**LONG, "seed": 4}}
TRAINERS = [f"trainer/{name}" for name in (*GOOD, "damaged")]


@dataclass(frozen=True)
class Night:
    """The suite, and what it gives on this machine without a cluster or a store."""

    world: World
    suite: Path
    here: dict[str, Future[RunPaths]]
    diary: Diary


@pytest.fixture(scope="module")
def night(real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Images and weights in the store; the same work on this machine goes on beside the first run."""
    folder = tmp_path_factory.mktemp("night")
    diary, world = Diary(folder / "diary"), World(real_node, real_node.namespace(), folder)
    world.images("A,B,C")
    damage(world, "domain_C")
    world.crossad("assets", "fetch", BACKBONE, "--store", f"s3://{BUCKET}/weights")
    suite = write_suite(folder / "night.json")
    diary.tell("images and weights are in the store")
    pool = ThreadPoolExecutor(1)
    try:
        yield Night(world, suite, {name: pool.submit(world.local, suite, RUN, name) for name in GOOD}, diary)
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.timeout(2400)  # the images are brought to the node first
def test_a_disturbed_run_ends_by_itself_with_all_that_can_be_done(night: Night):
    world, diary = night.world, night.diary
    job = {"device": "cpu", "checkpointSeconds": 2, "graceSeconds": 30}
    settings(world, job=job, control={"startDeadlineSeconds": 180})
    disturber = Disturber(world, RUN, diary)
    world.helm("install", RUN, suite=night.suite)
    diary.tell(f"helm install {RUN}")
    disturber.until("trainers of all conditions are at work", lambda: all(map(disturber.attempts, GOOD)))
    saved = lose_pods(disturber)
    attempts = lose_node(disturber)
    lose_api_server(disturber, attempts)
    lose_store(disturber)
    ended = world.ended("controller", "report", *TRAINERS)
    diary.tell(f"it ended by itself: {ended}")
    disturber.look()

    assert {name: ended[f"trainer/{name}"] for name in GOOD} == dict.fromkeys(GOOD, "Complete")
    assert (ended["trainer/damaged"], ended["controller"]) == ("Failed", "Failed"), "a report, and two are missing"
    # a death counts, what the cluster takes does not
    assert {name: failures(disturber.job(name)) for name in DISTURBED} == {"draem": 1, "sevnet": 0, "dinomaly": 0}
    there = world.fetched(RUN)
    for name, step in saved.items():
        assert_resumed(there, name, step)
    assert_same_work(night, there)
    assert_explained(there, nowhere="it did not start within 3 min")
    diary.tell("fetched: equal to the local run in weights, predictions and stable fields; both bad ones explained")
    diary.picture(there.report / "index.html", "report.png")


@pytest.mark.timeout(1800)
def test_the_same_suite_rendered_and_applied_gives_the_same(night: Night, real_node: RealNode):
    world, diary = replace(night.world, namespace=real_node.namespace(), prefix="applied"), night.diary
    told = settings(world, "applied.yaml", namespace=world.namespace)
    world.crossad("render", night.suite, "-o", "objects", "--settings", told, "--run", APPLIED)
    real_node.plane.kubectl("apply", "-f", str(world.folder / "objects"))
    diary.tell(f"kubectl apply -f objects/ ({APPLIED})")
    # nobody has a start deadline here: a person looks, and decides
    cluster = ("--store", world.store, "--kubeconfig", real_node.plane.kubeconfig(), "-n", world.namespace)
    disturber = Disturber(world, APPLIED, diary)
    disturber.until(
        "why one does not start", lambda: "of-nobody" in world.crossad("explain", APPLIED, "nowhere", *cluster)
    )
    world.crossad("cancel", APPLIED, "nowhere", *cluster)
    diary.tell("crossad cancel: the condition that fits on no node")
    ended = world.ended("report", *TRAINERS)
    diary.tell(f"it ended by itself: {ended}")
    disturber.look()

    assert {name: ended[f"trainer/{name}"] for name in GOOD} == dict.fromkeys(GOOD, "Complete")
    there = world.fetched(APPLIED)
    assert_same_work(night, there)
    assert_explained(there, nowhere="cancelled")
    diary.tell("fetched: equal to the same local run")


def write_suite(path: Path) -> Path:
    """All models, one condition whose target is damaged in the store, one that fits on no node."""
    found: list[dict[str, Any]] = [
        {"name": name, "description": "", "config": {**SHARED, **keys}} for name, keys in {**GOOD, **BAD}.items()
    ]
    found[-1]["resources"] = {"node_selector": {"gpu": "of-nobody"}}
    path.write_text(json.dumps({"experiment_conditions": found}))
    return path


def settings(world: World, name: str = "settings.yaml", **more: Any) -> Path:
    """A node that has room for all of them at once; weights from the store, before those of the image."""
    burst = {"name": "trainer", "resources": {"limits": {"cpu": "1"}}}
    return world.settings(
        name,
        weights={"uri": f"s3://{BUCKET}/weights", "options": world.reach},
        resources={"gpuCount": 1, "cpu": "0.3", "memory": "3Gi", "ephemeralStorage": "1Gi"},
        podOverlay={"spec": {"containers": [burst]}},
        **more,
    )


def damage(world: World, domain: str) -> None:
    """Turn one bit of a domain's test images in the store."""
    images = world.node.bucket.files / "images"
    index = json.loads((images / "crossad-data.json").read_bytes())
    archive = images / index["domains"][domain]["splits"]["test"]["key"]
    body = bytearray(archive.read_bytes())
    body[len(body) // 2] ^= 1
    with archive.open("r+b") as file:  # in place: the server keeps what it knows of an object beside the file's bytes
        file.write(body)


def lose_pods(disturber: Disturber) -> dict[str, int]:
    """A death and two deletions; the step that the store had of each trainer before."""
    saved = {name: disturber.saved(name) for name in ("draem", "sevnet")}
    disturber.kill("draem")
    disturber.delete(words.TRAINER, "sevnet")
    disturber.delete(words.CONTROLLER)
    disturber.look()
    saved["dinomaly"] = disturber.saved("dinomaly")
    disturber.diary.tell(f"steps that are in the store: {saved}")
    disturber.until("the death is counted", lambda: failures(disturber.job("draem")) == 1)
    disturber.running(words.CONTROLLER)
    return saved


def lose_node(disturber: Disturber) -> dict[str, int]:
    """A drain; how many attempts there were of each trainer until then."""
    disturber.drain()
    disturber.look()
    attempts = {name: disturber.attempts(name) for name in DISTURBED}
    disturber.uncordon()
    for name in DISTURBED:
        disturber.running(words.TRAINER, name)
    return attempts


def lose_api_server(disturber: Disturber, before: dict[str, int]) -> None:
    """No API server while trainers start: they need none."""
    with disturber.api_server_down():
        disturber.until(
            "new attempts are at work", lambda: all(disturber.attempts(name) > count for name, count in before.items())
        )
        disturber.diary.tell("all trainers are at work again, without an API server")


def lose_store(disturber: Disturber) -> None:
    """Minutes without a store, while trainers train; none ends."""
    for name in DISTURBED:  # they train, and do not begin
        disturber.saved(name, beyond=disturber.saved(name))
    pods = {name: disturber.running(words.TRAINER, name)["metadata"]["uid"] for name in DISTURBED}
    with disturber.store_down():
        time.sleep(OUTAGE)
        disturber.look()
        alive = {name: disturber.running(words.TRAINER, name)["metadata"]["uid"] for name in DISTURBED}
        assert alive == pods


def record_of(there: RunPaths, name: str) -> Record:
    """A condition's newest record."""
    return Record.model_validate_json(there.condition(name).records()[-1].read_bytes())


def assert_resumed(there: RunPaths, name: str, step: int) -> None:
    """The last attempt went on from what the store had, at the step that it had or later."""
    record = record_of(there, name)
    assert record.training_info is not None
    resumed = record.training_info.resumed_from_step
    assert resumed is not None
    assert resumed >= step
    assert f"resumed from step {resumed}" in record.deviations
    manifest = there.condition(name).manifest
    assert parse_manifest(manifest.read_bytes(), manifest.name).parents


def assert_same_work(night: Night, there: RunPaths) -> None:
    """What the pods did equals what this machine did; the backbone's weights came from the store."""
    for name, here in night.here.items():
        assert_equal(there, here.result(), name)
    (fetched, local) = (record_of(tree, "patchcore").provenance for tree in (there, night.here["patchcore"].result()))
    assert fetched is not None
    assert local is not None
    assert fetched.weights == local.weights != {}
    told = there.condition("patchcore").log.read_text()
    assert f"Weights: {BACKBONE} {fetched.weights[BACKBONE]} from s3://{BUCKET}/weights" in told


def assert_explained(there: RunPaths, nowhere: str) -> None:
    """The report has every condition; of the two that are not done it says why, and what to do."""
    conditions = {one["name"]: one for one in json.loads((there.report / "summary.json").read_bytes())["conditions"]}
    assert {name: conditions[name]["state"] for name in GOOD} == dict.fromkeys(GOOD, "done")
    assert set(conditions) == {*GOOD, *BAD}
    damaged = json.dumps(conditions["damaged"])
    assert conditions["damaged"]["domains"]["domain_B"]["AUROC"] is not None
    assert "domain_C/test" in damaged
    assert "then pack again: crossad data pack" in damaged
    assert nowhere in json.dumps(conditions["nowhere"])
    page = (there.report / "index.html").read_text()
    assert nowhere in page
    assert "domain_C/test" in page
