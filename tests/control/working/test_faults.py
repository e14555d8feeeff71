"""What networks and API servers do to a controller's requests, done by a proxy; its patience needs no time here."""

from __future__ import annotations

from collections.abc import Iterator

import faultproxy
import pytest
from clients import Time, status

from crossad.kube.faults import ClusterUnreachable
from crossad.kube.patience import Patience

from .conftest import Lab, ids, make_plan

BUSY = status(429, "TooManyRequests", "too many requests, please try again later", retryAfterSeconds=7)
EXPIRED = status(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")


@pytest.fixture
def proxy(lab: Lab) -> Iterator[faultproxy.Proxy]:
    """A proxy before the API server."""
    with faultproxy.serving(lab.plane.url, context=lab.plane.context) as serving:
        yield serving


@pytest.fixture
def time() -> Time:
    return Time()


def finish(lab: Lab, proxy: faultproxy.Proxy, time: Time) -> None:
    """Bring three conditions to their end behind the proxy: one Job each, one report."""
    lab.pin(make_plan("a", "b", "c"))
    patience = Patience(60.0, clock=lambda: time.now, sleep=time.sleep, dice=lambda: 0.0)
    assert lab.work(cluster=lab.cluster(server=proxy.endpoint, patience=patience), threads=2).exit_code == 0
    assert ids(lab.jobs()) == [["a"], ["b"], ["c"]]
    assert sorted(lab.trainers.ran) == [("a",), ("b",), ("c",)]
    assert lab.trainers.reports == [0]


def test_a_429_is_waited_for_as_long_as_the_server_asks(lab: Lab, proxy: faultproxy.Proxy, time: Time) -> None:
    proxy.add("refuse", "POST", "/jobs", times=3, status=429, headers={"Retry-After": "7"}, body=BUSY)
    finish(lab, proxy, time)
    assert time.slept.count(7.0) == 3


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_5xx_is_asked_again(lab: Lab, proxy: faultproxy.Proxy, time: Time, code: int) -> None:
    for method in ("POST", "GET"):
        proxy.add("refuse", method, times=2, status=code, body=status(code, "InternalError", "request timed out"))
    finish(lab, proxy, time)


@pytest.mark.parametrize("kind", ["cut", "lose", "truncate"])
def test_answers_that_do_not_arrive_make_no_job_twice(
    lab: Lab, proxy: faultproxy.Proxy, time: Time, kind: faultproxy.Kind
) -> None:
    for method, path in (("POST", "/configmaps"), ("POST", "/jobs"), ("GET", "/jobs?"), ("GET", "/pods?")):
        proxy.add(kind, method, path, times=2)
    finish(lab, proxy, time)


def test_a_list_that_goes_stale_is_read_again(lab: Lab, proxy: faultproxy.Proxy, time: Time) -> None:
    proxy.add("refuse", "GET", "/jobs?", times=2, status=410, body=EXPIRED)
    finish(lab, proxy, time)


def test_a_server_that_stays_away_ends_it_with_75_and_the_same_again_continues(
    lab: Lab, proxy: faultproxy.Proxy, time: Time
) -> None:
    lab.pin(make_plan("a", "b", "c"))
    patience = Patience(60.0, clock=lambda: time.now, sleep=time.sleep, dice=lambda: 0.0)
    away = proxy.add("cut", "POST", "/jobs", times=999)
    with pytest.raises(ClusterUnreachable) as caught:
        lab.reconciler(cluster=lab.cluster(server=proxy.endpoint, patience=patience)).once()
    assert caught.value.exit_code == 75
    away.times = 0
    finish(lab, proxy, time)
