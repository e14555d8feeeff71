"""A condition trained on images from a bucket is the condition trained on the folder they were packed from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from tinydraem import TINY_DRAEM

import crossad
from crossad.data.index import NAME, read_index
from crossad.data.lock import write_lock
from crossad.data.pack import pack
from crossad.data.places import open_images
from crossad.errors import DataError
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan
from crossad.results.progress import read_progress
from crossad.results.record import Record
from crossad.trainer.finish import exit_code
from crossad.trainer.run import run_condition

CONFIG = {
    **TINY_DRAEM,
    "target_domains": "auto",
    "max_epochs": 1,
    "max_visualizations": 1,
    "num_workers": 1,
    "limit_images": 4,
}


@pytest.fixture
def images(versitygw, proxy, domains, tmp_path):
    """The session's domains, packed; `proxy` sees what is fetched."""
    pack(domains, versitygw.open())
    options = versitygw.options(endpoint=proxy.endpoint)
    return open_images(versitygw.uri, tmp_path / "cache", options)


def fetched(proxy):
    return [path.rpartition("/")[2] for method, path, _ in proxy.seen if method == "GET" and "/archives/" in path]


def test_the_same_ids_weights_and_numbers_as_from_the_folder(images, proxy, data, tmp_path):
    write_lock(data)
    here = crossad.run_experiment(CONFIG, data=data, results=tmp_path / "here", run="night", name="c")
    there = crossad.run_experiment(CONFIG, data=images, results=tmp_path / "there", run="night", name="c")
    assert there.condition["config"]["target_domains"] == ["domain_B", "domain_C", "domain_D"]
    assert there.training_info.weights_sha256 == here.training_info.weights_sha256
    assert there.provenance.data_lock == here.provenance.data_lock is not None
    for domain, result in here.target_results.items():
        assert there.target_results[domain].test_image_AUROC == result.test_image_AUROC
    commits = [
        sorted(path.name for path in (tmp_path / where).glob(".crossad/commits/*")) for where in ("here", "there")
    ]
    assert commits[0] == commits[1] != []
    index = images.cache.index
    needed = [("domain_A", "train"), *((f"domain_{letter}", "test") for letter in "ABCD")]
    assert sorted(fetched(proxy)) == sorted(
        index.archive(domain, split, "here").key.rpartition("/")[2] for domain, split in needed
    )


def test_finished_work_fetches_no_image(images, proxy, tmp_path, quick):
    where = {"data": images, "results": tmp_path / "results", "run": "night", "name": "c"}
    crossad.run_experiment(CONFIG, **where)
    before = len(fetched(proxy))
    again = open_images(images.uri, tmp_path / "another cache", images._options)
    assert crossad.run_experiment(CONFIG, **where | {"data": again}).status == "success"
    assert len(fetched(proxy)) == before


def damage(store, domain):
    """Another archive under the name of a domain's test split."""
    store.put(read_index(store).archive(domain, "test", "here").key, b"damaged")


def test_a_damaged_target_is_that_targets_fault_and_the_others_stand(images, versitygw, task, quick):
    damage(versitygw.open(), "domain_C")
    record = run_condition(task(data=images.root, place={"images": images}))
    assert (record.status, exit_code(record)) == ("partial", 65)
    states = {domain: result.status for domain, result in record.target_results.items()}
    assert states == {"domain_B": "ok", "domain_C": "failed", "domain_D": "ok"}
    failure = record.target_results["domain_C"].error
    assert "images of domain_C/test: s3://" in failure.message
    assert "then pack again" in failure.hint


def test_a_damaged_source_is_the_conditions_fault_before_a_step_is_made(images, versitygw, task, quick):
    damage(versitygw.open(), "domain_A")
    with pytest.raises(DataError, match="archives/"):
        run_condition(task(data=images.root, place={"images": images}))
    assert quick.steps == []


@pytest.fixture
def suite(tmp_path):
    file = tmp_path / "suite.json"
    conditions = [{"name": f"seed {seed}", "description": "", "config": CONFIG | {"seed": seed}} for seed in (1, 2)]
    file.write_text(json.dumps({"experiment_conditions": conditions}))
    return file


def command(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "crossad", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1", **more},
    )


