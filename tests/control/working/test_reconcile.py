"""A run in a real cluster, from its first Job to its aggregation; trainers are played, everything else is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import faultproxy
import pytest
from clients import ended
from plane import Plane

from crossad.control.aggregation import Ended
from crossad.control.census import Grace, Lot
from crossad.control.jobs import look
from crossad.control.muster import muster
from crossad.control.observe import ClusterObserver, surroundings
from crossad.control.pinned import pinned_locks
from crossad.control.retrying import candidates, reopen
from crossad.control.submission import pin
from crossad.errors import InterruptedRun
from crossad.kube.faults import ClusterDenied, ObjectRefused
from crossad.kube.resources import CONFIG_MAPS, JOBS, PODS, SECRETS
from crossad.kube.verdicts import Cause
from crossad.launch.state import RunState
from crossad.manifests import words
from crossad.manifests.control import anchor
from crossad.manifests.job import trainer_jobs
from crossad.manifests.text import to_yaml
from crossad.results.beacons import lit
from crossad.results.plan import newest_plan

from .conftest import RUN, Lab, ids, make_plan

DONE, PARTIAL = 0, 3


def patch(plane: Plane, path: str, change: dict[str, Any]) -> None:
    plane.request("PATCH", path, change, "application/merge-patch+json")


def seen_by_the_scheduler(lab: Lab, pods: int) -> None:
    """Wait until it has placed, or refused, each of so many pods."""

    def seen(found: dict[str, Any]) -> bool:
        words = [str(pod["status"]) for pod in found["items"]]
        return len(words) == pods and all("PodScheduled" in one for one in words)

    lab.plane.until(PODS.path(lab.namespace), seen)


def test_a_run_comes_to_its_end_and_the_same_again_does_nothing(lab: Lab) -> None:
    lab.pin(make_plan("a", "b", "c/shared", "d/shared"))
    assert lab.work().exit_code == DONE
    assert sorted(lab.trainers.ran) == [("a",), ("b",), ("c", "d")]
    assert lab.trainers.reports == [DONE]
    before = lab.names(), lab.names(words.REPORT), sorted(entry.key for entry in lab.store.list())
    cluster = lab.cluster()
    lab.said.clear()
    assert lab.work(cluster=cluster).exit_code == DONE
    assert (lab.names(), lab.names(words.REPORT), sorted(entry.key for entry in lab.store.list())) == before
    assert not [line for line in lab.said if line.startswith("writing")]


def test_its_jobs_are_those_of_render_but_for_their_owner(lab: Lab) -> None:
    plan = lab.pin(make_plan("a", "b/t", "c/t"))
    lab.reconciler().once()
    owner = lab.plane.request("GET", CONFIG_MAPS.path(lab.namespace, anchor(RUN, lab.namespace)["metadata"]["name"]))
    made = {job["metadata"]["name"]: job for job in lab.jobs()}
    rendered = {job["metadata"]["name"]: job for job in trainer_jobs(plan, lab.settings())}
    assert set(made) == set(rendered)
    for name, job in rendered.items():
        told = made[name]["metadata"]
        assert told["labels"] == job["metadata"]["labels"]
        assert told["annotations"] == job["metadata"]["annotations"]
        (reference,) = told["ownerReferences"]
        assert reference["uid"] == owner["metadata"]["uid"]
        assert "controller" not in reference


def test_the_anchor_takes_its_jobs_with_it(lab: Lab) -> None:
    lab.pin(make_plan("a"))
    lab.reconciler().once()
    (name,) = lab.names()
    lab.cluster().delete(CONFIG_MAPS, anchor(RUN, lab.namespace)["metadata"]["name"])
    lab.plane.until(JOBS.path(lab.namespace, name), lambda found: found is None)


def test_what_was_rendered_and_applied_is_adopted(lab: Lab) -> None:
    plan = make_plan("a", "b")
    text = "---\n".join(to_yaml(job) for job in trainer_jobs(plan, lab.settings()))
    lab.plane.kubectl("apply", "-f", "-", told=text)
    uids = sorted(job["metadata"]["uid"] for job in lab.jobs())
    lab.pin(plan)
    assert lab.work().exit_code == DONE
    assert sorted(job["metadata"]["uid"] for job in lab.jobs()) == uids


def test_committed_conditions_are_skipped(lab: Lab) -> None:
    lab.home.ledger.commit("condition", "a", {"attempt": "x", "run": "another"})
    lab.pin(make_plan("a", "b"))
    assert lab.work().exit_code == DONE
    assert ids(lab.jobs()) == [["b"]]


def test_what_was_committed_with_other_data_is_done_again_where_the_lock_is_known(lab: Lab) -> None:
    old, new = "a" * 64, "b" * 64
    lab.home.ledger.commit("condition", "a", {"attempt": "x", "run": "another"}, old)
    lab.home.ledger.commit("condition", "b", {"attempt": "x", "run": "another"}, new)
    lab.trainers.lock = new
    pin(lab.home, make_plan("a", "b"), lab.settings(), (), lambda plan: {"a": new, "b": new})
    assert lab.work().exit_code == DONE
    assert ids(lab.jobs()) == [["a"]]
    third = "c" * 64
    lab.trainers.lock = third
    pin(lab.home, make_plan("a", "b"), lab.settings(), (), lambda plan: {"a": third, "b": third})
    lab.work()
    assert ids(lab.jobs()) == [["a"], ["b"]], "a's Job of this run did its work, b had none"
    plan = newest_plan(lab.store, RUN)
    rows = ClusterObserver(lab.home, plan, surroundings(lab.cluster(), RUN), pinned_locks(lab.store, RUN)).all()
    assert [(row.state, row.reason) for row in rows] == [
        ("stale", "done, but the data are others now"), ("done", "committed"),
    ]  # fmt: skip
    again = candidates(plan, rows, plan.conditions, cancelled=False)
    assert [entry.condition_id for entry in reopen(lab.home, RUN, again.over)] == ["a"]
    assert lab.work().exit_code == DONE
    assert ids(lab.jobs()) == [["a"], ["a"], ["b"]]


@pytest.mark.parametrize("code", [64, 65, 66, 70, 78])
def test_a_condition_that_fails_for_good_is_closed_with_the_trainers_words(lab: Lab, code: int) -> None:
    lab.trainers.codes = {"a": [code, code]}
    lab.pin(make_plan("a", "b"))
    assert lab.work().exit_code == PARTIAL
    verdict = lab.verdict("a")
    assert verdict is not None
    assert (verdict.kind, verdict.exit_code, verdict.hint) == ("failed", code, "mend it")
    assert verdict.reason.startswith(f"exit code {code}: ")
    assert verdict.reason.endswith(": a says why")
    assert sorted(lab.trainers.ran) == [("a",), ("b",)], "it is not tried again"
    assert lab.verdict("b") is None


@pytest.mark.parametrize("code", [75, 1, 137])
def test_an_interruption_or_a_crash_is_tried_again_by_its_job(lab: Lab, code: int) -> None:
    lab.trainers.codes = {"a": [code]}
    lab.pin(make_plan("a"))
    assert lab.work().exit_code == DONE
    assert lab.trainers.ran == [("a",), ("a",)]
    assert len(lab.jobs()) == 1


def test_crashes_without_end_fail_it_for_good(lab: Lab) -> None:
    lab.trainers.codes = {"a": [1, 1, 1]}
    lab.pin(make_plan("a"), **{"job.backoffLimit": 0})
    assert lab.work().exit_code == PARTIAL
    verdict = lab.verdict("a")
    assert verdict is not None
    assert verdict.exit_code == 1
    assert "all its attempts failed" in verdict.reason


def test_complete_without_a_commit_fails_and_a_retry_opens_it(lab: Lab) -> None:
    lab.trainers.silent = {"a"}
    lab.pin(make_plan("a", "b"))
    assert lab.work().exit_code == PARTIAL
    verdict = lab.verdict("a")
    assert verdict is not None
    assert "left no commit" in verdict.reason
    lab.trainers.silent = set()
    assert RunState(lab.home, RUN).reopen("a")
    assert lab.work().exit_code == DONE
    assert ids(lab.jobs()) == [["a"], ["a"], ["b"]]
    assert lab.trainers.reports == [PARTIAL, DONE], "what was tried again is aggregated again"


def test_a_job_that_its_ttl_removed_is_not_made_again(lab: Lab) -> None:
    lab.trainers.silent = {"a"}
    lab.pin(make_plan("a"), **{"job.ttlSeconds": 0})
    lab.reconciler().once()
    (name,) = lab.names()
    while not lab.trainers.ran:
        lab.trainers.step()
    lab.plane.until(JOBS.path(lab.namespace, name), lambda found: found is None)
    assert lab.work().exit_code == PARTIAL, "by a controller that never saw it"
    assert lab.trainers.ran == [("a",)]
    verdict = lab.verdict("a")
    assert verdict is not None
    assert "gone" in verdict.reason


def test_a_run_whose_jobs_vanish_when_they_end_still_ends(lab: Lab) -> None:
    lab.pin(make_plan("a", "b"), **{"job.ttlSeconds": 0})
    assert lab.work().exit_code == DONE
    assert sorted(lab.trainers.ran) == [("a",), ("b",)]


def test_a_job_removed_by_hand_is_not_made_again_but_by_a_retry(lab: Lab) -> None:
    lab.pin(make_plan("a"))
    lab.reconciler().once()
    lab.cluster().delete(JOBS, lab.names()[0])
    lab.plane.until(JOBS.path(lab.namespace), lambda found: not found["items"])
    assert lab.work().exit_code == PARTIAL
    assert RunState(lab.home, RUN).reopen("a")
    assert lab.work().exit_code == DONE


def test_no_more_than_max_active_are_unfinished_at_any_look(lab: Lab) -> None:
    lab.pin(make_plan(*"abcdefg"), **{"control.maxActive": 2})
    most = 0

    def wait(seconds: float) -> bool:
        nonlocal most
        most = max(most, sum(not ended(job) for job in lab.jobs()))
        lab.trainers.step()
        return False

    assert lab.reconciler().work(wait).exit_code == DONE
    assert most == 2
    assert len(lab.jobs()) == 7


def test_a_job_that_does_not_start_in_time_gives_its_slot_to_the_next(lab: Lab) -> None:
    plan = make_plan("a", "b")
    nowhere = plan.conditions[0].model_copy(update={"resources": {"node_selector": {"gpu": "none-has-it"}}})
    lab.pin(
        plan.model_copy(update={"conditions": (nowhere, plan.conditions[1])}),
        **{"control.maxActive": 1, "control.startDeadlineSeconds": 3600},
    )
    worker = lab.reconciler()
    worker.once()
    seen_by_the_scheduler(lab, 1)
    worker.once()
    assert ids(lab.jobs()) == [["a"]]
    assert lab.verdict("a") is None
    lab.store.ahead = timedelta(seconds=3601)
    worker.once()
    verdict = lab.verdict("a")
    assert verdict is not None
    assert verdict.reason.startswith("it did not start within 1 h: ")
    assert "none-has-it" in verdict.reason
    lab.store.ahead = timedelta()
    assert lab.work().exit_code == PARTIAL
    assert ids(lab.jobs()) == [["b"]]


def test_what_queues_for_a_full_node_keeps_its_slot_and_what_can_never_start_does_not(lab: Lab) -> None:
    plan = make_plan("a", "b", "c")
    nowhere = plan.conditions[2].model_copy(update={"resources": {"node_selector": {"gpu": "none-has-it"}}})
    plan = plan.model_copy(update={"conditions": (*plan.conditions[:2], nowhere)})
    with lab.plane.node(1, {"only": lab.namespace}):
        lab.pin(plan, **{"control.startDeadlineSeconds": 3600, "placement.nodeSelector": {"only": lab.namespace}})
        worker = lab.reconciler()
        worker.once()
        seen_by_the_scheduler(lab, 3)
        lab.store.ahead = timedelta(seconds=3601)
        worker.once()
        causes = {job.conditions: job.verdict.cause for job in look(lab.cluster(), RUN)}
        assert Cause.BUSY in causes.values(), "one of a and b has the GPU, the other one waits for it"
        assert (lab.verdict("a"), lab.verdict("b")) == (None, None)
        verdict = lab.verdict("c")
        assert verdict is not None
        assert verdict.reason.startswith("it did not start within 1 h: ")
        assert ids(lab.jobs()) == [["a"], ["b"]]
        lab.store.ahead = timedelta()
        assert lab.work().exit_code == PARTIAL
    assert sorted(lab.trainers.ran) == [("a",), ("b",)]


def test_what_was_taken_from_its_node_at_work_is_not_late(lab: Lab) -> None:
    """Drained, preempted: its next pod may wait for hours, and its work is in the store."""
    lab.pin(make_plan("a", "b"), **{"control.startDeadlineSeconds": 3600, "placement.nodeSelector": {"gpu": "gone"}})
    worker = lab.reconciler()
    worker.once()
    seen_by_the_scheduler(lab, 2)
    lit(lab.store, RUN, "a", "attempt", 30.0)
    lab.store.ahead = timedelta(seconds=3601)
    worker.once()
    assert lab.verdict("a") is None
    assert lab.verdict("b") is not None
    assert ids(lab.jobs()) == [["a"]]
    lit(lab.store, RUN, "b", "attempt", 30.0)
    assert RunState(lab.home, RUN).reopen("b")
    worker.once()
    assert ids(lab.jobs()) == [["a"], ["b"]]
    seen_by_the_scheduler(lab, 2)
    lab.store.ahead = timedelta(seconds=2 * 3601)
    worker.once()
    assert lab.verdict("b") is not None, "what worked was its earlier generation"


def test_what_restricted_does_not_admit_is_warned_of_once_and_closed_with_the_reason(lab: Lab) -> None:
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}}
    patch(lab.plane, f"/api/v1/namespaces/{lab.namespace}", labels)
    lab.pin(make_plan("a", "b"), podOverlay={"spec": {"hostNetwork": True}}, **{"control.startDeadlineSeconds": 3600})
    worker = lab.reconciler()
    worker.once()
    assert sum("the server warns" in line and "hostNetwork" in line for line in lab.said) == 1
    refused = f"/api/v1/namespaces/{lab.namespace}/events?fieldSelector=reason=FailedCreate"
    subjects = lambda found: {one["involvedObject"]["name"] for one in found["items"]}  # noqa: E731 - said once
    lab.plane.until(refused, lambda found: len(subjects(found)) == 2)
    lab.store.ahead = timedelta(seconds=3601)
    worker.once()
    for one in "ab":
        verdict = lab.verdict(one)
        assert verdict is not None
        assert 'violates PodSecurity "restricted' in verdict.reason
    assert lab.work().exit_code == PARTIAL
    assert lab.jobs() == []


def test_what_a_queue_does_to_a_job_is_left_alone(lab: Lab) -> None:
    """As Kueue does: suspended by a webhook, a node selector injected; submitted again, released."""

    def suspended(method: str, body: bytes) -> bytes:
        job = json.loads(body) if method == "POST" else {}
        return json.dumps({**job, "spec": {**job["spec"], "suspend": True}}).encode() if "spec" in job else body

    lab.pin(make_plan("a"))
    with faultproxy.serving(lab.plane.url, context=lab.plane.context) as webhook:
        webhook.forward_body = suspended
        lab.reconciler(cluster=lab.cluster(server=webhook.endpoint)).once()
    path = JOBS.path(lab.namespace, lab.names()[0])
    patch(lab.plane, path, {"spec": {"template": {"spec": {"nodeSelector": {"gpu": "fake"}}}}})
    before = lab.plane.request("GET", path)
    lab.pin(make_plan("a"))
    for _ in range(2):
        assert lab.reconciler().once()[0] is None
    now = lab.plane.request("GET", path)
    assert now["metadata"]["uid"] == before["metadata"]["uid"]
    assert now["spec"] == before["spec"]
    assert now["spec"]["suspend"] is True
    patch(lab.plane, path, {"spec": {"suspend": False}})
    assert lab.work().exit_code == DONE
    assert lab.plane.request("GET", path)["spec"]["template"]["spec"]["nodeSelector"] == {"gpu": "fake"}


def test_what_a_queue_takes_back_while_it_runs_goes_on_later(lab: Lab) -> None:
    """Kueue's preemption: the pod is deleted without DisruptionTarget, and ends with 75."""
    lab.pin(make_plan("a"), **{"job.backoffLimit": 0})
    lab.reconciler().once()
    (name,) = lab.names()
    lab.plane.running_pod(lab.namespace, name)
    path = JOBS.path(lab.namespace, name)
    patch(lab.plane, path, {"spec": {"suspend": True}})
    lab.plane.until(PODS.path(lab.namespace), lambda found: not found["items"])
    assert lab.reconciler().once()[0] is None
    assert lab.verdict("a") is None
    patch(lab.plane, path, {"spec": {"suspend": False}})
    assert lab.work().exit_code == DONE
    assert lab.names() == [name]


