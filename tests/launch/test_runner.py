from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossad.launch.command import Job
from crossad.launch.summary import Summary

Make = Callable[..., Job]
Go = Callable[..., Summary]


def trace(job: Job) -> list[list[str]]:
    return [line.split() for line in (job.results / "trace.log").read_text().splitlines()]


def test_a_failed_condition_neither_blocks_nor_fakes_the_others(job: Make, run: Go) -> None:
    mine = job(["ok-1", "exit65-a", "ok-2"])
    summary = run(mine)
    assert summary == Summary("night", done=("ok-1", "ok-2"), failed=("exit65-a",))
    assert summary.exit_code == 3
    assert not list((mine.results / ".crossad/commits").glob("*exit65*"))


def test_a_deterministic_failure_is_not_tried_again_and_keeps_reason_and_hint(job: Make, run: Go, silent: Any) -> None:
    mine = job(["exit70-a"])
    assert run(mine).exit_code == 1
    assert [word for word, *_ in trace(mine)] == ["begin", "end"]
    assert any("on purpose" in line for line in silent.lines)
    assert any("hint: do better" in line for line in silent.lines)


def test_a_crash_is_tried_again_and_each_reason_is_kept(job: Make, run: Go) -> None:
    mine = job(["flaky-a", "crash-b"])
    summary = run(mine)
    assert (summary.done, summary.failed) == (("flaky-a",), ("crash-b",))
    begun = [name for word, name, *_ in trace(mine) if word == "begin"]
    assert (begun.count("flaky-a"), begun.count("crash-b")) == (2, 3)
    failures = sorted((mine.results / ".crossad/failures/c-crash-b").iterdir())
    assert len(failures) == 3
    assert "a wire is loose" in json.loads(failures[0].read_text())["error"]["message"]


def test_a_trainer_that_is_killed_is_said_to_be_out_of_memory_most_likely(job: Make, run: Go, silent: Any) -> None:
    assert run(job(["kill9-a"])).failed == ("kill9-a",)
    assert any("ran out of memory" in line for line in silent.lines)


def test_success_without_a_commit_is_no_success(job: Make, run: Go, silent: Any) -> None:
    assert run(job(["lost-a"])).failed == ("lost-a",)
    assert any("left no commit" in line for line in silent.lines)


def test_a_partial_condition_is_named_so_and_says_which_target_is_missing(job: Make, run: Go, silent: Any) -> None:
    summary = run(job(["partial-a"]))
    assert (summary.partial, summary.exit_code) == (("partial-a",), 3)
    assert any("target domain_C: no images" in line for line in silent.lines)


def test_two_devices_work_at_once_and_a_freed_one_takes_the_next(job: Make, run: Go) -> None:
    mine = job(["meet-0", "meet-1", "ok-2", "ok-3", "ok-4"], devices=("0", "1"))
    assert run(mine).exit_code == 0
    running: set[str] = set()
    most = 0
    for word, _, device, *_ in trace(mine):
        if word == "begin":
            assert device not in running
            running.add(device)
        else:
            running.remove(device)
        most = max(most, len(running))
    assert most == 2


def test_the_same_run_again_does_only_what_is_missing(job: Make, run: Go) -> None:
    mine = job(["ok-1", "ok-2"])
    run(mine, entries=mine.plan.conditions[:1])
    assert run(mine).exit_code == 0
    assert [name for word, name, *_ in trace(mine) if word == "begin"] == ["ok-1", "ok-2"]


def test_a_failure_is_repeated_only_on_request_and_its_verdict_stays_readable(job: Make, run: Go) -> None:
    mine = job(["exit66-a"])
    run(mine)
    run(mine)
    assert sum(word == "begin" for word, *_ in trace(mine)) == 1
    run(mine, retry=True)
    assert sum(word == "begin" for word, *_ in trace(mine)) == 2
    verdicts = mine.results / ".crossad/runs/night/verdicts/c-exit66-a"
    assert sorted(path.name for path in verdicts.iterdir()) == ["0001.json", "0002.json"]


def test_another_run_of_the_same_conditions_links_what_is_done(job: Make, run: Go, tmp_path: Path) -> None:
    run(job(["ok-1"], run="first"))
    second = job(["ok-1"], run="second")
    assert run(second).exit_code == 0
    assert len([1 for word, *_ in trace(second) if word == "begin"]) == 1
    folder = second.paths.condition("ok-1").root
    assert folder.resolve() == (tmp_path / "results/first/ok-1_first").resolve()
    assert "Target domain_B AUROC" in second.paths.log.read_text()


def test_threads_of_the_cpu_are_shared_among_its_slots(job: Make, run: Go) -> None:
    mine = job(["ok-1"], devices=("cpu",) * 64)
    run(mine)
    assert trace(mine)[0][-1] == "1"
