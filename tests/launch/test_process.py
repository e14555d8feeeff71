from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crossad.launch.process import Child, Mark, mark

PATIENCE = 120.0  # of a busy machine
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.02)


def wait(child: Child) -> int:
    wait_for("the child's end", lambda: child.poll() is not None)
    code = child.poll()
    assert code is not None
    return code


def test_output_and_exit_code_are_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(66)"]
    assert wait(Child(command, os.environ, tmp_path / "log")) == 66
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_a_death_by_signal_is_128_plus_its_number(tmp_path: Path) -> None:
    child = Child(SLEEPER, os.environ, tmp_path / "log")
    child.kill()
    assert wait(child) == 128 + signal.SIGKILL


def test_what_a_trainer_leaves_running_is_killed_with_it(tmp_path: Path) -> None:
    script = f"import subprocess; print(subprocess.Popen({SLEEPER!r}).pid, flush=True)"
    assert wait(Child([sys.executable, "-c", script], os.environ, tmp_path / "log")) == 0
    orphan = int((tmp_path / "log").read_text())
    wait_for("the grandchild's end", lambda: mark(orphan).started is None)


def test_a_mark_is_not_fooled_by_another_process_of_the_same_number() -> None:
    mine = mark(os.getpid())
    assert mine.alive
    assert mine.started is not None
    assert not Mark(pid=mine.pid, started=mine.started - 1).alive


def test_a_deaf_process_is_killed_after_the_grace(tmp_path: Path) -> None:
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    script = f"{ignore}; print('deaf', flush=True); time.sleep(600)"
    child = Child([sys.executable, "-c", script], os.environ, tmp_path / "log")
    while "deaf" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    child.mark.terminate(0.2)
    assert wait(child) == 128 + signal.SIGKILL


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_trainer_does_not_outlive_its_runner(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import os, pathlib, sys, time; from crossad.launch.process import Child; "
        f"child = Child({SLEEPER!r}, os.environ, pathlib.Path(sys.argv[1]));"
        "print(child.mark.pid, flush=True); time.sleep(600)"
    )
    runner = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    trainer = mark(int(runner.stdout.readline()))
    assert trainer.alive
    runner.send_signal(how)
    runner.communicate()
    wait_for("the trainer's end", lambda: not trainer.alive)


def test_a_trainer_whose_runner_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    from crossad.launch.process import GUARD

    begun = tmp_path / "begun"
    command = [
        sys.executable,
        "-I",
        "-S",
        str(GUARD),
        "1",
        sys.executable,
        "-c",
        f"open({str(begun)!r}, 'w')",
    ]
    assert subprocess.run(command, check=False).returncode == 75
    assert not begun.exists()