def test_a_pod_that_the_scheduler_preempts_costs_nothing(lab: Lab) -> None:
    for name, value in (("test-low", 1), ("test-high", 1000)):
        told = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }
        lab.plane.kubectl("apply", "-f", "-", told=to_yaml(told))
    with lab.plane.node(1, {"only": lab.namespace}):
        lab.pin(
            make_plan("a"),
            **{
                "placement.nodeSelector": {"only": lab.namespace},
                "placement.priorityClassName": "test-low",
                "job.backoffLimit": 0,
            },
        )
        lab.reconciler().once()
        job = lab.names()[0]
        lab.plane.running_pod(lab.namespace, job)
        pod = lab.plane.request("GET", PODS.path(lab.namespace))["items"][0]
        spec = {key: pod["spec"][key] for key in ("containers", "securityContext", "restartPolicy", "volumes")}
        rival = {
            "metadata": {"name": "rival", "annotations": {"kwok.test/ending": "exit", "kwok.test/code": "0"}},
            "spec": {**spec, "priorityClassName": "test-high", "nodeSelector": {"only": lab.namespace}},
        }
        lab.plane.request("POST", PODS.path(lab.namespace), rival)
        lab.plane.until(PODS.path(lab.namespace, pod["metadata"]["name"]), lambda found: found is None)
        assert lab.work().exit_code == DONE
    assert lab.trainers.ran == [("a",)]
    assert len(lab.jobs()) == 1


