"""`status`, `cancel`, `retry` and `gc` of a run on a real control plane, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import sleep

import pytest
from clusterjobs import ending
from clusternight import Night
from plane import Plane

from crossad.control.reconcile import Reconciler
from crossad.control.submission import pin
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterBroken
from crossad.kube.resources import CONFIG_MAPS, JOBS, PODS
from crossad.launch.state import RunState
from crossad.manifests import words
from crossad.manifests.aggregation import plan_shards, report_job
from crossad.manifests.control import anchor, owned
from crossad.results.plan import newest_plan

MakeNight = Callable[..., Night]


def controller(night: Night, cluster: Cluster) -> Reconciler:
    """A live controller, whose passes the test makes; kept for as long as its pods run."""
    return Reconciler(cluster, night.home, "night", lambda text: None)


def test_one_table_joins_the_store_with_jobs_pods_and_nodes(night: MakeNight, gpu_node: str) -> None:
    found = night("works", "homeless", "done", "absent")
    (job,) = found.apply("works")
    found.apply("homeless", settings=found.settings(placement={"nodeSelector": {"gpu": "h900"}}))
    found.apply("done", settings=found.settings(ending(code=0)))
    kept = {"ref": "x", "bytes": 0, "sha256": ""}
    found.home.ledger.commit("condition", "c-done", {"run": "night", "record": kept})
    row = found.stands("works", "running")
    assert (row["device"], row["job"], row["attempt"]) == (gpu_node, job, 1)
    assert row["pod"].startswith(f"{job}-")
    found.until("the scheduler's word", lambda: found.row("homeless")["cause"] == "label")
    facts = found.facts()
    assert facts["counts"] == {"done": 1, "running": 1, "pending": 2}
    assert (facts["namespace"], facts["controller"], facts["runner"]) == (found.namespace, None, None)

    shown = found.type("status", "night")
    lines = {line.split()[1]: line for line in shown.stdout.splitlines()[1:-1]}
    assert gpu_node in lines["works"]
    assert "none of the" in lines["homeless"]
    assert shown.stdout.splitlines()[-1] == (
        f"night (suite): 1 done, 1 running, 2 pending; no controller works on it in namespace {found.namespace}"
    )
    assert "next: crossad explain night 1 " in shown.stderr
    assert f"--kubeconfig {found.kubeconfig}" in shown.stderr


def test_watching_prints_until_nothing_is_left_to_happen(night: MakeNight) -> None:
    found = night("a", "b")
    found.apply("a", settings=found.settings(ending(code=65, after="2s")))
    found.apply("b", settings=found.settings(ending(code=66)))
    done = found.type("status", "night", "--watch", "--every", "0.3", "--json")
    assert done.exit_code == 0, done.output
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(looks) > 1
    assert looks[-1]["counts"] == {"failed": 2}
    table = found.type("status", "night", "-w").stdout
    assert table.count("night (suite): 2 failed") == 1


def test_a_run_that_was_applied_as_files_is_known_before_the_store_knows_it(night: MakeNight) -> None:
    found = night("a", "b", pinned=False)
    assert "no runs in" in found.type("status", "night").stderr
    apply_plan(found)
    found.apply("a")
    assert found.stands("a", "running")["name"] == "a"
    assert found.row("b")["state"] == "pending"


def apply_plan(night: Night) -> None:
    for shard in plan_shards(night.plan, night.settings()):
        night.plane.request("POST", CONFIG_MAPS.path(night.namespace), shard)


def test_a_report_that_waits_reads_it_in_the_cluster_before_the_store_knows_it(night: MakeNight) -> None:
    found = night("a", "b", pinned=False)
    assert found.type("report", "night", "--wait", "--deadline", "0").exit_code == 2, "neither has it"
    apply_plan(found)
    found.apply("a")
    found.stands("a", "running")
    done = found.type("report", "night", "--wait", "--deadline", "0")
    assert done.exit_code == 3, done.output + repr(done.exception)
    assert "not ended: 2 of 2 conditions" in done.stderr
    pinned = newest_plan(found.home.state, "night")
    assert pinned is not None
    assert pinned.conditions == found.plan.conditions


def test_a_retry_reads_it_in_the_cluster_before_the_store_knows_it(night: MakeNight) -> None:
    found = night("bad", pinned=False)
    apply_plan(found)
    found.apply("bad", settings=found.settings(ending(code=65)))
    found.stands("bad", "failed")
    asked = found.type("retry", "night", "--failed")
    assert asked.exit_code == 2
    assert "applied as files: crossad retry night --settings FILE" in asked.stderr
    done = found.type("retry", "night", "--failed", "--settings", str(found.settings_file()), "--detach")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert done.stdout.startswith("retried: bad\nnight: the controller ")


def test_a_cancelled_condition_stays_cancelled_under_a_live_controller(
    night: MakeNight, cluster: Cluster, gpu_node: str
) -> None:
    found = night("a", "b")
    pin(found.home, found.plan, found.settings(), ("crossad", "submit"))
    live = controller(found, cluster)
    live.once()
    pod = found.stands("a", "running")["pod"]
    found.stands("b", "running")

    done = found.type("cancel", "night", "a")

    assert (done.exit_code, done.stdout) == (0, "cancelled: a\n")
    assert f"writing to {found.plane.url}" in done.stderr
    assert "1 trainer(s) and Job(s) stopped" in done.stderr
    found.plane.until(PODS.path(found.namespace, pod), lambda seen: seen is None, "its pod had its grace and went")
    for _ in range(3):
        live.once()
    assert len(found.there(f"{words.COMPONENT}={words.TRAINER}")) == 1
    assert found.row("a")["state"] == "cancelled"
    assert found.row("b")["state"] == "running"
    again = found.type("cancel", "night", "a")
    assert "nothing to cancel in run night" in again.stdout


def test_a_cancel_that_was_cut_off_after_its_verdict_is_completed_by_the_next(night: MakeNight) -> None:
    found = night("a")
    (job,) = found.apply()
    found.stands("a", "running")
    RunState(found.home, "night").close("c-a", "cancelled", "cut off")
    assert "its Job " in found.row("a")["reason"]
    assert found.type("cancel", "night").exit_code == 0
    found.gone(job)


def test_a_job_that_others_need_goes_on_without_what_was_cancelled(night: MakeNight, cluster: Cluster) -> None:
    found = night("a", "b", "c", shared=("a", "b"))
    pin(found.home, found.plan, found.settings(), ("crossad", "submit"))
    live = controller(found, cluster)
    live.once()
    shared = found.stands("a", "running")["job"]
    assert found.row("b")["job"] == shared

    done = found.type("cancel", "night", "b")

    assert f"Job {shared} goes on for a; its trainer leaves out what was cancelled" in done.stderr
    live.once()
    assert shared in found.there()
    assert (found.row("a")["state"], found.row("b")["state"]) == ("running", "cancelled")

    found.type("cancel", "night", "a")
    found.gone(shared)
    live.once()
    assert len(found.there(f"{words.COMPONENT}={words.TRAINER}")) == 1, "that of c"


def test_who_may_not_remove_jobs_is_told_and_the_verdict_stands(night: MakeNight, plane: Plane) -> None:
    found = night("a")
    found.apply()
    found.stands("a", "running")
    rules = [{"apiGroups": ["batch", ""], "resources": ["jobs", "pods"], "verbs": ["get", "list"]}]
    found.kubeconfig = plane.kubeconfig(plane.account(found.namespace, "looker", rules), found.namespace)
    done = found.type("cancel", "night")
    assert done.stdout == "cancelled: a\n"
    assert "may not delete jobs.batch" in str(done.exception)
    assert found.row("a")["state"] == "cancelled"


def test_a_retry_of_a_rendered_run_asks_for_settings_and_makes_the_next_try(night: MakeNight, cluster: Cluster) -> None:
    found = night("bad", "good")
    (old,) = found.apply("bad", settings=found.settings(ending(code=65)))
    found.apply("good")
    found.stands("bad", "failed")

    asked = found.type("retry", "night", "--failed")
    assert asked.exit_code == 2
    assert "the store has no settings for new Jobs" in asked.stderr
    assert "crossad retry night --settings FILE" in asked.stderr
    assert RunState(found.home, "night").verdict("c-bad") is None, "nothing half-done"

    file = str(found.settings_file())
    done = found.type("retry", "night", "--failed", "--settings", file, "--detach", "-n", found.namespace)
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert done.stdout.startswith("retried: bad\nnight: the controller ")
    row = found.row("bad")
    assert (row["state"], row["generation"], row["cause"]) == ("pending", 2, "new")

    live = controller(found, cluster)
    live.once()
    row = found.stands("bad", "running")
    assert row["job"] != old
    assert found.plane.request("GET", JOBS.path(found.namespace, row["job"]))["metadata"]["labels"][
        words.GENERATION
    ] == "2"  # fmt: skip
    nothing = found.type("retry", "night", "--failed")
    assert nothing.stdout == "nothing to retry in run night: no such condition has failed or was cancelled\n"


def test_a_retry_leaves_the_work_to_the_controller_that_is_there(night: MakeNight, cluster: Cluster) -> None:
    found = night("a", "b")
    pin(found.home, found.plan, found.settings(), ("crossad", "submit"))
    live = controller(found, cluster)
    live.once()
    found.stands("a", "running")
    found.type("cancel", "night", "a")
    none = found.type("retry", "night", "--failed")
    assert "nothing to retry" in none.stdout, "a cancelled one is no failed one"
    done = found.type("retry", "night", "a", "--detach")
    assert done.stdout.startswith("retried: a\nnight: the controller controller-night-")
    name = done.stdout.split("controller ")[1].split()[0]
    assert found.facts()["controller"] == name
    found.type("cancel", "night", "b")
    assert found.type("retry", "night", "b").stdout == f"retried: b\nnight: the controller {name} takes it up\n"
    live.once()
    found.stands("a", "running")
    found.stands("b", "running")


def test_a_retry_stays_until_the_run_is_aggregated_again(night: MakeNight, cluster: Cluster) -> None:
    found = night("a", "b")
    account = {"metadata": {"name": words.ACCOUNTS[words.REPORT]}}
    found.plane.request("POST", f"/api/v1/namespaces/{found.namespace}/serviceaccounts", account)
    report = {
        "podOverlay": {"metadata": {"annotations": ending(code=3)}},
        "placement": {"nodeSelector": {"gpu": "fake"}},
    }
    settings = found.settings(ending(code=65), report=report)
    pin(found.home, found.plan, settings, ("crossad", "submit"))
    assert controller(found, cluster).work(lambda seconds: sleep(0.2) is not None).exit_code == 3
    first = found.there(f"{words.COMPONENT}={words.REPORT}")

    done = found.type("retry", "night", "a")

    assert done.exit_code == 3, done.output + repr(done.exception)
    assert done.stdout.startswith("retried: a\n")
    assert len(first) == 1
    assert len(found.there(f"{words.COMPONENT}={words.REPORT}")) == 2
    assert len(found.there(f"{words.GENERATION}=2")) == 1
    assert [found.row(name)["generation"] for name in "ab"] == [2, 1]
    assert {found.row(name)["state"] for name in "ab"} == {"failed"}


def leave(night: Night, how: dict[str, str]) -> dict[str, str]:
    """All that a run leaves: (kind of component -> name), its Jobs owned by its anchor."""
    settings = night.settings(how)
    there = night.plane.request("POST", CONFIG_MAPS.path(night.namespace), anchor("night", night.namespace))
    owner = {"apiVersion": "v1", "kind": "ConfigMap", **there}
    (shard,) = plan_shards(night.plan, settings)
    night.plane.request("POST", CONFIG_MAPS.path(night.namespace), shard)
    report = report_job("night", settings)
    report["spec"]["template"]["metadata"]["annotations"] = how
    report["spec"]["template"]["spec"]["serviceAccountName"] = "default"
    report["spec"]["template"]["spec"]["nodeSelector"] = {"gpu": "fake"}
    (job,) = night.jobs("a", settings=settings)
    for body in (report, job):
        night.plane.request("POST", JOBS.path(night.namespace), owned(body, owner))
    names = {words.TRAINER: job, words.REPORT: report, words.PLAN: shard, words.ANCHOR: there}
    return {component: str(body["metadata"]["name"]) for component, body in names.items()}


def config_maps(night: Night) -> list[str]:
    found = night.plane.request("GET", CONFIG_MAPS.path(night.namespace))["items"]
    return sorted(one["metadata"]["name"] for one in found if one["metadata"]["name"] != "kube-root-ca.crt")


def test_gc_shows_first_then_removes_what_is_the_runs_and_nothing_else(night: MakeNight) -> None:
    found = night("a")
    names = leave(found, ending(code=0))
    other = {"metadata": {"name": "mine", "labels": {words.RUN: "another"}}, "data": {}}
    found.plane.request("POST", CONFIG_MAPS.path(found.namespace), other)
    for component in (words.TRAINER, words.REPORT):
        found.plane.until(
            JOBS.path(found.namespace, names[component]), lambda job: bool(job["status"].get("completionTime"))
        )
    stored = sorted(found.results.rglob("*"))

    looked = found.type("gc", "night", store=False)

    assert looked.exit_code == 0, looked.output + repr(looked.exception)
    assert all(name in looked.stdout for name in names.values())
    assert "nothing was removed; next: crossad gc night" in looked.stderr
    assert len(found.there()) == 2

    done = found.type("gc", "night", "--yes", store=False)
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "removed: 4 objects of run night" in done.stderr
    for component in (words.TRAINER, words.REPORT):
        found.gone(names[component])
    assert config_maps(found) == ["mine"]
    assert sorted(found.results.rglob("*")) == stored

    again = found.type("gc", "night", "--yes", store=False)
    assert again.exit_code == 2
    assert f"nothing of run night in namespace {found.namespace}" in again.stderr


def test_gc_leaves_a_living_run_alone_unless_it_is_forced(night: MakeNight) -> None:
    found = night("a")
    names = leave(found, ending("runs"))
    done = found.type("gc", "night", "--yes", store=False)
    assert done.exit_code == 2
    assert "run night is not over: 2 of its Jobs are at work or wait" in done.stderr
    assert len(found.there()) == 2
    hint = found.type("gc", "nights", store=False)
    assert "runs there: night" in hint.stderr
    forced = found.type("gc", "night", "--yes", "--force", store=False)
    assert forced.exit_code == 0, forced.output
    found.gone(names[words.TRAINER])
    assert config_maps(found) == []


@pytest.mark.parametrize("verb", ["status", "explain", "cancel", "retry", "logs", "gc"])
def test_a_cluster_that_cannot_be_named_is_one_message(night: MakeNight, verb: str) -> None:
    found = night("a")
    more = {"retry": ["a", "--settings", str(found.settings_file())], "logs": ["a"]}.get(verb, [])
    done = found.type(verb, "night", *more, "--context", "elsewhere", store=verb != "gc")
    assert isinstance(done.exception, ClusterBroken)
    assert "elsewhere" in done.exception.message
    assert done.exception.hint
