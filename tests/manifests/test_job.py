from __future__ import annotations

import json
import re

import pytest

from crossad import errors
from crossad.cli.train import command as train
from crossad.errors import ConditionError, UsageError
from crossad.manifests import words
from crossad.manifests.job import HOPELESS, MARGIN_SECONDS, SHIP_SECONDS, groups, trainer_job, trainer_jobs
from crossad.manifests.load import parse_settings
from crossad.manifests.parts import Weights
from crossad.results.payload import UNDATED, plan_from_environment

from .conftest import DIGEST, MINIMAL


def pod(job):
    return job["spec"]["template"]["spec"]


def container(job):
    (only,) = pod(job)["containers"]
    return only


def variables(job):
    return {one["name"]: one.get("value") for one in container(job)["env"]}


def volumes(job):
    return {one["name"]: one for one in pod(job)["volumes"]}


def argument(job, option):
    words_ = container(job)["args"]
    return words_[words_.index(option) + 1]


def carried(job, monkeypatch):
    monkeypatch.setenv("CARRIED", variables(job)[words.PLAN_VARIABLE])
    return plan_from_environment("CARRIED")


def first(plan, settings, **changes):
    return trainer_job(plan, plan.conditions[:1], settings, **changes)


def test_a_condition_becomes_one_job_of_one_pod(plan, minimal):
    job = first(plan, minimal)
    assert (job["apiVersion"], job["kind"], job["metadata"]["namespace"]) == ("batch/v1", "Job", "crossad")
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (1, 1)
    assert pod(job)["restartPolicy"] == "Never"
    assert container(job)["command"] == ["crossad"]
    assert container(job)["args"][0] == "train"
    assert "suspend" not in job["spec"], "a queue's admission decides that, never we"
    assert "activeDeadlineSeconds" not in job["spec"], "it would count the time in which a pod cannot be placed"


def test_the_condition_travels_whole_inside_its_job(plan, minimal, monkeypatch):
    there = carried(first(plan, minimal), monkeypatch)
    assert there.conditions == plan.conditions[:1]
    assert (there.run, there.suite, there.repeat, there.created) == (plan.run, plan.suite, plan.repeat, UNDATED)


def test_two_who_plan_the_same_at_other_times_make_the_same_job(plan, minimal):
    other = plan.model_copy(update={"created": "2026-11-25T04:00:00+00:00", "command": ("crossad", "x"), "revision": 7})
    assert first(other, minimal) == first(plan, minimal)


def test_the_failure_policy_is_the_contracts_in_its_order(plan, minimal):
    spec = first(plan, minimal)["spec"]
    ours = {"containerName": "trainer", "operator": "In"}
    assert spec["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {**ours, "values": [64, 65, 66, 70, 78]}},
        {"action": "Ignore", "onExitCodes": {**ours, "values": [75]}},
    ]
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["backoffLimit"] == 3


def test_every_exit_code_of_the_error_tree_has_its_rule():
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert codes == {1, 75, *HOPELESS}


