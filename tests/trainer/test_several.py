"""A pod's command: conditions that travel in an environment variable, one after another in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from tinydraem import TINY_DRAEM

from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import parse_suite
from crossad.errors import InterruptedRun
from crossad.interrupt import Interrupt
from crossad.results.layout import RunPaths
from crossad.results.payload import carried, pack_text, plan_json
from crossad.results.plan import Plan, PlanEntry
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
