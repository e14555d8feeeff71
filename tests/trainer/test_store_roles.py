"""Each role of docs/store.md does its work on a real server under its policy, and what it must not do is refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from policies import policies
from s3servers import BUCKET, Place, credentials
from safetensors.numpy import save_file

from crossad.cli import cli
from crossad.data.pack import pack
from crossad.launch.state import RunState
from crossad.manifests.words import JOB_VARIABLE
from crossad.results.home import BucketHome
from crossad.results.payload import SHARD, UNDATED, plan_json
from crossad.results.payload import pack as pack_plan
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.record import Record
from crossad.store.faults import StoreDenied
from crossad.store.s3 import S3Store
from crossad.supplies.bring import bring
from crossad.supplies.pins import find_pin
from crossad.trainer import run
from crossad.trainer.context import Task

Become = Callable[[str], None]


@pytest.fixture
def bucket(servers, identity, tmp_path) -> Place:
    """A server with accounts."""
    return Place("versitygw-iam", servers, tmp_path)


@pytest.fixture
def become(servers, bucket, monkeypatch) -> Become:
    """Take a role: the account `limited` with what the role's policy allows."""
    roles = policies(BUCKET, bucket.prefix, f"{bucket.prefix}-data")

    def take(role: str) -> None:
        servers.allow(roles[role])
        credentials(monkeypatch, "limited", "limited-secret")

    return take


@pytest.fixture
def data_place(bucket) -> Place:
    return Place(bucket.kind, bucket.servers, bucket.folder, f"{bucket.prefix}-data")


def do(bucket: Place, *words: object, code: int = 0) -> str:
    """Run a verb; what it printed."""
    where = ["--store", bucket.uri, "--store-option", f"endpoint={bucket.endpoint}"]
    if words[:2] == ("store", "janitor"):
        where = [bucket.uri, *where[2:]]
    result = CliRunner().invoke(cli, [*map(str, words), *where])
    assert (result.exit_code, result.exception if result.exit_code != code else None) == (code, None), result.output
    return result.output


def plan_and_judge(home: BucketHome, record: Record, domains: Path) -> None:
    """What a submitter and a controller write: the plan of a run, a verdict, another try."""
    entry = PlanEntry(experiment_id=0, name=record.condition["name"], config=record.condition["config"],
                      condition_id=record.condition_id, training_key=record.training_key)  # fmt: skip
    other = entry.model_copy(update={"experiment_id": 1, "name": "other", "condition_id": "other"})
    plan = Plan(
        run="night", suite="suite", created="2026-01-01T00:00:00Z", data=str(domains), conditions=(entry, other)
    )
    pin_plan(home, plan)
    RunState(home, "night").close("other", "cancelled", "not wanted")
    assert RunState(home, "night").reopen("other")


def forsake(bucket: Place) -> Path:
    """Leave an object that nothing leads to, and let a week go by."""
    lost = bucket.path("attempts/lost/weights")
    lost.parent.mkdir()
    lost.write_bytes(b"x")
    for path in bucket.path("").rglob("*"):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    return lost


def test_every_role_can_do_its_work_under_its_policy(
    bucket, become, task, quick, tmp_path, data_place, domains, monkeypatch
):
    def home(name: str) -> BucketHome:
        return BucketHome(bucket.open(), tmp_path / name)

    def trainer(name: str, **keys) -> Task:
        made, on = task(**keys), home(name)
        return Task(made.name, made.config, made.data, on.results, made.run, echo=False, home=on, ship_seconds=0.2,
                    checkpoint_seconds=0.0)  # fmt: skip

    become("Data packer")
    pack(domains, data_place.open(), only=["domain_A"])
    become("Data reader")
    words = ["data", "fetch", data_place.uri, "--data-cache", tmp_path / "cache"]
    result = CliRunner().invoke(cli, [*map(str, words), "--data-option", f"endpoint={bucket.endpoint}"])
    assert result.exit_code == 0, result.output

    become("Asset keeper")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "resnet18.safetensors")
    do(bucket, "assets", "fetch", "resnet18", "--weights", tmp_path)
    do(bucket, "assets", "verify")
    for role in ("Asset reader", "Trainer"):
        become(role)
        store = bucket.open()
        pin = find_pin(store, "resnet18", "weights")
        assert pin is not None
        assert list(bring(store, pin, cache=tmp_path / role).iterdir())
        assert find_pin(store, "resnet34", "weights") is None, "what is not there is told apart from what is denied"

    record = run.run_condition(trainer("pod"))
    assert record.status == "success"
    ledger = home("pod").ledger
    ledger.withdraw("condition", record.condition_id)
    assert run.run_condition(trainer("second pod")).status == "success"
    partial = run.run_condition(trainer("third pod", target_domains=["domain_B", "nowhere"]))
    assert partial.status == "partial"
    stored = {entry.key for entry in bucket.open().list()}
    assert not [key for key in stored if "checkpoints/" in key and "tensorboard_logs" not in key], "sent, then removed"
    assert {key.partition("/")[0] for key in stored} == {
        "assets",
        "attempts",
        "commits",
        "failures",
        "runs",
        "withdrawn",
    }

    become("Submitter and controller")
    plan_and_judge(home("desk"), record, domains)

    become("Reader")
    assert json.loads(do(bucket, "status", "night", "--json"))["counts"]["done"] == 1
    do(bucket, "explain", "night", "other")
    assert "AUROC" in do(bucket, "logs", "night", record.condition["name"])
    do(bucket, "fetch", "night", tmp_path / "fetched")
    assert list((tmp_path / "fetched").rglob("predictions.parquet"))

    become("Aggregation")
    do(bucket, "report", "night", "--results-dir", tmp_path / "reporting", code=3)
    reports = bucket.servers.files(bucket.kind) / bucket.prefix / "runs/night/reports"
    assert list(reports.rglob("index.html"))
    wait_for_rendered_files(bucket, tmp_path, monkeypatch)

    become("Janitor")
    lost = forsake(bucket)
    assert "removed      attempt    attempts/lost/" in do(bucket, "store", "janitor", "--apply")
    assert not lost.exists()

    become("Reader")
    do(bucket, "fetch", "night", tmp_path / "again")
    assert list((tmp_path / "again").rglob("predictions.parquet")), "the janitor took nothing that is wanted"


