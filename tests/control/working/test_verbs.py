"""`crossad submit` and `crossad control` as processes: a real control plane, a real S3 server, played trainers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import wait_for
from s3servers import Place

from crossad.conditions.suite import load_suite
from crossad.control.pinned import pinned_settings
from crossad.data.lock import write_lock
from crossad.kube.resources import CONFIG_MAPS, JOBS
from crossad.manifests import words
from crossad.manifests.load import parse_settings
from crossad.manifests.planning import make_plan
from crossad.results.home import BucketHome
from crossad.results.plan import newest_plan

from .conftest import RUN, SETTINGS, Lab

PROGRAM = str(Path(sys.executable).with_name("crossad"))
STEPS = 600


@dataclass
class User:
    """Somebody at a laptop, with a suite, settings and a kubeconfig."""

    lab: Lab
    folder: Path
    place: Place
    kubeconfig: Path

    def start(self, *words_: str) -> subprocess.Popen[str]:
        command = [PROGRAM, *words_, "--kubeconfig", str(self.kubeconfig)]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    def submit(self, *more: str) -> subprocess.Popen[str]:
        return self.start("submit", "suite.json", "--settings", "settings.json", "--run", RUN, *more)

    def control(self) -> subprocess.Popen[str]:
        store = ("--store", self.place.uri, "--store-option", f"endpoint={self.place.endpoint}")
        return self.start("control", RUN, *store)

    def finish(self, process: subprocess.Popen[str], *, trainers: bool = True) -> tuple[int, str, str]:
        """(exit code, stdout, stderr), the trainers working meanwhile."""
        for _ in range(STEPS if trainers else 0):
            if process.poll() is not None:
                break
            self.lab.trainers.step()
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture
def user(lab: Lab, versitygw: Place, tmp_path: Path) -> Iterator[User]:
    """Two conditions to submit."""
    lab.home = BucketHome(versitygw.open(), tmp_path / "work")
    lab.trainers.home = lab.home
    config = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_B"]}
    conditions = [{"name": f"seed {seed}", "description": "d", "config": {**config, "seed": seed}} for seed in (1, 2)]
    folder = tmp_path / "laptop"
    folder.mkdir()
    (folder / "suite.json").write_text(json.dumps({"experiment_conditions": conditions}))
    store = {"uri": versitygw.uri, "options": {"endpoint": versitygw.endpoint}}
    (folder / "settings.json").write_text(json.dumps({**SETTINGS, "namespace": lab.namespace, "store": store}))
    yield User(lab, folder, versitygw, lab.plane.kubeconfig())


def test_submit_brings_a_run_to_its_end_and_the_same_again_does_nothing(user: User) -> None:
    code, out, err = user.finish(user.submit())
    assert code == 0, err
    assert out == f"{RUN}: all conditions are committed, and the report is written\n"
    assert "run night1: 2 conditions in 2 Jobs" in err
    assert f"store: {user.place.uri}" in err
    assert f"namespace {user.lab.namespace}" in err
    assert "next: crossad report night1" in err
    before = [entry.key for entry in user.lab.home.state.list()]
    code, _, err = user.finish(user.submit(), trainers=False)
    assert code == 0, err
    assert "writing to" not in err
    assert [entry.key for entry in user.lab.home.state.list()] == before


def test_a_dry_run_says_what_would_happen_and_writes_nothing(user: User) -> None:
    code, out, err = user.finish(user.submit("--dry-run"), trainers=False)
    assert code == 0, err
    assert out.strip() == "2  Jobs to create now; the server admits the first of them"
    assert "nothing was written" in err
    assert list(user.lab.home.state.list()) == []
    assert user.lab.jobs() == []


def test_results_of_other_data_do_not_count_where_the_lock_is_given(user: User) -> None:
    for part in ("domain_A/train/good", "domain_A/test/good", "domain_B/test/good"):
        (user.folder / "data" / part).mkdir(parents=True)
        (user.folder / "data" / part / "1.png").write_bytes(b"an image")
    code, _, err = user.finish(user.submit("--data-lock", "data"), trainers=False)
    assert code == 2
    assert "--data-lock data: no data.lock.json there\nhint: crossad data check data" in err
    assert list(user.lab.home.state.list()) == [], "nothing is pinned before that is known"
    write_lock(user.folder / "data")
    settings = parse_settings("settings.json", (user.folder / "settings.json").read_text())
    plan = make_plan("suite", load_suite(user.folder / "suite.json").conditions, settings, RUN)
    for entry in plan.conditions:
        user.lab.home.ledger.commit("condition", entry.condition_id, {"attempt": "x", "run": "r"}, "0" * 64)
    counted = user.finish(user.submit("--dry-run"), trainers=False)[1]
    assert counted.strip() == "2  conditions committed: nothing to do"
    counted = user.finish(user.submit("--dry-run", "--data-lock", "data"), trainers=False)[1]
    assert counted.strip() == "2  Jobs to create now; the server admits the first of them"


def test_a_dry_run_tells_what_the_server_would_refuse(user: User) -> None:
    path = user.folder / "settings.json"
    overlay = {"spec": {"containers": [{"name": "trainer", "nonsense": 1}]}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "podOverlay": overlay}))
    code, _, err = user.finish(user.submit("--dry-run"), trainers=False)
    assert code == 2
    assert "nonsense" in err
    assert "Traceback" not in err


def test_a_controller_in_the_cluster_goes_on_where_submit_left(user: User) -> None:
    code, out, err = user.finish(user.submit("--detach", "--max-active", "1"), trainers=False)
    assert code == 0, err
    (job,) = user.lab.jobs(words.CONTROLLER)
    name = job["metadata"]["name"]
    assert out == f"{RUN}: the controller {name} works on it\n"
    spec = job["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "crossad-controller"
    assert spec["containers"][0]["args"][:2] == ["control", RUN]
    assert "nvidia.com/gpu" not in spec["containers"][0]["resources"]["limits"]
    assert job["metadata"]["ownerReferences"][0]["kind"] == "ConfigMap"
    assert pinned_settings(user.lab.home.state, RUN).control.max_active == 1
    user.finish(user.submit("--detach"), trainers=False)
    assert user.lab.names(words.CONTROLLER) == [name], "one works on it already"
    user.kubeconfig = user.lab.plane.kubeconfig(user.lab.token(words.CONTROLLER), user.lab.namespace)
    code, out, err = user.finish(user.control())
    assert code == 0, err
    user.kubeconfig = user.lab.plane.kubeconfig()
    user.lab.cluster().delete(JOBS, name)
    user.lab.plane.until(JOBS.path(user.lab.namespace, name), lambda found: found is None)
    code, out, err = user.finish(user.submit("--detach"), trainers=False)
    assert code == 0, err
    assert out == f"{RUN}: all conditions are committed, and the report is written\n"
    assert user.lab.names(words.CONTROLLER) == [], "there is nothing left to do"


def test_a_controller_that_ended_too_early_is_followed_by_another(user: User) -> None:
    user.finish(user.submit("--detach"), trainers=False)
    (name,) = user.lab.names(words.CONTROLLER)
    pod = user.lab.plane.running_pod(user.lab.namespace, name)
    found = user.lab.plane.request("GET", f"/api/v1/namespaces/{user.lab.namespace}/pods/{pod}")
    user.lab.trainers.end(found, 2)
    code, out, err = user.finish(user.submit("--detach"), trainers=False)
    assert code == 0, err
    assert len(user.lab.names(words.CONTROLLER)) == 2
    assert name not in out


@pytest.mark.parametrize(("verb", "number"), [("control", signal.SIGTERM), ("submit", signal.SIGINT)])
def test_a_signal_ends_it_with_75_and_the_same_again_continues(user: User, verb: str, number: signal.Signals) -> None:
    if verb == "control":
        user.finish(user.submit("--detach"), trainers=False)
    start = getattr(user, verb)
    process = start()
    wait_for("two Jobs", lambda: len(user.lab.jobs()) == 2, process)
    process.send_signal(number)
    code, _, err = user.finish(process, trainers=False)
    assert code == 75
    assert "the same command continues" in err
    assert "Traceback" not in err
    code, _, err = user.finish(start())
    assert code == 0, err
    assert len(user.lab.jobs()) == 2


def test_what_failed_is_told_with_exit_code_3_and_the_next_steps(user: User) -> None:
    assert newest_plan(user.lab.home.state, RUN) is None
    user.finish(user.submit("--detach"), trainers=False)
    plan = newest_plan(user.lab.home.state, RUN)
    assert plan is not None
    user.lab.trainers.codes = {plan.conditions[0].condition_id: [65]}
    code, out, err = user.finish(user.submit())
    assert code == 3
    assert "not every condition is committed" in out
    assert "failed: seed 1: exit code 65" in err
    assert "crossad retry night1 --failed" in err


def test_other_content_under_the_same_experiment_is_refused(user: User) -> None:
    user.finish(user.submit("--detach"), trainers=False)
    text = (user.folder / "suite.json").read_text()
    (user.folder / "suite.json").write_text(text.replace('"seed": 2', '"seed": 3'))
    code, _, err = user.finish(user.submit("--detach"), trainers=False)
    assert code == 2
    assert "pinned other content" in err


def test_a_run_that_nobody_submitted_is_told(user: User) -> None:
    code, _, err = user.finish(user.control(), trainers=False)
    assert code == 2
    assert "no cluster settings" in err


def test_another_namespace_than_the_runs_is_refused(user: User) -> None:
    user.finish(user.submit("--detach"), trainers=False)
    store = ("--store", user.place.uri, "--store-option", f"endpoint={user.place.endpoint}")
    code, _, err = user.finish(user.start("control", RUN, "-n", "default", *store), trainers=False)
    assert code == 2
    assert f"is in namespace {user.lab.namespace}" in err


def test_a_namespace_that_is_not_there_is_told(user: User) -> None:
    code, _, err = user.finish(user.submit("-n", "nowhere"), trainers=False)
    assert code == 2
    assert "no such namespace" in err
    assert user.lab.plane.request("GET", CONFIG_MAPS.path("nowhere"))["items"] == []


def test_a_folder_is_no_store_of_a_cluster(user: User) -> None:
    code, _, err = user.finish(user.submit("--store", "results"), trainers=False)
    assert code == 2
    assert "store.uri" in err
    code, _, err = user.finish(user.start("control", RUN), trainers=False)
    assert code == 2
    assert "lives in a bucket" in err