def test_the_pod_is_what_restricted_admits_and_more(plan, minimal):
    job = first(plan, minimal)
    security = container(job)["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert pod(job)["securityContext"]["runAsNonRoot"] is True
    assert pod(job)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(job)["automountServiceAccountToken"] is False
    assert pod(job)["enableServiceLinks"] is False
    assert "serviceAccountName" not in pod(job)


def test_all_that_is_written_has_room_and_every_emptydir_a_limit(plan, minimal):
    job = first(plan, minimal)
    mounts = {one["mountPath"]: one["name"] for one in container(job)["volumeMounts"]}
    for place in ("/cache", "/scratch", "/tmp", "/dev/shm"):  # noqa: S108
        assert volumes(job)[mounts[place]]["emptyDir"]["sizeLimit"]
    assert volumes(job)["shm"]["emptyDir"]["medium"] == "Memory"
    written = {value for name, value in variables(job).items() if name.endswith(("HOME", "DIR", "PATH"))}
    assert all(value.startswith(("/cache/", "/tmp")) for value in written)  # noqa: S108
    assert argument(job, "--results-dir").startswith("/scratch/")
    open_ = {one["mountPath"] for one in container(job)["volumeMounts"] if not one.get("readOnly")}
    assert open_ == {"/cache", "/scratch", "/tmp", "/dev/shm"}  # noqa: S108


def test_the_gpu_is_a_limit_and_every_quantity_a_text(plan, minimal):
    amounts = container(first(plan, minimal))["resources"]
    assert amounts["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in amounts["requests"]
    assert amounts["requests"]["ephemeral-storage"]
    assert all(isinstance(value, str) for part in amounts.values() for value in part.values())


def test_the_last_word_on_resources_is_the_suites(plan, full):
    dinomaly = next(entry for entry in plan.conditions if entry.config["model_type"] == "dinomaly")
    amounts = container(trainer_job(plan, [dinomaly], full))["resources"]["limits"]
    assert amounts == {"cpu": "6", "memory": "48Gi", "nvidia.com/mig-1g.10gb": "2"}
    own = dinomaly.model_copy(update={"resources": {"memory": "64Gi", "gpu_count": 1, "node_selector": {"card": "x"}}})
    job = trainer_job(plan, [own], full)
    assert container(job)["resources"]["limits"]["memory"] == "64Gi"
    assert pod(job)["nodeSelector"] == {"pool": "gpu", "card": "x"}


def test_a_condition_without_a_gpu_runs_on_the_cpu(plan, minimal):
    entry = plan.conditions[0].model_copy(update={"resources": {"gpu_count": 0}})
    job = trainer_job(plan, [entry], minimal)
    assert argument(job, "--gpu-id") == "cpu"
    assert set(container(job)["resources"]["limits"]) == {"cpu", "memory"}


def test_the_trainer_ends_by_itself_before_the_cluster_ends_it(plan, full):
    job = first(plan, full)
    assert pod(job)["terminationGracePeriodSeconds"] == 120
    assert int(argument(job, "--grace-seconds")) == 120 - MARGIN_SECONDS


def test_state_is_sent_as_often_as_it_is_saved(plan, minimal):
    (ship,) = (one for one in train.params if one.name == "ship_seconds")
    assert ship.default == SHIP_SECONDS
    assert "--ship-seconds" not in container(first(plan, minimal))["args"], "sent more often than it is saved"
    often = parse_settings("often.yaml", MINIMAL, {"job.checkpointSeconds": 5})
    assert argument(first(plan, often), "--ship-seconds") == "5"


def test_a_trainer_uses_the_gpu_that_it_asks_for_unless_it_is_told_otherwise(plan, minimal):
    def made(**changes):
        job = first(plan, parse_settings("device.yaml", MINIMAL, changes))
        return argument(job, "--gpu-id"), container(job)["resources"]["limits"].get("nvidia.com/gpu")

    assert made() == ("0", "1")
    assert made(**{"job.device": "cpu"}) == ("cpu", "1"), "it waits for a GPU all the same, and leaves it alone"
    assert made(**{"resources.gpuCount": 0}) == ("cpu", None)


def test_conditions_that_share_a_training_share_a_job(plan, minimal, monkeypatch):
    one, *others = plan.conditions
    shared = one.model_copy(update={"experiment_id": 99, "name": "also", "condition_id": "f" * 16})
    whole = plan.model_copy(update={"conditions": (one, *others, shared)})
    assert len(groups(whole.conditions)) == len(plan.conditions)
    job = next(iter(trainer_jobs(whole, minimal)))
    assert [entry.name for entry in carried(job, monkeypatch).conditions] == [one.name, "also"]
    assert argument(job, "--experiment-id") == "all"
    told = json.loads(job["metadata"]["annotations"][words.CONDITIONS])
    assert [(entry["experiment"], entry["id"]) for entry in told] == [(0, one.condition_id), (99, "f" * 16)]


def test_sharers_that_ask_for_different_resources_are_refused_by_name(plan, minimal):
    one = plan.conditions[0]
    other = one.model_copy(update={"experiment_id": 99, "name": "also", "resources": {"cpu": "2"}})
    with pytest.raises(UsageError, match=r"conditions 0 \(.*\) and 99 \(also\) share one training.*resources"):
        trainer_job(plan, [one, other], minimal)
    with pytest.raises(UsageError, match="share one training; these do not"):
        trainer_job(plan, plan.conditions[:2], minimal)


def test_the_name_holds_all_of_the_content(plan, minimal, full):
    job = first(plan, minimal)
    changed = [
        first(plan.model_copy(update={"run": "night2"}), minimal),
        first(plan, minimal, generation=2),
        first(plan, full),
        trainer_job(plan, plan.conditions[1:2], minimal),
    ]
    names = {one["metadata"]["name"] for one in [job, *changed]}
    assert len(names) == 5
    assert first(plan, minimal) == job
    full_hash = job["metadata"]["annotations"][words.SPEC]
    assert job["metadata"]["name"].endswith(full_hash[:10])


@pytest.mark.parametrize("name", ["도메인 A → B", "x" * 400, "-", "A/B:C", "--a--", "ends-with-" + "y" * 30 + "-"])
def test_any_name_of_a_condition_makes_a_name_that_clusters_take(name, plan, minimal):
    entry = plan.conditions[0].model_copy(update={"name": name})
    job = trainer_job(plan, [entry], minimal)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", job["metadata"]["name"])
    assert len(job["metadata"]["name"]) <= 52
    for value in job["metadata"]["labels"].values():
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value)
        assert name not in value
    assert json.loads(job["metadata"]["annotations"][words.CONDITIONS])[0]["name"] == name


def test_what_is_too_large_to_travel_is_refused(plan, minimal):
    import random

    noise = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=120_000))
    entry = plan.conditions[0].model_copy(update={"description": noise})
    with pytest.raises(ConditionError, match=r"too large to travel inside it: \d+ bytes packed, allowed 65536"):
        trainer_job(plan, [entry], minimal)


