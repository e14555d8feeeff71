"""The waiter on a real control plane: Jobs that end in every way, vanish, never start, or cannot be asked for."""

from __future__ import annotations

from pathlib import Path

import clusterjobs
import faultproxy
import nightworld
import pytest
from clients import Open, status
from fetchworld import World
from nightworld import Night
from plane import Plane

from crossad.control.census import Lot
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterDenied
from crossad.kube.resources import JOBS, SECRETS
from crossad.manifests import words
from crossad.manifests.access import access
from crossad.results.home import BucketHome
from crossad.store.folder import FolderStore

RUNS = clusterjobs.ending("runs")


@pytest.fixture
def night(plane: Plane, namespace: str, gpu_node: str, tmp_path: Path) -> Night:
    """A run in a bucket that is a folder, which a store's user cannot tell."""
    home = BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")
    return Night(plane, World(home, tmp_path / "scratch"), nightworld.settings(namespace))


def test_it_waits_for_the_last_commit(night: Night, cluster: Cluster) -> None:
    night.owes("one", "two")
    night.apply("one")
    night.apply("two", ending=RUNS)
    night.world.done("one", "a1")
    found = night.wait(cluster, meanwhile=lambda: night.world.done("two", "a2"))
    assert {fate.lot for fate in found.values()} == {Lot.COMMITTED}
    assert night.said[-1] == "night1: 2 committed"


@pytest.mark.parametrize("code", [64, 65, 66, 70, 78])
def test_a_trainer_that_fails_for_good_is_failed_by_its_exit_code(night: Night, cluster: Cluster, code: int) -> None:
    night.owes("bad")
    night.apply("bad", ending=clusterjobs.ending(code=code))
    night.failed("bad", code, "domain B has no fault images", "add some")
    fate = night.wait(cluster)["bad"]
    assert fate.lot is Lot.FAILED
    assert fate.reason.startswith(f"exit code {code}: ")
    assert fate.reason.endswith(": domain B has no fault images")
    assert fate.next_step == "add some; then crossad retry night1 bad"


def test_crashes_are_failed_once_no_attempt_is_left(night: Night, cluster: Cluster) -> None:
    night.owes("crash", "killed")
    night.apply("crash", ending=clusterjobs.ending(code=1))
    night.apply("killed", ending=clusterjobs.ending("oom"))
    found = night.wait(cluster)
    assert "all its attempts failed, the last one: exit code 1" in found["crash"].reason
    assert "out of memory" in found["killed"].reason
    assert {fate.lot for fate in found.values()} == {Lot.FAILED}


def test_an_interrupted_trainer_is_waited_for(night: Night, cluster: Cluster) -> None:
    night.owes("moved")
    job = night.apply("moved", ending=RUNS)
    night.plane.evict(night.settings.namespace, night.plane.running_pod(night.settings.namespace, job))
    assert night.wait(cluster, deadline=0)["moved"].open
    found = night.wait(cluster, meanwhile=lambda: night.world.done("moved", "a"))
    assert found["moved"].lot is Lot.COMMITTED


def test_jobs_that_were_removed_before_the_look_are_judged_by_what_they_left(night: Night, cluster: Cluster) -> None:
    night.owes("done", "bad", "empty")
    jobs = [night.apply("done", ttlSecondsAfterFinished=0), night.apply("empty", ttlSecondsAfterFinished=0)]
    jobs.append(night.apply("bad", ending=clusterjobs.ending(code=66), ttlSecondsAfterFinished=0))
    night.world.done("done", "a")
    night.failed("bad", 66, "no domain B")
    for job in jobs:
        night.gone(job)
    found = night.wait(cluster)
    assert {name: fate.lot for name, fate in found.items()} == {
        "done": Lot.COMMITTED, "bad": Lot.FAILED, "empty": Lot.LOST,
    }  # fmt: skip
    assert found["bad"].reason == "its Job is gone; no domain B"