def test_a_quota_is_waited_for(lab: Lab) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "2"}}}
    lab.plane.request("POST", f"/api/v1/namespaces/{lab.namespace}/resourcequotas", quota)
    path = f"/api/v1/namespaces/{lab.namespace}/resourcequotas/few"
    lab.plane.until(path, lambda found: "hard" in found.get("status", {}))
    lab.pin(make_plan("a", "b", "c"), **{"job.ttlSeconds": 0})
    assert lab.work(threads=1).exit_code == DONE
    assert any("no further Jobs for now" in line and "quota" in line for line in lab.said)
    assert sorted(lab.trainers.ran) == [("a",), ("b",), ("c",)]


def test_a_server_that_takes_none_of_the_jobs_ends_it_with_the_reason(lab: Lab) -> None:
    lab.pin(make_plan("a", "b"), podOverlay={"spec": {"containers": [{"name": "trainer", "nonsense": 1}]}})
    with pytest.raises(ObjectRefused, match=r"none of the 2 Jobs is accepted.*nonsense"):
        lab.work()
    assert lab.jobs(words.REPORT) == []
    lab.pin(make_plan("a", "b"))
    assert lab.work().exit_code == DONE, "mended, the same run goes on"


def test_what_is_refused_holds_up_nothing_else(lab: Lab) -> None:
    plan = make_plan("a", "b")
    odd = plan.conditions[0].model_copy(update={"config": {**plan.conditions[0].config, "model_type": "draem"}})
    lab.pin(
        plan.model_copy(update={"conditions": (odd, plan.conditions[1])}),
        models={"draem": {"gpuResource": "widgets"}},
    )
    assert lab.work().exit_code == PARTIAL
    assert ids(lab.jobs()) == [["b"]]
    verdict = lab.verdict("a")
    assert verdict is not None
    assert verdict.reason.startswith("its Job is refused: create Job ")
    assert "widgets" in verdict.reason
    around = surroundings(lab.cluster(), RUN)
    told = {row.name: row for row in ClusterObserver(lab.home, newest_plan(lab.store, RUN), around).all()}
    assert (told["condition a"].state, told["condition a"].reason) == ("failed", verdict.reason)
    assert told["condition a"].next_step.endswith("crossad retry night1 'condition a'")
    grace = Grace(lab.store.now(), timedelta())
    fates = muster(lab.home, newest_plan(lab.store, RUN), lab.cluster(), grace).fates
    assert (fates[0].lot, fates[0].reason) == (Lot.FAILED, verdict.reason)
    assert RunState(lab.home, RUN).reopen("a")
    assert lab.work().exit_code == PARTIAL, "tried again, and refused again"
    assert lab.verdict("a") is not None
    assert RunState(lab.home, RUN).reopen("a")
    lab.pin(plan)
    assert lab.work().exit_code == DONE, "with mended settings"


