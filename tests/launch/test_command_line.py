"""`crossad run` and its companions as processes: the fake trainer behind the real command line."""

# ruff: noqa: S602 - the guide's lines are shell lines

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossad.launch.process import mark

DRIVE = Path(__file__).with_name("drive.py")
PATIENCE = 120.0  # of a busy machine; a fake trainer that is not ended sleeps for longer


class Place:
    """A folder with data, where a user types commands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "results"
        self.environment: dict[str, str] = {}
        self.started: list[subprocess.Popen[str]] = []
        for domain in ("domain_A", "domain_B", "domain_C"):
            (root / "data" / domain / "test/good").mkdir(parents=True)

    def suite(self, *names: str, file: str = "suite.json", **config: Any) -> None:
        base = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": "auto"}
        conditions = [{"name": name, "config": {**base, "seed": number, **config}} for number, name in enumerate(names)]
        (self.root / file).write_text(json.dumps({"experiment_conditions": conditions}))

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "FAKE_SECONDS": "0.1", **self.environment, "COLUMNS": "200"}
        process = subprocess.Popen(
            [sys.executable, str(DRIVE), *words],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def type(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def trace(self) -> list[list[str]]:
        path = self.results / "trace.log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self) -> list[str]:
        return [words[1] for words in self.trace() if words[0] == "begin"]

    def wait_for(self, what: Callable[[], Any]) -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError("it did not happen")

    def wait_for_file(self, name: str) -> None:
        self.wait_for((self.results / name).exists)


RUN = ("run", "suite.json", "--gpus", "cpu", "--no-report")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for process in made.started:
        with process:  # its pipes are closed, whoever has waited for it
            process.kill()


def test_a_suite_runs_to_its_tree_without_a_terminal(place: Place) -> None:
    place.suite("ok-1", "ok-2")
    code, out, err = place.type(*RUN, "--run", "night")
    assert (code, "2 done" in out) == (0, True), err
    for name in ("ok-1", "ok-2"):
        assert list((place.results / f"night/{name}_night/tensorboard_logs").glob("result_*.json"))
    assert "done in" in err
    assert "\x1b" not in err + out


@pytest.mark.parametrize(
    "line",
    [
        'grep -r "AUROC" results/*/multi_domain_*.log',
        'grep -r "Target.*AUROC" results/*/tensorboard_logs/result_*.json',
        "ls results/*/tensorboard_logs/result_*.json",
        'grep -r "val_image_AUROC" results/*/tensorboard_logs/result_*.json',
        'grep -r "target_results" results/*/tensorboard_logs/result_*.json',
        "tail -n 5 results/*/multi_domain_*.log",
        "tail -n 5 results/*/training_detail.log",
        "tail -n 5 $(ls -t results/*/multi_domain_*.log | head -1)",
    ],
)
def test_the_guides_monitoring_lines_work_as_written(line: str, finished: Path) -> None:
    shown = subprocess.run(line, shell=True, cwd=finished, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "ok-" in shown.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Place(tmp_path_factory.mktemp("finished"))
    made.suite("ok-1", "ok-2")
    assert made.type(*RUN)[0] == 0
    return made.root


def test_the_same_command_continues_the_newest_run_and_repeats_nothing(place: Place) -> None:
    place.suite("ok-1", "ok-2")
    place.type(*RUN, "--ids", "0,1")
    code, out, _ = place.type(*RUN)
    assert (code, len(place.begun())) == (0, 2)
    assert len(list(place.results.glob("*/plan.json"))) == 1
    assert "2 done" in out


def test_a_condition_that_was_taken_out_of_the_suite_moves_no_other(place: Place) -> None:
    place.suite("ok-1", "ok-2", "ok-3")
    place.type(*RUN, "--ids", "0,1", "--run", "night")
    _, *others = json.loads((place.root / "suite.json").read_text())["experiment_conditions"]
    new = {"name": "ok-4", "config": {**others[0]["config"], "seed": 4}}
    (place.root / "suite.json").write_text(json.dumps({"experiment_conditions": [*others, new]}))
    code, out, err = place.type(*RUN, "--run", "night")
    assert (code, sorted(place.begun())) == (0, ["ok-1", "ok-2", "ok-3", "ok-4"]), err
    plan = json.loads((place.results / "night/plan.json").read_text())
    assert [one["name"] for one in plan["conditions"]] == ["ok-1", "ok-2", "ok-3", "ok-4"]
    assert "3 done" in out


def test_a_fresh_run_repeats_the_work_under_a_name_and_keys_of_its_own(place: Place) -> None:
    place.suite("ok-1")
    place.type(*RUN)
    assert place.type(*RUN, "--fresh")[0] == 0
    assert place.begun() == ["ok-1", "ok-1"]
    plans = [json.loads(path.read_text()) for path in sorted(place.results.glob("*/plan.json"))]
    assert sorted(plan["repeat"] for plan in plans) == [1, 2]


def test_an_overridden_run_is_other_work_and_says_so_in_its_plan(place: Place) -> None:
    place.suite("ok-1")
    place.type(*RUN, "--run", "full")
    code, _, err = place.type(*RUN, "--run", "small", "--set", "seed=7", "num_neighbors=3", "--limit-images", "4")
    assert code == 0, err
    plan = json.loads((place.results / "small/plan.json").read_text())
    assert plan["conditions"][0]["overrides"] == {"seed": 7, "num_neighbors": 3, "limit_images": 4}
    assert len(place.begun()) == 2


def test_every_missing_domain_is_named_before_anything_starts(place: Place) -> None:
    place.suite("ok-1", "ok-2", target_domains=["domain_b", "domain_X"])
    code, _, err = place.type(*RUN)
    assert code == 2
    assert err.count("no domain domain_X") == 2
    assert "did you mean domain_B?" in err
    assert not place.results.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nowhere.json"), "no such suite file"),
        ((*RUN, "--ids", "9"), "no such condition: 9"),
        ((*RUN, "--data", "elsewhere"), "no such data folder"),
        ((*RUN, "--gpus", "77"), "no such GPU"),
        ((*RUN, "--run", "a/b"), "--run"),
        ((*RUN, "--set", "sead=1"), "seed"),
        (("status",), "no runs in"),
        (("explain", "night"), "no runs in"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(place: Place, words: tuple[str, ...], said: str) -> None:
    place.suite("ok-1")
    code, _, err = place.type(*words)
    assert (code, said in err, "Traceback" in err) == (2, True, False), err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_trainers_save_and_the_same_command_continues(place: Place, how: signal.Signals) -> None:
    place.suite("sleep-1", "ok-2")
    runner = place.start(*RUN, "--run", "night")
    place.wait_for_file("night/sleep-1_night/progress.json")
    runner.send_signal(how)
    _, err = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 75
    assert "the same command continues: crossad run suite.json" in err
    progress = json.loads((place.results / "night/sleep-1_night/progress.json").read_text())
    assert (progress["phase"], progress["exit_code"]) == ("interrupted", 75)
    assert place.begun() == ["sleep-1"]
    _, out, _ = place.type("status", "night", "--json")
    assert [row["state"] for row in json.loads(out)["conditions"]] == ["interrupted", "pending"]


def test_a_deaf_trainer_is_killed_after_the_grace(place: Place) -> None:
    place.suite("deaf-1")
    runner = place.start(*RUN, "--run", "night", "--grace", "0.3")
    place.wait_for_file("night/deaf-1_night/progress.json")
    runner.terminate()
    runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 75
    assert not mark(int(place.trace()[0][3])).alive


def test_a_killed_runner_takes_its_trainers_along_and_leaves_no_false_verdict(place: Place) -> None:
    place.suite("sleep-1", "ok-2")
    runner = place.start(*RUN, "--run", "night")
    pid = int(place.wait_for(place.trace)[0][3])
    trainer = mark(pid)
    place.wait_for_file("night/sleep-1_night/progress.json")
    runner.kill()
    runner.communicate()
    place.wait_for(lambda: not trainer.alive)
    _, out, _ = place.type("explain", "night")
    assert "sleep-1 is interrupted" in out
    assert "next: crossad run suite.json" in out


def test_a_trainer_that_outlived_its_runner_is_ended_by_the_next_one(place: Place) -> None:
    place.suite("deaf-1", "ok-2")
    runner = place.start(*RUN, "--run", "night")
    place.wait_for_file("night/deaf-1_night/progress.json")
    first = mark(int(place.trace()[0][3]))
    runner.kill()
    runner.communicate()
    assert first.alive
    again = place.start(*RUN, "--run", "night", "--grace", "0.3")
    place.wait_for(lambda: len(place.begun()) == 2)
    assert not first.alive
    again.terminate()
    again.communicate(timeout=PATIENCE)


def test_a_second_run_of_the_same_name_is_told_who_holds_it(place: Place) -> None:
    place.suite("sleep-1")
    runner = place.start(*RUN, "--run", "night")
    place.wait_for(place.trace)
    code, _, err = place.type(*RUN, "--run", "night")
    assert code == 2
    assert f"process {runner.pid}" in err
    runner.terminate()
    runner.communicate(timeout=PATIENCE)


def test_cancel_stops_one_condition_and_the_others_go_on(place: Place) -> None:
    place.suite("sleep-1", "ok-2", "sleep-3")
    runner = place.start(*RUN, "--run", "night")
    place.wait_for(place.trace)
    code, out, err = place.type("cancel", "night", "sleep-1", "2")
    assert (code, "cancelled: sleep-1" in out, "cancelled: sleep-3" in out) == (0, True, True), err
    runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 3
    assert place.begun() == ["sleep-1", "ok-2"]
    assert place.type(*RUN, "--run", "night")[0] == 3
    assert len(place.begun()) == 2
    _, out, _ = place.type("status", "night", "--json")
    assert json.loads(out)["counts"] == {"done": 1, "cancelled": 2}


def test_failures_are_explained_retried_and_not_repeated_by_run(place: Place) -> None:
    place.suite("exit65-1", "flaky-2", "ok-3")
    assert place.type(*RUN, "--run", "night")[0] == 3
    _, out, _ = place.type("explain")
    assert out == "exit65-1 is failed: on purpose; next: do better; then crossad retry night exit65-1\n"
    before = len(place.begun())
    assert place.type("retry", "--failed", "--gpus", "cpu", "--no-report")[0] == 1
    assert place.begun()[before:] == ["exit65-1"]
    code, out, _ = place.type("retry", "night", "ok-3", "--gpus", "cpu")
    assert (code, "nothing to retry" in out) == (0, True)


def test_logs_print_a_condition_the_run_or_what_a_crash_left(place: Place) -> None:
    place.suite("ok-1", "crash-2")
    place.environment["FAKE_SECONDS"] = "1.5"
    place.type(*RUN, "--run", "night")
    assert "Target domain_B AUROC" in place.type("logs", "night", "ok-1")[1]
    assert "crash-2 | start on cpu, attempt 3" in place.type("logs")[1]
    assert "a wire is loose" in place.type("logs", "night", "crash-2")[1]
    assert "ok-1 | fitting 1/4 step" in place.type("logs", "night", "--detail")[1]
    assert "did you mean ok-1?" in place.type("logs", "night", "ok-7")[2]


def test_following_a_log_ends_when_the_work_ends(place: Place) -> None:
    place.suite("ok-1", "sleep-2")
    runner = place.start(*RUN, "--run", "night")
    place.wait_for(lambda: len(place.begun()) == 2)
    follower = place.start("logs", "night", "-f")
    assert follower.stdout is not None
    assert any("ok-1 | Target domain_B AUROC" in line for line in follower.stdout)
    assert follower.poll() is None
    runner.terminate()
    runner.communicate(timeout=PATIENCE)
    assert follower.wait(PATIENCE) == 0


def test_names_complete_in_the_shell(place: Place) -> None:
    place.suite("ok-1", "ok-2")
    place.type(*RUN, "--run", "night")
    words = {"COMP_WORDS": "crossad status ", "COMP_CWORD": "2", "_DRIVE_PY_COMPLETE": "bash_complete"}
    shown = subprocess.run(
        [sys.executable, str(DRIVE)],
        cwd=place.root,
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.splitlines() == ["plain,night", "plain,ok-1", "plain,ok-2"]


def test_a_moved_results_folder_keeps_its_links(finished: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(finished / "results", moved, symlinks=True)
    links = list(moved.glob("*/tensorboard_logs/result_*.json"))
    assert len(links) == 2
    assert all(link.is_symlink() and link.resolve().is_relative_to(moved.resolve()) for link in links)
    assert all(json.loads(link.read_text())["status"] == "success" for link in links)
