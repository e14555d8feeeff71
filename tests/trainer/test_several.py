"""A pod's command: conditions that travel in an environment variable, one after another in one process."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from tinydraem import TINY_DRAEM

from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import parse_suite
from crossad.errors import InterruptedRun
from crossad.interrupt import Interrupt
from crossad.launch.state import RunState
from crossad.results.home import FolderHome
from crossad.results.layout import RunPaths
from crossad.results.payload import carried, pack_text, plan_json, unpack
from crossad.results.plan import Plan, PlanEntry
from crossad.store.faults import StoreDenied
from crossad.trainer.several import run_conditions

CONFIG = {
    **TINY_DRAEM,
    "max_epochs": 1,
    "max_visualizations": 1,
    "num_workers": 0,
}


def packed(*targets):
    """Conditions with one training, as a Job carries them."""
    conditions = [
        {"name": f"to {' '.join(some)}", "config": {**CONFIG, "target_domains": list(some)}} for some in targets
    ]
    suite = parse_suite("suite", json.dumps({"experiment_conditions": conditions}).encode())
    entries = tuple(PlanEntry.model_validate(plan_entry(condition, ())) for condition in suite.conditions)
    assert len({entry.training_key for entry in entries}) == 1
    plan = Plan(
        run="night", revision=1, repeat=1, suite="suite", created="2026-11-25T00:00:00+00:00", data="/data",
        command=(), overrides={}, conditions=entries,
    )  # fmt: skip
    return pack_text(plan_json(carried(plan, entries)))


def pod(plan, data, results):
    """The command line of a rendered Job, on the CPU and in a folder."""
    words = ["train", "--config", "env:CROSSAD_PLAN", "--experiment-id", "all", "--run", "night", "--gpu-id", "cpu"]
    command = [sys.executable, "-m", "crossad", *words, "--results-dir", str(results), "--data", str(data)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CROSSAD_PLAN": plan}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_conditions_that_share_a_training_train_once_in_one_process(domains, tmp_path):
    done = pod(packed(["domain_B"], ["domain_B", "domain_C"]), domains, tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("(success)") == 2
    paths = RunPaths(tmp_path / "results", "night")
    for name in ("to domain_B", "to domain_B domain_C"):
        assert paths.condition(name).records()
    commits = list((tmp_path / "results/.crossad/commits").glob("training-*"))
    assert len(commits) == 1


def test_a_condition_that_fails_for_good_holds_up_no_other(domains, tmp_path):
    done = pod(packed(["domain_X"], ["domain_B"]), domains, tmp_path / "results")
    assert done.returncode == 66, done.stderr
    assert "(success)" in done.stderr
    assert RunPaths(tmp_path / "results", "night").condition("to domain_B").records()


def test_what_is_no_plan_ends_with_the_code_of_bad_data(domains, tmp_path):
    done = pod("rubbish", domains, tmp_path / "results")
    assert (done.returncode, "not a packed plan" in done.stderr) == (65, True)


def test_a_stop_between_two_conditions_leaves_the_rest_to_the_next_process(task, quick):
    interrupt = Interrupt()
    tasks = [task(name=name, place={"interrupt": interrupt}, seed=seed) for name, seed in (("one", 1), ("two", 2))]
    with pytest.raises(InterruptedRun):
        run_conditions(tasks, tell=lambda text: interrupt.request())
    assert tasks[0].paths.records()
    assert not tasks[1].paths.records(), "exit code 0 here would end the Job with work undone"
    again = [replace(one, interrupt=Interrupt()) for one in tasks]
    steps = len(quick.steps)
    assert run_conditions(again, tell=lambda text: None) == 0
    assert tasks[1].paths.records()
    assert len(quick.steps) == 2 * steps, "the first is not done again"


def pair(task, interrupt, **place):
    where = {"interrupt": interrupt, "ship_seconds": 0.01, **place}
    return [task(name=name, place=where, seed=seed) for name, seed in (("one", 1), ("two", 2))]


def test_a_condition_that_was_cancelled_is_left_out_and_the_other_done(task, quick):
    tasks, said = pair(task, Interrupt()), []
    assert run_conditions(tasks, said.append, lambda one: one.name == "one") == 0
    assert said[0] == "cancelled: one"
    assert not tasks[0].paths.root.exists()
    assert tasks[1].paths.records()


def test_a_condition_that_is_cancelled_at_work_saves_and_makes_room_for_the_next(task, quick):
    tasks, said, cancelled = pair(task, Interrupt()), [], threading.Event()

    def once_at_work(step):
        if not cancelled.is_set():
            cancelled.set()
            for thread in threading.enumerate():
                if thread.name == "crossad-cancelled":
                    thread.join()  # it ends with the answer

    quick.on_step = once_at_work
    assert run_conditions(tasks, said.append, lambda one: one.name == "one" and cancelled.is_set()) == 0
    assert said[0] == "cancelled: one"
    assert not tasks[0].paths.records()
    assert list((tasks[0].paths.checkpoints / "state").iterdir()), "a retry goes on from here"
    assert tasks[1].paths.records()


def test_a_stop_of_the_process_is_no_cancellation(task, quick):
    interrupt = Interrupt()
    quick.on_step = lambda step: interrupt.request()
    with pytest.raises(InterruptedRun):
        run_conditions(pair(task, interrupt), lambda text: None, lambda one: interrupt.requested)


def test_an_answer_that_cannot_be_had_is_told_and_the_work_goes_on(task, quick):
    def denied(one):
        raise StoreDenied("no right to list runs/")

    tasks, said = pair(task, Interrupt(), ship_seconds=60.0), []
    assert run_conditions(tasks, said.append, denied) == 0
    assert said[0] == "whether it was cancelled cannot be read, so it goes on: no right to list runs/"
    assert all(one.paths.records() for one in tasks)


def test_a_pod_reads_in_the_store_what_was_cancelled(domains, tmp_path):
    home = FolderHome(tmp_path / "results")
    plan = packed(["domain_X"], ["domain_B"])
    entries = unpack(base64.b64decode(plan), "test").conditions
    RunState(home, "night").close(entries[0].condition_id, "cancelled", "enough")
    done = pod(plan, domains, tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "cancelled: to domain_X" in done.stderr
    assert "(success)" in done.stderr
