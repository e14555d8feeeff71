"""The controller's Job and the anchor: pure, least, and named by what they are for."""

from __future__ import annotations

import copy

from crossad.manifests import words
from crossad.manifests.aggregation import report_job
from crossad.manifests.control import anchor, control_job, owned
from crossad.manifests.load import parse_settings
from crossad.manifests.names import LONGEST
from crossad.manifests.pod import Object

from .conftest import MINIMAL

BOTH = """
report: {podOverlay: {spec: {containers: [
  {name: report, env: [{name: TZ, value: Asia/Seoul}]}, {name: controller, env: [{name: LEVEL, value: debug}]}]}}}
"""


def container(job: Object) -> Object:
    (found,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_the_controller_reads_all_but_its_runs_name_from_the_store(minimal):
    job = control_job("night1", minimal)
    assert container(job)["args"] == [
        "control", "night1", "--store", "s3://bucket/prefix", "--results-dir", "/scratch/results",
    ]  # fmt: skip
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "crossad-controller"
    assert pod["automountServiceAccountToken"] is True
    assert set(container(job)["resources"]["limits"]) == {"cpu", "memory"}
    assert container(job)["image"] == minimal.images.controller


def test_an_interrupted_controller_costs_nothing_and_bad_input_ends_it(minimal):
    rules = control_job("night1", minimal)["spec"]["podFailurePolicy"]["rules"]
    assert [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in rules] == [
        ("Ignore", None), ("FailJob", [2, 3]), ("Ignore", [75]),
    ]  # fmt: skip


def test_the_same_again_has_the_same_name_and_other_work_another(minimal, full):
    names = [
        control_job("night1", minimal), control_job("night1", minimal), control_job("night2", minimal),
        control_job("night1", full), control_job("night1", minimal, "a"), control_job("night1", minimal, "b"),
    ]  # fmt: skip
    first, again, *others = [one["metadata"]["name"] for one in names]
    assert first == again
    assert len({first, *others}) == 5
    assert all(len(name) <= LONGEST for name in (first, *others))
    assert first.startswith("controller-night1-")


def test_a_report_of_other_work_is_another_job_and_that_of_the_files_stays(minimal):
    files, one, two = (report_job("night1", minimal, work=work) for work in ("", "a", "b"))
    assert len({job["metadata"]["name"] for job in (files, one, two)}) == 3
    assert files["spec"] == one["spec"] == two["spec"]
    assert "--plan" not in container(one)["args"], "the store has the plan"


def test_one_overlay_serves_both_and_adds_no_container_of_the_other():
    settings = parse_settings("both.yaml", MINIMAL + BOTH)
    report, controller = report_job("night1", settings), control_job("night1", settings)
    assert {"name": "TZ", "value": "Asia/Seoul"} in container(report)["env"]
    assert {"name": "LEVEL", "value": "debug"} in container(controller)["env"]


def test_the_anchor_is_the_same_whatever_the_settings_say(minimal, full):
    one = anchor("night 1/ä", "crossad")
    assert one == anchor("night 1/ä", "crossad")
    assert one["metadata"]["name"] != anchor("night 2", "crossad")["metadata"]["name"]
    assert one["metadata"]["annotations"][words.RUN_NAME] == "night 1/ä"
    assert len(one["metadata"]["name"]) <= LONGEST


def test_an_owner_changes_nothing_else(minimal):
    job = control_job("night1", minimal)
    before = copy.deepcopy(job)
    owner = {**anchor("night1", "crossad")}
    owner["metadata"] = {**owner["metadata"], "uid": "u"}
    found = owned(job, owner)
    assert job == before
    (reference,) = found["metadata"].pop("ownerReferences")
    assert reference == {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": "u"}
    assert found == before
