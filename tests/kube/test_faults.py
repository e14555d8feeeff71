"""What networks and API servers do to requests, done to a real one by a proxy."""

from __future__ import annotations

from pathlib import Path

import clusterjobs
import faultproxy
import pytest
from clients import Time, name_of, status
from plane import Plane

from crossad.kube.cluster import Cluster
from crossad.kube.connection import Connection
from crossad.kube.faults import ClusterBroken, ClusterDenied, ClusterUnreachable, QuotaExceeded
from crossad.kube.once import Outcome, create_once
from crossad.kube.resources import CONFIG_MAPS, JOBS
from crossad.kube.target import Target

BUSY = status(429, "TooManyRequests", "too many requests, please try again later", retryAfterSeconds=7)
EXPIRED = status(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")


def jobs_of(cluster: Cluster) -> list[str]:
    return cluster.gather(JOBS, name_of)


def create(cluster: Cluster, name: str = "a", content: str = "1") -> Outcome:
    return create_once(cluster, JOBS, clusterjobs.job(name, content=content), clusterjobs.HASH).outcome


def test_a_429_is_waited_for_as_long_as_the_server_asks(behind: Cluster, proxy: faultproxy.Proxy, time: Time) -> None:
    proxy.add("refuse", "POST", times=2, status=429, headers={"Retry-After": "7"}, body=BUSY)
    assert create(behind) is Outcome.CREATED
    assert time.slept == [7.0, 7.0]
    assert proxy.count("POST") == 3


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_5xx_is_asked_again_ever_less_often(behind: Cluster, proxy: faultproxy.Proxy, time: Time, code: int) -> None:
    proxy.add("refuse", "GET", times=3, status=code, body=status(code, "InternalError", "request timed out"))
    assert jobs_of(behind) == []
    assert time.slept == [0.25, 0.5, 1.0]


def test_a_gateways_page_is_told_without_its_tags(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "GET", times=99, status=502, body=b"<html><body><h1>502 Bad Gateway</h1></body></html>")
    with pytest.raises(ClusterUnreachable, match=r"not now \(502: 502 Bad Gateway\) \(waited \d+ s\)") as caught:
        jobs_of(behind)
    assert caught.value.exit_code == 75


def test_patience_ends(behind: Cluster, proxy: faultproxy.Proxy, time: Time) -> None:
    proxy.add("cut", "GET", times=999)
    with pytest.raises(ClusterUnreachable, match="no whole answer"):
        jobs_of(behind)
    assert 30 < sum(time.slept) <= 60


@pytest.mark.parametrize("kind", ["cut", "lose", "truncate"])
def test_a_list_that_is_cut_is_read_again(behind: Cluster, proxy: faultproxy.Proxy, kind: faultproxy.Kind) -> None:
    assert create(behind) is Outcome.CREATED
    proxy.add(kind, "GET", path="/jobs?", times=1)
    assert jobs_of(behind) == ["a"]


def test_a_job_whose_creation_was_not_answered_is_found_by_name(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    proxy.add("lose", "POST", times=1)
    creation = create_once(behind, JOBS, clusterjobs.job("a"), clusterjobs.HASH)
    assert creation.outcome is Outcome.CREATED
    assert "answer was lost" in creation.why
    assert creation.found["metadata"]["uid"]
    assert jobs_of(behind) == ["a"]


def test_a_creation_is_not_sent_again_behind_our_back_where_a_kept_connection_ends(
    behind: Cluster, proxy: faultproxy.Proxy
) -> None:
    assert create(behind, "first") is Outcome.CREATED
    proxy.add("lose", "POST", times=1)
    creation = create_once(behind, JOBS, clusterjobs.job("a"), clusterjobs.HASH)
    assert (creation.outcome, "answer was lost" in creation.why) == (Outcome.CREATED, True)
    assert proxy.count("POST") == 3


def test_a_page_in_place_of_an_answer_is_no_creation(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "POST", times=1, status=200, body=b"<html><body>Please log in</body></html>")
    creation = create_once(behind, JOBS, clusterjobs.job("a"), clusterjobs.HASH, brief=True)
    assert (creation.outcome, creation.found) == (Outcome.CREATED, {})
    assert proxy.count("POST") == 2
    assert jobs_of(behind) == ["a"]


def test_a_job_whose_creation_never_arrived_is_created(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    proxy.add("cut", "POST", times=2)
    assert create(behind) is Outcome.CREATED
    assert jobs_of(behind) == ["a"]


def test_another_job_under_the_name_is_not_taken_for_ours_after_a_lost_answer(
    behind: Cluster, cluster: Cluster, proxy: faultproxy.Proxy
) -> None:
    assert create(cluster, content="theirs") is Outcome.CREATED
    proxy.add("lose", "POST", times=1)
    assert create(behind, content="ours") is Outcome.OTHER


def test_a_list_that_went_stale_starts_again_and_has_no_double(
    behind: Cluster, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossad.kube.cluster.PAGE", 2)
    for name in "abcde":
        create(behind, name)
    proxy.add("refuse", "GET", path="continue=", times=1, status=410, body=EXPIRED)
    assert jobs_of(behind) == list("abcde")
    assert proxy.count("GET", "/jobs?limit=2") == 5


def test_a_list_that_always_goes_stale_ends(
    behind: Cluster, proxy: faultproxy.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossad.kube.cluster.PAGE", 1)
    create(behind, "a")
    create(behind, "b")
    proxy.add("refuse", "GET", path="continue=", times=99, status=410, body=EXPIRED)
    with pytest.raises(ClusterUnreachable, match="went stale 5 times"):
        jobs_of(behind)


def test_a_removal_whose_answer_was_lost_is_done(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    behind.post(CONFIG_MAPS, {"kind": "ConfigMap", "metadata": {"name": "one"}})
    proxy.add("lose", "DELETE", times=1)
    behind.delete(CONFIG_MAPS, "one")
    assert behind.find(CONFIG_MAPS, "one") is None


def test_a_quota_is_not_asked_again(behind: Cluster, proxy: faultproxy.Proxy, time: Time) -> None:
    told = status(403, "Forbidden", 'jobs.batch "a" is forbidden: exceeded quota: few, used: 1', kind="jobs")
    proxy.add("refuse", "POST", status=403, body=told)
    with pytest.raises(QuotaExceeded):
        create(behind)
    assert time.slept == []


def test_a_replaced_token_is_read_again(plane: Plane, namespace: str, proxy: faultproxy.Proxy, tmp_path: Path) -> None:
    token, config = tmp_path / "token", plane.kubeconfig("old", namespace, proxy.endpoint)
    config.write_text(config.read_text().replace('"token": "old"', f'"tokenFile": "{token}"'))
    token.write_text("stale")
    connection = Connection(Target(kubeconfig=str(config)), {})
    token.write_text(plane.tokens["admin"])
    assert connection.request("GET", JOBS.path(namespace)).body
    assert [headers["authorization"] for headers in proxy.headers_of("GET")] == [
        "Bearer stale",
        f"Bearer {plane.tokens['admin']}",
    ]
    connection.close()


def test_a_token_that_stays_refused_is_an_error_at_first_and_a_wait_later(
    behind: Cluster, proxy: faultproxy.Proxy, time: Time
) -> None:
    told = status(401, "Unauthorized", "Unauthorized")
    proxy.add("refuse", "GET", times=2, status=401, body=told)
    with pytest.raises(ClusterDenied, match="credentials refused"):
        jobs_of(behind)
    assert jobs_of(behind) == []
    proxy.add("refuse", "GET", times=4, status=401, body=told)
    assert jobs_of(behind) == []
    assert time.slept == [0.25, 0.5]


def test_the_service_account_of_a_pod_is_used_and_its_token_read_again(
    plane: Plane, namespace: str, tmp_path: Path
) -> None:
    for name, text in {"token": "stale", "namespace": namespace, "ca.crt": plane.ca.read_text()}.items():
        (tmp_path / name).write_text(text)
    host, _, port = plane.url.removeprefix("https://").partition(":")
    pod = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    connection = Connection(Target(service_account=tmp_path), pod)
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}]
    (tmp_path / "token").write_text(plane.account(namespace, "controller", rules))
    assert connection.request("GET", JOBS.path(connection.place.namespace)).body
    assert str(connection.place) == f"{plane.url} (namespace {namespace}, this pod's service account)"
    connection.close()


def test_a_server_with_a_foreign_certificate_is_not_talked_to(plane: Plane, tmp_path: Path) -> None:
    config = plane.kubeconfig()
    config.write_text(config.read_text().replace(f'"certificate-authority": "{plane.ca}"', '"insecure": false'))
    connection = Connection(Target(kubeconfig=str(config)), {})
    with pytest.raises(ClusterBroken, match="certificate is not trusted"):
        connection.request("GET", "/version")
    connection.close()


def test_nothing_listening_is_unreachable_and_nothing_was_sent(plane: Plane) -> None:
    connection = Connection(Target(kubeconfig=str(plane.kubeconfig(server="http://127.0.0.1:1"))), {})
    with pytest.raises(ClusterUnreachable) as caught:
        connection.request("GET", "/version")
    assert not caught.value.sent
    connection.close()


def test_a_server_that_is_no_kubernetes_is_told(behind: Cluster, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "GET", status=404, body=b"<h1>Not Found</h1>")
    with pytest.raises(ClusterBroken, match="API server"):
        jobs_of(behind)