def wait_for_rendered_files(bucket: Place, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the aggregation Job of the static path writes beside the report: the plan, when its waiting began."""
    entry = PlanEntry(experiment_id=0, name="one", config={}, condition_id="one", training_key="t")
    plan = Plan(run="static", suite="suite", created=UNDATED, data="d", conditions=(entry,))
    (folder / "shards").mkdir()
    (folder / "shards" / f"{SHARD}000").write_bytes(pack_plan(plan_json(plan)))
    monkeypatch.setenv(JOB_VARIABLE, "uid-1")
    words = ["report", "static", "--wait", "--deadline", "0", "--plan", folder / "shards"]
    do(bucket, *words, "--results-dir", folder / "waiting", code=3)
    there = bucket.servers.files(bucket.kind) / bucket.prefix / "runs/static"
    assert (there / "plans/0001.json").is_file()
    assert (there / "waits/uid-1.json").is_file()
    assert list((there / "reports").rglob("index.html"))


PLAN = "runs/n/plans/0001.json"
REFUSED = {
    "Trainer": {
        "put": (PLAN, "runs/n/reports/x", "archives/x", "assets/x"),
        "delete": ("attempts/a/x", "runs/n/live/x", "assets/x"),
    },
    "Submitter and controller": {"put": ("commits/x", "attempts/a/x"), "delete": (PLAN, "commits/x")},
    "Reader": {"put": ("probe/x", "runs/n/live/x"), "delete": ("probe/x",)},
    "Aggregation": {"put": ("commits/x", "runs/n/verdicts/x"), "delete": ("runs/n/reports/x", PLAN)},
    "Janitor": {"put": ("attempts/a/x", "probe/x"), "delete": ("commits/x", "failures/x", PLAN)},
    "Data packer": {"put": ("attempts/a/x", "commits/x"), "delete": ("archives/x",)},
    "Data reader": {"put": ("archives/x", "crossad-data.json"), "delete": ("crossad-data.json",)},
    "Asset keeper": {"put": ("commits/x", "attempts/a/x"), "delete": ("assets/x",), "get": ("commits/x",)},
    "Asset reader": {"put": ("assets/x", "assets/names/x.json"), "delete": ("assets/x",), "get": ("commits/x",)},
    "Probe": {"put": ("commits/x",), "delete": ("attempts/a/x",), "get": ("commits/x",)},
}  # fmt: skip


@pytest.mark.parametrize("role", REFUSED)
def test_what_a_role_must_not_do_is_refused(role, bucket, become, data_place):
    place = data_place if role.startswith("Data") else bucket
    owner, elsewhere = place.open(commit="conditional"), Place(place.kind, place.servers, place.folder)
    for key in {key for keys in REFUSED[role].values() for key in keys}:
        owner.put(key, b"x")
    elsewhere.open().put("x", b"x")
    become(role)
    store = place.open(commit="conditional")
    assert isinstance(store, S3Store)
    actions = {"put": lambda key: store.put(key, b"y"), "delete": store.delete, "get": store.get}
    for name, keys in REFUSED[role].items():
        for key in keys:
            with pytest.raises(StoreDenied):
                actions[name](key)
    for action in (lambda other: other.get("x"), lambda other: other.put("x", b"y"), lambda other: list(other.list())):
        with pytest.raises(StoreDenied):
            action(elsewhere.open())