def test_a_job_that_somebody_deletes_is_lost_once_the_grace_is_over(night: Night, cluster: Cluster) -> None:
    night.owes("one")
    job = night.apply("one", ending=RUNS)
    night.plane.running_pod(night.settings.namespace, job)

    def delete() -> None:
        night.plane.kubectl("delete", "job", job, namespace=night.settings.namespace)
        night.gone(job)

    assert night.wait(cluster, meanwhile=delete)["one"].lot is Lot.LOST
    assert night.said[0] == "night1: 1 running"
    assert night.wait(cluster, grace=600, deadline=0)["one"].lot is Lot.WAITING


def test_complete_without_a_commit_is_lost_and_named(night: Night, cluster: Cluster) -> None:
    night.owes("one")
    job = night.apply("one")
    fate = night.wait(cluster, grace=600)["one"]
    assert fate.lot is Lot.LOST
    assert job in fate.reason


def test_what_cannot_be_scheduled_is_told_at_the_deadline(night: Night, cluster: Cluster) -> None:
    night.owes("one")
    job = night.apply("one", pod={"nodeSelector": {"gpu": "none-such"}})
    night.pods(job, lambda pod: "conditions" in pod["status"], "the scheduler's word")
    fate = night.wait(cluster, deadline=0)["one"]
    assert fate.lot is Lot.WAITING
    assert "gpu" in fate.reason
    assert fate.next_step
    assert f"one: waiting: {fate.reason}" in night.said
    assert night.said[-1] == "the deadline has passed; not ended: 1 of 1 conditions"


def test_what_a_queue_holds_back_is_waited_for_until_the_deadline(
    plane: Plane, namespace: str, night: Night, cluster: Cluster
) -> None:
    """As Kueue does: suspended at its creation, by another hand."""
    night.settings = nightworld.settings(namespace, queue={"name": "gpus"})
    night.owes("one")
    night.apply("one", suspend=True)
    fate = night.wait(cluster, deadline=0)["one"]
    assert fate.lot is Lot.WAITING
    assert "it waits in the queue gpus" in fate.reason


def test_a_half_applied_folder_ends_with_the_rest_lost_by_name(night: Night, cluster: Cluster) -> None:
    night.owes("one", "two", "three")
    night.apply("one")
    night.world.done("one", "a")
    assert night.wait(cluster, grace=600, deadline=0)["two"].lot is Lot.WAITING
    found = night.wait(cluster)
    assert [found[name].lot for name in ("one", "two", "three")] == [Lot.COMMITTED, Lot.LOST, Lot.LOST]
    assert {"two: lost: it has no Job, and left no result", "three: lost: it has no Job, and left no result"} <= set(
        night.said
    )


def test_conditions_of_one_training_are_judged_by_their_one_job(night: Night, cluster: Cluster) -> None:
    night.owes("one", "two", one="t", two="t")
    night.apply("one", "two", ending=clusterjobs.ending(code=65))
    night.world.done("one", "a")
    found = night.wait(cluster)
    assert (found["one"].lot, found["two"].lot) == (Lot.COMMITTED, Lot.FAILED)
    assert found["two"].job is not None


EXPIRED = status(410, "Expired", "the resource version is too old")
BUSY = status(429, "TooManyRequests", "please try again later", retryAfterSeconds=1)
BROKEN = status(500, "InternalError", "etcdserver: request timed out")


@pytest.mark.parametrize("path", ["/jobs?", "/pods?"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("refuse", {"status": 410, "body": EXPIRED}),
        ("refuse", {"status": 429, "body": BUSY, "headers": {"Retry-After": "1"}}),
        ("refuse", {"status": 500, "body": BROKEN}),
        ("refuse", {"status": 503, "body": b"<html>no backend</html>"}),
        ("cut", {}),
        ("lose", {}),
        ("truncate", {}),
    ],
)
def test_faults_of_the_api_change_nothing(
    night: Night, plane: Plane, open_as: Open, path: str, kind: faultproxy.Kind, told: dict[str, object]
) -> None:
    night.owes("done", "bad", "empty")
    for job in (night.apply("bad", ending=clusterjobs.ending(code=65)), night.apply("empty")):
        night.over(job)
    night.world.done("done", "a")
    with faultproxy.serving(plane.url, context=plane.context) as proxy:
        proxy.add(kind, "GET", path, times=2, **told)
        found = night.wait(open_as(server=proxy.endpoint))
        assert proxy.count("GET", path) >= 3
    assert [found[name].lot for name in ("done", "bad", "empty")] == [Lot.COMMITTED, Lot.FAILED, Lot.LOST]


