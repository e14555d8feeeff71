"""`crossad logs` in a cluster: the pod's own words while it is there, through a real API server; else the store's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import fakekubelet
import pytest
from clusterjobs import ending
from clusternight import Night
from fakekubelet import Kubelet
from plane import Plane
from s3servers import Place

from crossad.control.podlogs import Follower, PodLog
from crossad.kube.cluster import Cluster
from crossad.kube.resources import PODS
from crossad.results.beacons import Beacon, beacon_key
from crossad.results.layout import RunPaths
from crossad.results.logship import LogShipper
from crossad.results.progress import Progress

MakeNight = Callable[..., Night]
FIRST = [("2026-11-25T05:32:00.5Z", "one"), ("2026-11-25T05:32:00.500000001Z", "two")]


@pytest.fixture
def node(plane: Plane) -> Iterator[str]:
    """A node of its own, which a kubelet can answer for."""
    with plane.node(10, {"gpu": "telling"}) as name:
        yield name


@pytest.fixture
def kubelet(plane: Plane, node: str) -> Iterator[Kubelet]:
    with fakekubelet.serving(plane, node) as serving:
        yield serving


def start(night: Night, name: str = "a", how: dict[str, str] | None = None) -> str:
    """A condition's pod, running on the node that tells."""
    settings = night.settings(how, placement={"nodeSelector": {"gpu": "telling"}})
    (job,) = night.apply(name, settings=settings)
    return night.plane.running_pod(night.namespace, job)


def ship(night: Night, attempt: str, *lines: str, name: str = "a") -> None:
    """What an attempt left in the store."""
    paths = RunPaths(night.results / attempt, "night").condition(name)
    paths.root.mkdir(parents=True)
    shipper = LogShipper(night.home.state, attempt, paths)
    paths.log.write_text("".join(f"{line}\n" for line in lines))
    shipper.ship()
    progress = Progress(phase="done", started=0, updated=0, pid=1)
    body = Beacon(attempt=attempt, every=30, progress=progress).model_dump_json().encode()
    night.home.state.put(beacon_key("night", f"c-{name}", attempt), body)


def test_a_living_pod_is_asked_and_tail_takes_the_last_lines(night: MakeNight, kubelet: Kubelet, node: str) -> None:
    found = night("a")
    pod = start(found)
    kubelet.logs[pod] = FIRST
    done = found.type("logs", "night", "a")
    assert (done.exit_code, done.stdout) == (0, "one\ntwo\n"), done.output
    assert done.stderr == f"pod {pod} on node {node}\n"
    assert found.type("logs", "night", "a", "--tail", "1").stdout == "two\n"


def test_what_is_new_comes_once_however_the_times_are_written(
    night: MakeNight, kubelet: Kubelet, cluster: Cluster
) -> None:
    found = night("a")
    pod = start(found)
    kubelet.logs[pod] = list(FIRST)
    log = PodLog(cluster, pod)
    assert list(log.lines()) == ["one", "two"]
    assert list(log.lines()) == []
    kubelet.logs[pod] += [(FIRST[1][0], "at the same time"), ("2026-11-25T05:32:00.51Z", "later")]
    kubelet.unfinished[pod] = "2026-11-25T05:32:01Z not yet"
    assert list(log.lines()) == ["at the same time", "later"]
    assert list(log.lines()) == []
    kubelet.unfinished.clear()
    kubelet.logs[pod] += [("2026-11-25T05:32:01Z", "not yet whole, now it is")]
    assert list(log.lines()) == ["not yet whole, now it is"]
    assert kubelet.asked[-1]["sinceTime"] == ["2026-11-25T05:32:00Z"], "only what may be new is sent"


def test_a_pod_that_takes_the_place_of_another_is_followed(
    night: MakeNight, kubelet: Kubelet, cluster: Cluster, plane: Plane
) -> None:
    found = night("a")
    pod = start(found)
    kubelet.logs[pod] = FIRST
    said: list[str] = []
    follower = Follower(cluster, "night", found.plan.conditions[0], said.append)
    lines, waits = [], iter([lambda: plane.evict(found.namespace, pod)])

    def second() -> str:
        pods = plane.request("GET", PODS.path(found.namespace))["items"]
        names = [one["metadata"]["name"] for one in pods if one["status"]["phase"] == "Running"]
        return next((name for name in names if name != pod), "")

    def wait() -> None:
        next(waits, lambda: None)()
        name = found.until("the pod that follows", second)
        kubelet.logs[name] = [("2026-11-25T05:40:00Z", "goes on")]

    for line in follower.lines(wait):
        lines.append(line)
        if line == "goes on":
            break
    assert lines == ["one", "two", "goes on"]
    assert said[0].startswith(f"pod {pod} on node")
    assert said[-1].startswith("pod a-")


def test_why_there_is_no_log_yet_is_said_once_and_the_end_of_the_job_is_the_end(
    night: MakeNight, kubelet: Kubelet
) -> None:
    found = night("a", "b")
    found.apply("b", settings=found.settings(placement={"nodeSelector": {"gpu": "none-such"}}))
    found.until("the scheduler's word", lambda: found.row("b")["cause"] == "label")
    waiting = found.type("logs", "night", "b")
    assert (waiting.exit_code, waiting.stdout) == (0, "")
    assert "the labels it asks for, gpu=none-such" in waiting.stderr
    pod = start(found, how=ending(code=65, after="3s"))
    kubelet.logs[pod] = FIRST
    done = found.type("logs", "night", "a", "-f")
    assert (done.exit_code, done.stdout) == (0, "one\ntwo\n"), done.output


def test_the_store_tells_where_no_pod_works_and_with_detail(
    night: MakeNight, kubelet: Kubelet, versitygw: Place
) -> None:
    found = night("a", "b")
    found.live_in(versitygw.uri, endpoint=versitygw.endpoint)
    found.apply("a", settings=found.settings(ending(code=65), placement={"nodeSelector": {"gpu": "telling"}}))
    kubelet.logs[found.stands("a", "failed")["pod"]] = FIRST
    alone = found.type("logs", "night", "a")
    assert alone.stdout == "one\ntwo\n", "it died before it sent anything: its pod is all there is"
    ship(found, "first", "begun", "interrupted")
    ship(found, "second", "goes on", "failed")
    whole = "begun\ninterrupted\ngoes on\nfailed\n"
    for words in ((), ("-f",)):
        assert found.type("logs", "night", "a", *words).stdout == whole
    assert found.type("logs", "night", "a", "--tail", "2").stdout == "goes on\nfailed\n"
    assert found.type("logs", "night", "a", cluster=False).stdout == whole
    none = found.type("logs", "night", "b")
    assert none.exit_code == 2
    assert "no log yet" in none.stderr
    start(found, "b")
    assert found.type("logs", "night", "b", "--detail").exit_code == 2, "the store has nothing of it yet"
