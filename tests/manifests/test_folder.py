from __future__ import annotations

import base64
import hashlib
import json

import pytest

from crossad.errors import UsageError
from crossad.manifests import words
from crossad.manifests.access import RULES, access, namespace
from crossad.manifests.aggregation import plan_shards, report_job
from crossad.manifests.folder import run_objects, warnings
from crossad.manifests.load import parse_settings
from crossad.results.payload import UNDATED, plan_from_shards

from .conftest import MINIMAL

APPLY_LIMIT = 256 * 1024  # of all annotations of an object: `kubectl apply` keeps the object in one


def pod(job):
    return job["spec"]["template"]["spec"]


def test_a_run_is_its_accounts_its_plan_its_report_and_its_jobs(plan, minimal):
    found = list(run_objects(plan, minimal))
    names = [name for name, _ in found]
    assert [one["kind"] for _, one in found] == [
        "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Job", *["Job"] * len(plan.conditions),
    ]  # fmt: skip
    assert sorted(names, key=lambda name: name[:2]) == names
    assert len(set(names)) == len(names)
    assert all(one["metadata"]["namespace"] == "crossad" for _, one in found)
    assert not any("kustomization" in name for name in names)


def test_the_order_of_conditions_in_the_plan_is_the_only_order(plan, minimal):
    other = plan.model_copy(update={"conditions": plan.conditions[::-1]})
    jobs, others = (
        {name: one for name, one in run_objects(p, minimal) if name.startswith("30")} for p in (plan, other)
    )
    assert jobs == others


def test_the_shards_of_a_plan_are_the_plan(plan, minimal, tmp_path):
    many = [
        entry.model_copy(
            update={"experiment_id": index, "name": f"{entry.name} {index}", "condition_id": f"{index:016x}"}
        )
        for index, entry in enumerate(plan.conditions * 400)
    ]
    noisy = tuple(
        entry.model_copy(update={"description": hashlib.sha512(str(index).encode()).hexdigest()})
        for index, entry in enumerate(many)
    )
    large = plan.model_copy(update={"conditions": noisy, "created": "2026-11-25T00:00:00+00:00"})
    shards = plan_shards(large, minimal)
    assert len(shards) > 1
    assert len({one["metadata"]["name"] for one in shards}) == len(shards)
    for shard in shards:
        assert shard["immutable"] is True
        assert len(json.dumps(shard)) < APPLY_LIMIT
        for name, text in shard["binaryData"].items():
            (tmp_path / name).write_bytes(base64.b64decode(text))
    assert plan_from_shards(tmp_path) == large.model_copy(update={"created": UNDATED})


def test_the_report_reads_every_shard_in_order(plan, minimal):
    found = [one for _, one in run_objects(plan, minimal)]
    shards = [one["metadata"]["name"] for one in found if one["kind"] == "ConfigMap"]
    (job,) = [one for one in found if one["metadata"]["name"].startswith("report-")]
    (volume,) = [one for one in pod(job)["volumes"] if one["name"] == "plan"]
    assert [source["configMap"]["name"] for source in volume["projected"]["sources"]] == shards
    (container,) = pod(job)["containers"]
    assert container["args"][:3] == ["report", "night1", "--wait"]
    assert {"mountPath": "/plan", "name": "plan", "readOnly": True} in container["volumeMounts"]
    assert "suspend" not in job["spec"]


def test_the_report_fails_at_once_on_bad_input_and_on_a_partial_report(minimal):
    rules = report_job("night1", minimal)["spec"]["podFailurePolicy"]["rules"]
    assert [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in rules] == [
        ("Ignore", None),
        ("FailJob", [2, 3]),
    ]


def test_only_the_report_has_a_token_and_it_may_only_look(plan, full):
    found = [one for _, one in run_objects(plan, full)]
    tokens = {
        one["metadata"]["labels"][words.COMPONENT]: pod(one)["automountServiceAccountToken"]
        for one in found
        if one["kind"] == "Job"
    }
    assert tokens == {"report": True, "trainer": False}
    (role,) = [one for one in found if one["kind"] == "Role"]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"jobs", "pods", "events"}


@pytest.mark.parametrize("component", sorted(RULES))
def test_nobody_gets_secrets_exec_wildcards_or_the_cluster(component, minimal):
    account, role, binding = access(component, minimal)
    assert account["automountServiceAccountToken"] is False
    assert (role["kind"], binding["kind"]) == ("Role", "RoleBinding")
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert not {resource for resource, _ in granted} - {"jobs", "pods", "events", "configmaps"}
    assert not {verb for _, verb in granted} & {"*", "escalate", "bind", "impersonate", "patch", "update"}
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "crossad"}
    ]


def test_the_report_has_its_own_place_and_queue(full):
    job = report_job("night1", full)
    assert job["metadata"]["labels"][words.QUEUE] == "cpus"
    assert pod(job)["nodeSelector"] == {"pool": "system"}
    assert {"name": "TZ", "value": "Asia/Seoul"} in pod(job)["containers"][0]["env"]
    assert "nvidia" not in json.dumps(pod(job)["containers"][0]["resources"])
    assert next(one for one in pod(job)["volumes"] if one["name"] == "cache")["emptyDir"], "no claim of the trainers'"


def test_the_namespace_enforces_restricted(minimal):
    labels = namespace(minimal)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_many_jobs_are_told(minimal):
    assert not any("Jobs at once" in text for text in warnings(minimal, 500))
    assert any("501 Jobs at once" in text for text in warnings(minimal, 501))


def test_a_claim_of_one_pod_is_refused_for_many(plan):
    settings = parse_settings(
        "s.yaml", MINIMAL.replace("{claim: hdmap}", "{claim: hdmap, accessModes: [ReadWriteOncePod]}")
    )
    with pytest.raises(UsageError, match=r"hdmap is for one pod .*there are 16 Jobs"):
        list(run_objects(plan, settings))
    one = plan.model_copy(update={"conditions": plan.conditions[:1]})
    assert len(list(run_objects(one, settings))) == 6
