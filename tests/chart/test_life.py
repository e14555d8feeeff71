"""A release while its controller is at work: what upgrade, rollback, uninstall and test do is what NOTES.txt says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plane import Plane
from releaselife import RUN, Life, commands
from s3servers import Place

from crossad.control.pinned import pinned_settings
from crossad.manifests import words
from crossad.results.layout import run_key

from .conftest import Helm

DONE, REFUSED, PARTIAL, INTERRUPTED = 0, 2, 3, 75


@pytest.fixture
def life(plane: Plane, namespace: str, gpu_node: str, versitygw: Place, helm: Helm, tmp_path: Path) -> Iterator[Life]:
    made = Life(plane, namespace, tmp_path, versitygw)
    yield made
    made.pods.close()


def at_work(life: Life, count: int) -> dict[str, str]:
    """Trainers that are at work and stay so, once there are so many: condition -> uid of its Job."""
    life.pods.held = True
    jobs = life.pods.until(f"{count} Jobs", lambda: found if len(found := life.jobs()) == count else None)
    return {name: job["metadata"]["uid"] for name, job in jobs.items()}


def committed(life: Life) -> set[str]:
    return set(life.trainer.ran)


def test_uninstall_during_a_run_takes_the_controller_and_jobs_end_by_themselves(life: Life) -> None:
    notes = commands(life.release("install", "--set control.maxActive=2", a=1, b=2, c=3))
    before = at_work(life, 2)
    life.release("uninstall")
    (controller,) = life.controllers(1)
    assert controller.code == INTERRUPTED, controller.told
    assert life.jobs(words.CONTROLLER) == {}
    life.pods.held = False
    life.pods.until("the Jobs' own ends", life.over)
    assert {name: job["metadata"]["uid"] for name, job in life.jobs().items()} == before
    assert committed(life) == {"a", "b"}
    told = life.type(notes["crossad status"])
    assert "2 done, 1 pending" in told
    assert "no controller works on it" in told
    assert "2 done, 1 not there yet" in life.type(notes["crossad fetch"])
    life.type(notes["crossad report"], PARTIAL)

    life.release("install", a=1, b=2, c=3)
    assert life.controllers(2)[1].code == DONE
    assert life.trainer.ran == ["a", "b", "c"], "the run goes on; nothing was repeated"


def test_cancel_after_uninstall_stops_the_jobs_for_good(life: Life) -> None:
    notes = commands(life.release("install", "--set control.maxActive=2", a=1, b=2, c=3))
    at_work(life, 2)
    life.release("uninstall")
    told = life.type(notes["crossad cancel"])
    assert [line for line in told.splitlines() if line.startswith("cancelled: ")] == [
        f"cancelled: {one}" for one in "abc"
    ]
    assert life.jobs() == {}
    life.release("install", a=1, b=2, c=3)
    assert [one.code for one in life.controllers(2)] == [INTERRUPTED, PARTIAL]
    assert life.jobs() == {}
    assert committed(life) == set()


def test_an_upgrade_without_a_condition_keeps_it_until_it_is_cancelled(life: Life) -> None:
    life.release("install", "--set control.maxActive=2", a=1, b=2, c=3)
    before = at_work(life, 2)
    notes = commands(life.release("upgrade", "--set control.maxActive=2", b=2, c=3, d=4))
    assert life.controllers(1)[0].code == INTERRUPTED
    assert {name: job["metadata"]["uid"] for name, job in life.jobs().items()} == before
    life.type(f"{notes['crossad cancel']} a")
    life.pods.held = False
    assert life.controllers(2)[1].code == PARTIAL
    assert committed(life) == {"b", "c", "d"}
    told = life.type(notes["crossad status"])
    assert "3 done, 1 cancelled" in told
    life.type(notes["kubectl get"])


def test_an_upgrade_with_a_changed_condition_is_refused_and_a_rollback_goes_on(life: Life) -> None:
    life.release("install", a=1, b=2)
    before = at_work(life, 2)
    life.release("upgrade", a=1, b=7)
    refused = life.controllers(2)[1]
    assert refused.code == REFUSED
    assert "run night1 pinned other content for b (experiment 1)" in refused.told
    assert "choose another name" in refused.told
    life.release("rollback", "1")
    life.pods.held = False
    assert life.controllers(3)[2].code == DONE
    assert {name: job["metadata"]["uid"] for name, job in life.jobs().items()} == before
    assert committed(life) == {"a", "b"}


def test_a_rollback_keeps_what_was_added_and_takes_the_older_settings(life: Life) -> None:
    life.release("install", a=1)
    at_work(life, 1)
    life.release("upgrade", "--set labels.team=vision", a=1, b=2)
    at_work(life, 2)
    assert pinned_settings(life.home.state, RUN).labels == {"team": "vision"}
    life.release("rollback", "1")
    life.pods.held = False
    assert life.controllers(3)[2].code == DONE
    assert [one.code for one in life.controllers(3)] == [INTERRUPTED, INTERRUPTED, DONE]
    assert committed(life) == {"a", "b"}
    assert pinned_settings(life.home.state, RUN).labels == {}
    assert life.jobs()["a"]["metadata"]["labels"].get("team") is None, "a living Job is left as it is"


def test_status_says_what_keeps_a_run_from_beginning(life: Life) -> None:
    notes = commands(life.release("install", a=1))
    status = notes["crossad status"]
    assert "run night1: its controller controller-night1-" in (told := life.type(status, REFUSED))
    assert "has not begun yet: " in told
    life.release("uninstall")
    notes = commands(life.release("install", "--set data.domains={domain_X}", a=1))
    (controller,) = life.controllers(1)
    assert (controller.code, "no domain domain_A" in controller.told) == (REFUSED, True), controller
    told = life.type(status, REFUSED)
    assert "ended before it began: exit code 2" in told
    assert notes["kubectl logs"].split()[-1] in told


def test_helm_test_is_outside_the_run_and_leaves_nothing_where_it_passes(life: Life) -> None:
    notes = commands(life.release("install", a=1))
    at_work(life, 1)
    created = run_key(RUN, "jobs/")  # the controller's note of the Job: the last that it writes before it waits
    life.pods.until("the note of a Job", lambda: list(life.home.state.list(created)) or None)
    keys = {entry.key for entry in life.home.state.list()}
    jobs = life.jobs() | life.jobs(words.CONTROLLER)
    assert "Phase:          Succeeded" in life.type(notes["helm test"])
    kinds = "pods,configmaps -l app.kubernetes.io/name=crossad-smoke -o name"
    assert life.type(f"kubectl -n {life.namespace} get {kinds}") in ("", "No resources found\n"), kinds
    assert {entry.key for entry in life.home.state.list()} == keys
    assert set(life.jobs() | life.jobs(words.CONTROLLER)) == set(jobs)


def test_a_smoke_test_that_cannot_start_fails_and_stays_to_be_looked_at(life: Life) -> None:
    life.release("install", "--set placement.nodeSelector.gpu=nowhere", a=1)
    life.type(f"helm test {RUN} -n {life.namespace} --timeout 3s", code=1)
    told = life.type(f"kubectl -n {life.namespace} describe pods -l app.kubernetes.io/name=crossad-smoke")
    assert "didn't match Pod's node affinity/selector" in told
