"""`crossad report --wait` as the rendered aggregation Job runs it: a process, a real store, a real control plane."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import clusterjobs
import faultproxy
import nightworld
import pytest
from fetchworld import RUN, World, entry
from nightworld import Night, conditions, report_of
from plane import Plane
from s3servers import Place

from crossad.fetch.reports import Report, find_report
from crossad.manifests import words
from crossad.manifests.access import access
from crossad.results.home import BucketHome
from crossad.results.layout import RunPaths
from crossad.results.plan import newest_plan

RUNS = clusterjobs.ending("runs")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def night(plane: Plane, namespace: str, gpu_node: str, place: Place, tmp_path: Path) -> Night:
    """A run in a bucket of a real server."""
    home = BucketHome(place.open(), tmp_path / "work")
    store = {"uri": place.uri, "options": {"endpoint": place.endpoint}}
    return Night(plane, World(home, tmp_path / "scratch"), nightworld.settings(namespace, store=store))


@pytest.fixture
def start(night: Night, alone: None) -> Iterator[Start]:
    """Starts an aggregation with the rights of its account; what is left of it ends with the test."""
    (role,) = [one for one in access(words.REPORT, night.settings) if one["kind"] == "Role"]
    namespace = night.settings.namespace
    kubeconfig = night.plane.kubeconfig(night.plane.account(namespace, "report", role["rules"]), namespace)
    with contextlib.ExitStack() as stack:

        def make(folder: Path, *more: str, uid: str = "uid-1") -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "crossad", *night.aggregation(folder), "--kubeconfig", str(kubeconfig)]
            process = subprocess.Popen(
                [*command, "--every", "0.2", *more],
                env={**os.environ, words.JOB_VARIABLE: uid},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield make


def until_said(process: subprocess.Popen[str], text: str) -> str:
    """What it says until some text."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without {text!r}: {said}")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and what it said that nobody has read yet."""
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def kept(night: Night) -> set[str]:
    """The reports of the run in its store."""
    below = f"runs/{RUN}/reports/"
    return {entry.key.removeprefix(below).partition("/")[0] for entry in night.world.store.list(below)}


def test_the_rendered_job_reports_any_mix_with_every_reason(night: Night, start: Start, tmp_path: Path) -> None:
    night.owes("done", "bad", "empty", "held", "absent")
    night.world.store.delete(f"runs/{RUN}/plans/0001.json")  # nobody has pinned it: it comes with the files
    night.world.done("done", "a")
    night.over(night.apply("bad", ending=clusterjobs.ending(code=65)))
    night.failed("bad", 65, "domain B has no fault images", "add some")
    empty = night.apply("empty")
    night.over(empty)
    held = night.apply("held", pod={"nodeSelector": {"gpu": "none-such"}})
    night.pods(held, lambda pod: "conditions" in pod["status"], "the scheduler's word")

    code, said = ended(start(tmp_path / "a", "--deadline", "0"))

    assert code == 3, said
    assert "the deadline has passed; not ended: 1 of 5 conditions" in said
    pinned = newest_plan(night.world.store, RUN)
    assert pinned is not None
    assert pinned.conditions == night.plan.conditions
    report = report_of(tmp_path / "a")
    found = conditions(report)
    assert {name: one["state"] for name, one in found.items()} == {
        "done": "done", "bad": "failed", "empty": "lost", "held": "waiting", "absent": "lost",
    }  # fmt: skip
    assert found["bad"]["problems"][0]["message"] == "domain B has no fault images"
    texts = {
        "exit code 65: its condition or its data cannot be used", "domain B has no fault images", "add some",
        f"its Job {empty} ended with 0 and left no commit", found["held"]["detail"], found["held"]["next_step"],
        "it has no Job, and left no result",
    }  # fmt: skip
    assert all(texts)
    page, paper = (report / "index.html").read_text(), (report / "summary.md").read_text()
    for text in texts:
        assert text in page.replace("&#34;", '"').replace("&#39;", "'"), text
        assert text in paper.replace("\\", ""), text
    assert len(kept(night)) == 1


def test_all_committed_ends_with_0_and_the_report_is_in_the_store(night: Night, start: Start, tmp_path: Path) -> None:
    night.owes("one")
    night.apply("one")
    night.world.done("one", "a")
    code, said = ended(start(tmp_path / "a"))
    assert code == 0, said
    assert conditions(report_of(tmp_path / "a"))["one"]["state"] == "done"
    (name,) = kept(night)
    assert f"kept: {night.world.home.uri}/runs/{RUN}/reports/{name}/index.html" in said


def test_two_at_once_write_the_same_report(night: Night, start: Start, tmp_path: Path) -> None:
    night.owes("one", "bad", "empty")
    night.apply("one", ending=RUNS)
    for job in (night.apply("bad", ending=clusterjobs.ending(code=66)), night.apply("empty")):
        night.over(job)
    both = [start(tmp_path / name, uid=name) for name in "ab"]
    for process in both:
        until_said(process, f"{RUN}: 1 failed, 1 lost, 1 running")
    night.world.done("one", "a")
    assert [ended(process)[0] for process in both] == [3, 3]
    for name in ("summary.json", "summary.md", "summary.csv", "index.html"):
        first, other = (report_of(tmp_path / folder) / name for folder in "ab")
        assert first.read_bytes() == other.read_bytes(), name
    assert len(kept(night)) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_a_waiter_that_is_stopped_goes_on_where_it_was(
    night: Night, start: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    night.owes("one")
    night.apply("one", ending=RUNS)
    first = start(tmp_path / "a")
    until_said(first, f"{RUN}: 1 running")
    first.send_signal(number)
    assert ended(first)[0] == code
    note = night.world.store.get(f"runs/{RUN}/waits/uid-1.json")
    second = start(tmp_path / "b")
    until_said(second, f"{RUN}: 1 running")
    night.world.done("one", "a")
    assert ended(second)[0] == 0
    assert night.world.store.get(f"runs/{RUN}/waits/uid-1.json") == note
    assert len(kept(night)) == 1


@pytest.mark.parametrize("write", ["/plans/0001.json", "/waits/uid-1.json", "/summary.json", "/index.html"])
def test_killed_at_any_write_it_leaves_nothing_half_done_and_the_next_one_ends(
    night: Night, start: Start, proxy: faultproxy.Proxy, tmp_path: Path, write: str
) -> None:
    night.owes("one")
    night.world.store.delete(f"runs/{RUN}/plans/0001.json")
    night.apply("one")
    night.world.done("one", "a")
    reached, released = proxy.hold("PUT", write, 1)
    first = start(tmp_path / "a", "--store-option", f"endpoint={proxy.endpoint}")
    assert reached.wait(300), "it never wrote this"
    first.kill()
    assert ended(first)[0] == -signal.SIGKILL
    report = find_report(night.world.home, RunPaths(tmp_path / "looks", RUN))
    assert isinstance(report, Report)
    assert not report.items, "a report without its page is none"
    released.set()

    code, said = ended(start(tmp_path / "b"))

    assert code == 0, said
    (name,) = kept(night)
    for path in ("index.html", "summary.json"):
        there = night.world.store.get(f"runs/{RUN}/reports/{name}/{path}")
        assert there == (report_of(tmp_path / "b") / path).read_bytes()


def test_a_store_that_does_not_answer_is_waited_for(
    night: Night, start: Start, proxy: faultproxy.Proxy, tmp_path: Path
) -> None:
    night.owes("one")
    night.apply("one")
    night.world.done("one", "a")
    proxy.add("refuse", times=3)
    code, said = ended(
        start(tmp_path / "a", "--store-option", f"endpoint={proxy.endpoint}", "--store-option", "attempts=1")
    )
    assert code == 0, said
    assert "the store does not answer; waiting for it" in said


@pytest.mark.parametrize("words_", [
    ["--deadline", "1"], ["--grace", "1"], ["--plan", "x"], ["--cluster"], ["-n", "x"],
    ["night1", "night2", "--wait"], ["--wait"], ["none-such", "--wait"], ["night1", "--wait", "--plan", "none-such"],
])  # fmt: skip
def test_what_makes_no_sense_ends_with_2_and_a_next_step(words_: list[str], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from crossad.cli.report import command

    done = CliRunner().invoke(command, [*words_, "--results-dir", str(tmp_path)])
    assert done.exit_code == 2, done.output
    assert "error: " in done.stderr
    assert "Traceback" not in done.output


def test_a_local_run_is_waited_for_without_a_cluster(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from crossad.cli.report import command
    from crossad.launch.state import RunState
    from crossad.results.home import FolderHome
    from crossad.results.plan import Plan, pin_plan

    home = FolderHome(tmp_path)
    pin_plan(home, Plan(run=RUN, suite="s", created="2026-01-01T00:00:00Z", data="d", conditions=(entry(0, "one"),)))
    RunState(home, RUN).close("id-one", "failed", "no domain B")
    done = CliRunner().invoke(command, [RUN, "--wait", "--results-dir", str(tmp_path)])
    assert done.exit_code == 3
    assert "without its Jobs: no cluster is named" in done.stderr
    assert "one: failed: no domain B" in done.stderr
    assert (tmp_path / RUN / "report" / "index.html").exists()
