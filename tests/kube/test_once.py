from __future__ import annotations

import threading

import clusterjobs
import faultproxy
import pytest
from clients import Open, name_of
from plane import Plane

from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterUnreachable
from crossad.kube.once import Creation, Outcome, create_once
from crossad.kube.resources import JOBS


def create(cluster: Cluster, content: str = "1", **more: object) -> Creation:
    return create_once(cluster, JOBS, clusterjobs.job("a", content=content, **more), clusterjobs.HASH)


def test_the_first_creates_and_the_second_adopts(cluster: Cluster) -> None:
    first, second = create(cluster), create(cluster)
    assert (first.outcome, second.outcome) == (Outcome.CREATED, Outcome.SAME)
    assert second.found["metadata"]["uid"] == first.found["metadata"]["uid"]


def test_another_content_under_the_name_is_told_and_left_alone(cluster: Cluster) -> None:
    create(cluster, "theirs")
    refused = create(cluster, "ours")
    assert refused.outcome is Outcome.OTHER
    assert "theirs" in refused.why
    assert cluster.get(JOBS, "a")["metadata"]["annotations"][clusterjobs.HASH] == "theirs"


def test_an_object_without_our_annotation_is_not_ours(cluster: Cluster) -> None:
    job = clusterjobs.job("a")
    del job["metadata"]["annotations"]
    cluster.post(JOBS, job)
    assert create(cluster).outcome is Outcome.OTHER


def test_what_another_hand_changed_on_the_way_in_is_still_ours(cluster: Cluster, plane: Plane, namespace: str) -> None:
    create(cluster)
    patch = {"spec": {"suspend": True}}
    plane.request("PATCH", JOBS.path(namespace, "a"), patch, "application/merge-patch+json")
    assert create(cluster).outcome is Outcome.SAME


def test_an_object_on_its_way_out_is_not_adopted(cluster: Cluster, plane: Plane, namespace: str) -> None:
    create(cluster)
    held = {"metadata": {"finalizers": ["test.invalid/hold"]}}
    plane.request("PATCH", JOBS.path(namespace, "a"), held, "application/merge-patch+json")
    cluster.delete(JOBS, "a")
    assert create(cluster).outcome is Outcome.LEAVING
    held["metadata"]["finalizers"] = []
    plane.request("PATCH", JOBS.path(namespace, "a"), held, "application/merge-patch+json")
    plane.until(JOBS.path(namespace, "a"), lambda found: found is None)
    assert create(cluster).outcome is Outcome.CREATED


def test_of_many_at_once_one_creates_and_all_others_adopt(open_as: Open) -> None:
    clusters, outcomes = [open_as() for _ in range(8)], []
    threads = [threading.Thread(target=lambda one=one: outcomes.append(create(one).outcome)) for one in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [Outcome.CREATED] + [Outcome.SAME] * 7
    assert clusters[0].gather(JOBS, name_of) == ["a"]


def test_an_object_that_comes_and_goes_ends_in_an_error(
    behind: Cluster, cluster: Cluster, proxy: faultproxy.Proxy
) -> None:
    create(cluster)
    gone = b'{"kind": "Status", "reason": "NotFound", "details": {"kind": "jobs"}}'
    proxy.add("refuse", "GET", times=99, status=404, body=gone)
    with pytest.raises(ClusterUnreachable, match="comes and goes"):
        create(behind)