def test_plan_and_run_from_a_bucket(images, versitygw, proxy, suite, tmp_path):
    """With AWS_ENDPOINT_URL alone: no option is needed where the environment says how to reach the bucket."""
    reach = {"AWS_ENDPOINT_URL": proxy.endpoint, "CROSSAD_CACHE": str(tmp_path / "cache")}
    data = ("--data", versitygw.uri)
    planned = command("plan", suite, *data, "--json", **reach)
    assert planned.returncode == 0, planned.stderr
    facts = json.loads(planned.stdout)
    assert facts["plan"][0]["to_score"] == ["domain_A", "domain_B", "domain_C", "domain_D"]
    assert fetched(proxy) == []
    assert not (tmp_path / "cache").exists()
    checked = command("validate", suite, *data, **reach)
    assert checked.returncode == 0, checked.stderr
    place = ("--results-dir", tmp_path / "results", "--run", "night", "--gpus", "cpu", "--jobs", "2")
    ran = command("run", suite, *data, *place, "--no-report", **reach)
    assert ran.returncode == 0, ran.stderr
    paths = RunPaths(tmp_path / "results", "night")
    plan = Plan.model_validate_json(paths.plan.read_bytes())
    assert plan.data == versitygw.uri
    assert len(fetched(proxy)) == len(set(fetched(proxy))) == 5
    for entry in plan.conditions:
        record = Record.model_validate_json(paths.condition(entry.name).records()[-1].read_bytes())
        assert record.status == "success"
    again = command("run", suite, *data, *place, "--no-report", **reach)
    assert again.returncode == 0, again.stderr
    assert len(fetched(proxy)) == 5


def test_what_a_damaged_archive_failed_is_retried_once_it_was_packed_again(versitygw, proxy, domains, suite, tmp_path):
    pack(domains, versitygw.open())
    damage(versitygw.open(), "domain_A")
    reach = {"AWS_ENDPOINT_URL": proxy.endpoint, "CROSSAD_CACHE": str(tmp_path / "cache")}
    place = ("--results-dir", tmp_path / "results", "--gpus", "cpu", "--no-report")
    ran = command("run", suite, "--ids", "0", "--data", versitygw.uri, "--run", "night", *place, **reach)
    assert ran.returncode == 1, ran.stderr
    told = command("explain", "night", "--results-dir", tmp_path / "results", **reach)
    assert "images of domain_A/test: s3://" in told.stdout + told.stderr
    assert {one.state for one in pack(domains, versitygw.open()).archives} == {"uploaded", "already there"}
    retried = command("retry", "night", "--failed", *place, **reach)
    assert retried.returncode == 0, retried.stderr


def test_stopped_while_it_fetches_a_trainer_ends_with_75_and_the_same_command_goes_on(
    versitygw, proxy, domains, suite, tmp_path
):
    pack(domains, versitygw.open())
    reached, stopped = proxy.hold("GET", "/archives/", seen=2)
    words = ["train", "--config", suite, "--experiment-id", "0", "--gpu-id", "cpu", "--run", "night"]
    words += ["--data", versitygw.uri, "--data-option", f"endpoint={proxy.endpoint}", "--grace-seconds", "1"]
    words += ["--data-cache", tmp_path / "cache", "--results-dir", tmp_path / "results"]
    line = [sys.executable, "-m", "crossad", *map(str, words)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(120), process.communicate()
        progress = read_progress(RunPaths(tmp_path / "results", "night").condition("seed 1").progress)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 75
    assert (progress.phase, progress.detail.partition(" ")[0]) == ("loading", "unpack")
    stopped.set()
    again = command(*words)
    assert again.returncode == 0, again.stderr


def test_what_is_not_packed_is_told_before_anything_starts(images, versitygw, proxy, suite, tmp_path):
    options = ("--data-option", f"endpoint={proxy.endpoint}", "--results-dir", tmp_path / "results")
    wrong = command("run", suite, "--set", "source_domain=domain_X", "--data", versitygw.uri, *options)
    assert wrong.returncode == 2
    assert f"domain(s) missing in {versitygw.uri}" in wrong.stderr
    none = command("train", "--config", suite, "--experiment-id", "0", "--data", f"{versitygw.uri}/none", *options)
    assert none.returncode == 66
    assert f"no packed images: {versitygw.uri}/none/{NAME} is not there" in none.stderr
    for ended in (wrong, none):
        assert "Traceback" not in ended.stderr
    assert not (tmp_path / "results").exists()