def test_secrets_and_certificates_are_files_never_values(plan, full):
    job = first(plan, full)
    assert volumes(job)["credentials"]["secret"]["secretName"] == "s3-keys"
    assert variables(job)["AWS_SHARED_CREDENTIALS_FILE"] == "/etc/crossad/credentials/aws"
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        assert variables(job)[name] == "/etc/crossad/ca/bundle.pem"
    assert volumes(job)["ca"]["configMap"]["name"] == "site-ca"
    assert "secretKeyRef" not in json.dumps(job)


def test_every_setting_arrives(plan, full):
    job = first(plan, full)
    assert job["metadata"]["namespace"] == "lab-7"
    assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (5, 1_000_000)
    assert pod(job)["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert container(job)["imagePullPolicy"] == "Always"
    assert pod(job)["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsUser": 1000700000,
        "fsGroup": 2000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "supplementalGroups": [3000],
    }
    assert (pod(job)["priorityClassName"], pod(job)["runtimeClassName"], pod(job)["schedulerName"]) == (
        "low", "nvidia", "binpack",
    )  # fmt: skip
    assert pod(job)["serviceAccountName"] == "s3-identity"
    assert pod(job)["automountServiceAccountToken"] is False
    assert volumes(job)["cache"]["persistentVolumeClaim"] == {"claimName": "cache"}
    assert volumes(job)["weights"]["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}
    assert "data" not in volumes(job)
    assert argument(job, "--data") == "s3://images/hdmap"
    assert argument(job, "--data-option") == "profile=images"
    assert argument(job, "--weights") == "/weights"
    assert argument(job, "--store") == "s3://bucket/prefix"
    assert [word for word in container(job)["args"] if "=" in word] == [
        "endpoint=https://s3.example:9000", "threads=2", "profile=images",
    ]  # fmt: skip
    assert variables(job)["HTTPS_PROXY"] == variables(job)["https_proxy"] == "http://proxy.example:3128"
    assert variables(job)["NO_PROXY"] == ".svc,10.0.0.0/8"
    assert variables(job)["CROSSAD_IMAGE_DIGEST"] == DIGEST
    assert job["metadata"]["labels"]["team"] == "vision"
    assert job["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_weights_come_from_a_claim_a_store_or_where_the_trainer_looks_by_itself(plan, minimal, full):
    assert "--weights" not in container(first(plan, minimal))["args"]
    shelf = {"uri": "s3://shared/weights", "options": {"threads": 2.0, "endpoint": "https://s3.example"}}
    job = first(plan, minimal.model_copy(update={"weights": Weights.model_validate(shelf)}))
    args = container(job)["args"]
    at = args.index("--weights")
    assert args[at : at + 6] == [
        "--weights", "s3://shared/weights", "--weights-option", "endpoint=https://s3.example",
        "--weights-option", "threads=2",
    ]  # fmt: skip
    assert "weights" not in volumes(job)
    (mount,) = [one for one in container(first(plan, full))["volumeMounts"] if one["name"] == "weights"]
    assert mount["subPath"] == "hub"


def test_the_queues_labels_are_on_the_job_alone(plan, full):
    job = first(plan, full)
    assert job["metadata"]["labels"][words.QUEUE] == "gpus"
    assert job["metadata"]["labels"][words.QUEUE_PRIORITY] == "night"
    assert words.QUEUE not in job["spec"]["template"]["metadata"]["labels"]


def test_the_overlay_is_merged_into_the_pod(plan, full):
    job = first(plan, full)
    assert variables(job)["NCCL_DEBUG"] == "WARN"
    assert variables(job)["USER"] == "somebody"
    assert [one["key"] for one in pod(job)["tolerations"]] == ["spot", "maintenance"]
    assert volumes(job)["textures"]["persistentVolumeClaim"] == {"claimName": "dtd"}
    assert job["spec"]["template"]["metadata"]["annotations"]["team/cost"] == "7"
    assert container(job)["image"].endswith(DIGEST)


def test_a_uid_can_be_left_to_the_cluster(plan):
    settings = parse_settings("s.yaml", MINIMAL + "security: {runAsUser: null, runAsGroup: null}")
    security = pod(first(plan, settings))["securityContext"]
    assert set(security) == {"runAsNonRoot", "seccompProfile"}


def test_an_overlay_may_not_take_the_condition_away(plan):
    overlay = "podOverlay: {spec: {containers: [{name: trainer, env: [{name: CROSSAD_PLAN, $patch: delete}]}]}}"
    with pytest.raises(UsageError, match="takes CROSSAD_PLAN from the container trainer"):
        first(plan, parse_settings("s.yaml", MINIMAL + overlay))


def test_an_overlay_with_lists_is_the_same_for_every_job(plan, full):
    """Jobs may share parts of the settings: making one must not change the next."""
    once = list(trainer_jobs(plan, full))
    assert list(trainer_jobs(plan, full)) == once
    alone = [trainer_job(plan, group, full) for group in groups(plan.conditions)]
    assert alone == once  # what Jobs share decides nothing
    assert len({variables(job)[words.PLAN_VARIABLE] for job in once}) == len(once)


def test_what_a_condition_may_cost_is_bounded_by_the_trainer_because_a_deadline_would_count_the_time_pending(plan):
    assert argument(first(plan, parse_settings("s.yaml", MINIMAL)), "--max-runtime") == "259200s"
    assert argument(first(plan, parse_settings("s.yaml", MINIMAL)), "--max-preemptions") == "100"
    own = parse_settings("s.yaml", MINIMAL + "job: {maxRuntimeSeconds: 7200, maxPreemptions: 5}")
    assert (argument(first(plan, own), "--max-runtime"), argument(first(plan, own), "--max-preemptions")) == (
        "7200s",
        "5",
    )
    none = container(
        first(plan, parse_settings("s.yaml", MINIMAL + "job: {maxRuntimeSeconds: null, maxPreemptions: null}"))
    )
    assert not {"--max-runtime", "--max-preemptions"} & set(none["args"])
