from __future__ import annotations

import clusterjobs
import pytest
from clients import Open, name_of
from plane import Plane

from crossad.errors import CrossadError
from crossad.kube.cluster import Cluster
from crossad.kube.connection import Connection
from crossad.kube.faults import (
    AlreadyExists,
    ClusterDenied,
    NamespaceMissing,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
    QuotaExceeded,
)
from crossad.kube.patience import Patience
from crossad.kube.resources import CONFIG_MAPS, JOBS, PODS, SECRETS
from crossad.kube.target import Target


def config_map(name: str, **more: object) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "a"}}, **more}


def test_an_object_is_created_read_listed_and_removed(cluster: Cluster) -> None:
    cluster.post(CONFIG_MAPS, config_map("one", data={"key": "값"}))
    assert cluster.get(CONFIG_MAPS, "one")["data"] == {"key": "값"}
    assert cluster.gather(CONFIG_MAPS, name_of, labels="app=a") == ["one"]
    cluster.delete(CONFIG_MAPS, "one")
    assert cluster.find(CONFIG_MAPS, "one") is None
    cluster.delete(CONFIG_MAPS, "one")
    with pytest.raises(ObjectMissing, match="read configmaps one"):
        cluster.get(CONFIG_MAPS, "one")


def test_where_it_writes_is_said_once_before_the_first_write(cluster: Cluster, said: list[str]) -> None:
    cluster.gather(JOBS, name_of)
    assert said == []
    with pytest.raises(ObjectRefused):
        cluster.post(CONFIG_MAPS, config_map("Not A Name"))
    assert said == [f"writing to {cluster.place}"]
    cluster.post(CONFIG_MAPS, config_map("one"))
    assert len(said) == 1
    assert cluster.place.server in said[0]
    assert f"namespace {cluster.place.namespace}, context tests" in said[0]


def test_a_dry_run_changes_nothing_and_says_no_place(cluster: Cluster, said: list[str]) -> None:
    cluster.post(JOBS, clusterjobs.job("a"), dry_run=True)
    assert cluster.find(JOBS, "a") is None
    assert said == []


def test_a_field_that_the_server_does_not_know_is_refused_by_name(cluster: Cluster) -> None:
    job = clusterjobs.job("a")
    job["spec"]["backofLimit"] = 2
    with pytest.raises(ObjectRefused, match=r"unknown field \"spec\.backofLimit\""):
        cluster.post(JOBS, job)


def test_a_list_longer_than_a_page_is_whole(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossad.kube.cluster.PAGE", 3)
    for number in range(8):
        cluster.post(CONFIG_MAPS, config_map(f"c{number}"))
    assert cluster.gather(CONFIG_MAPS, name_of, labels="app=a") == [f"c{number}" for number in range(8)]


def test_removing_a_job_removes_its_pods(cluster: Cluster, plane: Plane, namespace: str, gpu_node: str) -> None:
    cluster.post(JOBS, clusterjobs.job("a", clusterjobs.ending("runs")))
    plane.running_pod(namespace, "a")
    cluster.delete(JOBS, "a")
    plane.until(PODS.path(namespace), lambda found: found["items"] == [])


def test_only_the_very_object_is_removed(cluster: Cluster) -> None:
    cluster.post(CONFIG_MAPS, config_map("one"))
    with pytest.raises(ObjectConflict):
        cluster.delete(CONFIG_MAPS, "one", uid="00000000-0000-0000-0000-000000000000")
    uid = cluster.get(CONFIG_MAPS, "one")["metadata"]["uid"]
    cluster.delete(CONFIG_MAPS, "one", uid=uid)
    assert cluster.find(CONFIG_MAPS, "one") is None


def test_a_missing_right_is_named(plane: Plane, namespace: str, open_as: Open) -> None:
    jobs = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}
    limited = open_as(plane.account(namespace, "limited", [jobs]))
    assert limited.gather(JOBS, name_of) == []
    assert limited.may("list", JOBS)
    assert not limited.may("create", JOBS)
    assert not limited.may("get", PODS, "log")
    with pytest.raises(ClusterDenied, match=r"limited may not create jobs\.batch in namespace") as caught:
        limited.post(JOBS, clusterjobs.job("a"))
    assert caught.value.right == ("create", "jobs.batch")
    assert caught.value.exit_code == 78
    with pytest.raises(ClusterDenied, match="may not list secrets"):
        limited.gather(SECRETS, name_of)


def test_a_used_up_quota_is_told_in_the_servers_words(plane: Plane, namespace: str, cluster: Cluster) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/few"
    plane.until(path, lambda found: "used" in found.get("status", {}))
    cluster.post(JOBS, clusterjobs.job("a"))
    with pytest.raises(QuotaExceeded, match=r"exceeded quota: few, requested: count/jobs\.batch=1") as caught:
        cluster.post(JOBS, clusterjobs.job("b"))
    assert caught.value.exit_code == 75


def test_a_policy_of_the_cluster_is_told_in_its_words(plane: Plane, namespace: str, cluster: Cluster) -> None:
    limits = {"type": "Container", "max": {"nvidia.com/gpu": "1"}}
    path = f"/api/v1/namespaces/{namespace}/limitranges"
    plane.request("POST", path, {"metadata": {"name": "one-gpu"}, "spec": {"limits": [limits]}})
    pod = {"kind": "Pod", "metadata": {"name": "a"}, "spec": clusterjobs.job("a", gpus=2)["spec"]["template"]["spec"]}
    plane.until(path, lambda found: len(found["items"]) == 1)
    with pytest.raises(ObjectRefused, match=r"maximum nvidia\.com/gpu usage per Container is 1"):
        cluster.post(PODS, pod)
    naked = clusterjobs.job("a", securityContext={})["spec"]["template"]["spec"]
    with pytest.raises(ObjectRefused, match="violates PodSecurity"):
        cluster.post(PODS, {"kind": "Pod", "metadata": {"name": "a"}, "spec": naked})


def test_a_namespace_that_leaves_is_told(plane: Plane, cluster: Cluster, namespace: str) -> None:
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}")
    with pytest.raises(NamespaceMissing):
        cluster.post(CONFIG_MAPS, config_map("one"))


def test_a_namespace_that_is_not_there_is_told(plane: Plane, said: list[str]) -> None:
    target = Target(kubeconfig=str(plane.kubeconfig()), namespace="nowhere")
    cluster = Cluster(Connection(target, {}), said.append, Patience(0))
    with pytest.raises(NamespaceMissing, match="no such namespace"):
        cluster.post(CONFIG_MAPS, config_map("one"))
    assert "namespace nowhere" in said[0]
    cluster.close()


def test_a_name_that_is_taken_is_an_answer(cluster: Cluster) -> None:
    cluster.post(CONFIG_MAPS, config_map("one"))
    with pytest.raises(AlreadyExists):
        cluster.post(CONFIG_MAPS, config_map("one"))


def test_the_servers_version_is_the_one_that_was_built(cluster: Cluster) -> None:
    assert cluster.version() == "v1.35.4"


def test_no_message_holds_a_token(plane: Plane, open_as: Open) -> None:
    stranger = open_as("not-a-token-of-this-server")
    with pytest.raises(CrossadError, match="credentials refused") as caught:
        stranger.gather(JOBS, name_of)
    assert "not-a-token" not in str(caught.value)
    assert caught.value.exit_code == 78
    assert plane.tokens["admin"] not in str(caught.value)