def test_a_living_job_of_another_run_is_refused_and_its_commit_counts(lab: Lab) -> None:
    """Two runs of one suite in one namespace."""
    lab.pin(make_plan("a", "b", run="night1"))
    lab.pin(make_plan("a", "c", run="night2"))
    first, second = lab.reconciler("night1"), lab.reconciler("night2")
    first.once()
    second.once()
    assert ids(lab.jobs()) == [["a"], ["b"], ["c"]]
    told = next(line for line in lab.said if line.startswith("refused: condition a"))
    theirs = next(job for job in lab.jobs() if ids([job]) == [["a"]])
    assert f"Job {theirs['metadata']['name']} of run night1" in told
    assert "hint: wait until it ends" in told
    assert lab.work("night2").exit_code == DONE
    assert lab.work("night1").exit_code == DONE
    assert sorted(lab.trainers.ran) == [("a",), ("b",), ("c",)]


def test_a_living_job_of_other_settings_is_refused_and_ends_in_peace(lab: Lab) -> None:
    lab.pin(make_plan("a", "b"), **{"control.maxActive": 1})
    lab.reconciler().once()
    lab.pin(make_plan("a", "b"), labels={"team": "vision"})
    assert lab.work().exit_code == DONE
    assert any("made with other settings" in line for line in lab.said)
    assert ids(lab.jobs()) == [["a"], ["b"]]
    labels = {ids([job])[0][0]: job["metadata"]["labels"].get("team") for job in lab.jobs()}
    assert labels == {"a": None, "b": "vision"}