def test_an_api_that_is_down_loses_no_condition_and_the_wait_goes_on_when_it_is_back(
    night: Night, plane: Plane, open_as: Open
) -> None:
    night.owes("one", "two")
    night.over(night.apply("one"))
    with faultproxy.serving(plane.url, context=plane.context) as proxy:
        down = proxy.add("cut", "GET", times=1_000_000)
        cluster = open_as(server=proxy.endpoint)
        assert [fate.lot for fate in night.wait(cluster, deadline=0).values()] == [Lot.WAITING, Lot.WAITING]
        night.world.done("two", "a")
        found = night.wait(cluster, meanwhile=lambda: setattr(down, "times", 0))
    assert [fate.lot for fate in found.values()] == [Lot.LOST, Lot.COMMITTED]
    assert any(text.endswith("; commits are watched meanwhile") for text in night.said)
    assert "the cluster tells of its Jobs again" in night.said


def test_commits_alone_end_a_wait_while_the_api_is_down(night: Night, plane: Plane, open_as: Open) -> None:
    night.owes("one")
    with faultproxy.serving(plane.url, context=plane.context) as proxy:
        proxy.add("cut", "GET", times=1_000_000)
        found = night.wait(open_as(server=proxy.endpoint), meanwhile=lambda: night.world.done("one", "a"))
    assert found["one"].lot is Lot.COMMITTED


def account(night: Night, rules: list[dict[str, object]]) -> str:
    return night.plane.account(night.settings.namespace, "waiter", rules)


def test_the_rights_of_the_reports_account_are_enough_and_allow_no_write(night: Night, open_as: Open) -> None:
    (role,) = [one for one in access(words.REPORT, night.settings) if one["kind"] == "Role"]
    cluster = open_as(account(night, role["rules"]))
    night.owes("bad", "held")
    night.apply("bad", ending=clusterjobs.ending(code=65))
    with nightworld.quota(night.plane, night.settings.namespace):
        night.apply("held")
        events = f"/api/v1/namespaces/{night.settings.namespace}/events?fieldSelector=reason=FailedCreate"
        night.plane.until(events, lambda found: bool(found["items"]), "the refusal of a pod")
        night.plane.until(JOBS.path(night.settings.namespace, night.job("bad")["metadata"]["name"]), lambda _: True)
        found = night.wait(cluster, deadline=0)
    assert "the namespace's quota is used up" in found["held"].reason, "only events tell this"
    with pytest.raises(ClusterDenied):
        cluster.post(JOBS, night.job("held"))
    with pytest.raises(ClusterDenied):
        cluster.delete(JOBS, night.job("held")["metadata"]["name"])
    with pytest.raises(ClusterDenied):
        cluster.gather(SECRETS, dict)


@pytest.mark.parametrize("token", ["of an account without rights", "that nobody knows"])
def test_without_rights_plan_and_commits_decide_and_that_is_said(night: Night, open_as: Open, token: str) -> None:
    night.owes("done", "bad", "empty")
    night.over(night.apply("empty"))
    night.world.done("done", "a")
    night.failed("bad", 65, "domain B has no fault images")
    cluster = open_as(account(night, []) if token.endswith("rights") else "no-such-token")
    found = night.wait(cluster, deadline=0)
    assert [found[name].lot for name in ("done", "bad", "empty")] == [Lot.COMMITTED, Lot.FAILED, Lot.WAITING]
    (told,) = [text for text in night.said if "plan and commits decide alone" in text]
    assert ("may not list pods" in told) == token.endswith("rights"), told
    assert "hint: " in told