def test_a_plan_that_grows_adopts_what_lives(lab: Lab) -> None:
    lab.pin(make_plan("a", "b"))
    worker = lab.reconciler()
    worker.once()
    uids = {job["metadata"]["uid"] for job in lab.jobs()}
    lab.pin(make_plan("a", "b", "c"))
    worker.once()
    assert ids(lab.jobs()) == [["a"], ["b"], ["c"]], "by the controller that was there before"
    assert lab.work().exit_code == DONE
    assert uids < {job["metadata"]["uid"] for job in lab.jobs()}
    assert len(lab.jobs()) == 3


def test_what_is_cancelled_stays_cancelled_under_a_living_controller(lab: Lab) -> None:
    lab.pin(make_plan("a", "b", "c/t", "d/t"))
    worker = lab.reconciler()
    worker.once()
    for one in ("a", "d"):
        RunState(lab.home, RUN).close(one, "cancelled", "by hand")
    assert lab.work().exit_code == PARTIAL
    assert sorted(lab.trainers.ran) == [("b",), ("c",)]
    verdict = lab.verdict("a")
    assert verdict is not None
    assert verdict.kind == "cancelled"


def test_a_run_on_which_nothing_moves_is_reported_on_at_last(lab: Lab) -> None:
    changes = {"placement.nodeSelector": {"gpu": "none-has-it"}, "control.maxActive": 1, "report.deadlineSeconds": 90}
    lab.pin(make_plan("a", "b"), **changes)
    worker = lab.reconciler()
    worker.once()
    assert worker.once() == (None, False)
    lab.store.ahead = timedelta(seconds=100)
    worker.once()
    (report,) = lab.jobs(words.REPORT)
    arguments = report["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--deadline") + 1] == "60"
    assert lab.work().exit_code == PARTIAL
    assert lab.verdict("a") is None
    assert any("2 conditions are open" in line for line in lab.said)


def test_two_at_once_do_what_one_does(lab: Lab) -> None:
    lab.pin(make_plan(*"abcdef"), **{"control.maxActive": 3})
    found: list[Ended] = []
    over: list[bool] = []

    def bring_to_its_end() -> None:
        found.append(lab.reconciler().work(lambda seconds: bool(over)))

    threads = [Thread(target=bring_to_its_end) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(400):
        if not any(thread.is_alive() for thread in threads):
            break
        lab.trainers.step()
    over.append(True)
    for thread in threads:
        thread.join()
    assert [one.exit_code for one in found] == [DONE, DONE]
    assert len(lab.jobs()) == 6
    assert lab.trainers.reports == [DONE]
    assert sorted(lab.trainers.ran) == [(one,) for one in "abcdef"]


def test_a_stop_is_obeyed_between_two_creations_and_the_same_again_continues(lab: Lab) -> None:
    lab.pin(make_plan(*"abcd"))
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(InterruptedRun):
        lab.reconciler(threads=1, stopped=stopped).work(lambda seconds: False)
    assert len(lab.jobs()) == 2
    assert lab.work().exit_code == DONE


def test_the_controllers_account_can_do_its_work_and_no_more(lab: Lab) -> None:
    lab.trainers.codes = {"b": [65]}
    cluster = lab.cluster(lab.token(words.CONTROLLER))
    lab.pin(make_plan("a", "b"), **{"control.startDeadlineSeconds": 3600})
    assert lab.work(cluster=cluster).exit_code == PARTIAL
    name = lab.names()[0]
    for what in forbidden(cluster, name):
        with pytest.raises(ClusterDenied):
            what()
    for verb, resource in (
        ("patch", JOBS),
        ("update", JOBS),
        ("get", SECRETS),
        ("create", PODS),
        ("delete", CONFIG_MAPS),
    ):
        assert not cluster.may(verb, resource), (verb, resource)
    for verb in ("create", "get", "list", "delete"):
        assert cluster.may(verb, JOBS)


def forbidden(cluster: Any, job: str) -> list[Callable[[], object]]:
    pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    return [
        lambda: cluster.gather(SECRETS, dict),
        lambda: cluster.post(PODS, pod),
        lambda: cluster.delete(PODS, "x"),
        lambda: cluster.delete(CONFIG_MAPS, anchor(RUN, cluster.place.namespace)["metadata"]["name"]),
    ]


def test_what_a_run_leaves_in_the_store_is_json_that_says_it(lab: Lab) -> None:
    lab.pin(make_plan("a"))
    lab.work()
    keys = [entry.key for entry in lab.store.list(f"runs/{RUN}/")]
    assert f"runs/{RUN}/settings/0001.json" in keys
    (end,) = [key for key in keys if key.endswith("/ended.json")]
    assert json.loads(lab.store.get(end)) == {
        "exit_code": 0,
        "sentence": "all conditions are committed, and the report is written",
    }
