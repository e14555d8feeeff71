from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crossad.errors import MissingInputError, UsageError
from crossad.launch.command import Job
from crossad.launch.control import choose, find_run, split_words, stop_trainers
from crossad.launch.process import Mark, mark
from crossad.launch.standing import Observer, counts
from crossad.launch.state import RunState, Trainer
from crossad.results.home import FolderHome
from crossad.results.plan import pin_plan
from crossad.results.progress import Progress, write_progress

Make = Callable[..., Job]
GONE = Mark(pid=2**22 + 1, started=1)


def trainer(where: Mark, exit_code: int | None = None) -> Trainer:
    return Trainer(mark=where, device="gpu 1", attempt=1, output="", started="now", exit_code=exit_code)


@pytest.fixture
def watched(job: Make) -> tuple[Job, Observer, RunState]:
    mine = job(["a", "b"], shared=["a", "b"])
    pin_plan(FolderHome(mine.results), mine.plan)
    return mine, Observer(FolderHome(mine.results), mine.plan), RunState(FolderHome(mine.results), "night")


def sentence(observer: Observer, index: int = 0) -> str:
    return observer.all()[index].sentence


def test_untouched_is_pending_and_says_what_to_do(watched: tuple[Job, Observer, RunState]) -> None:
    _, observer, _ = watched
    assert sentence(observer).startswith("a is pending: it was never started")
    assert "crossad run" in sentence(observer)


def test_a_dead_process_without_a_record_is_lost(watched: tuple[Job, Observer, RunState]) -> None:
    _, observer, state = watched
    state.write_trainer("c-a", trainer(GONE))
    assert sentence(observer).startswith(f"a is lost: process {GONE.pid} ended without a record")


def test_an_interrupted_one_is_not_lost(watched: tuple[Job, Observer, RunState]) -> None:
    _, observer, state = watched
    state.write_trainer("c-a", trainer(GONE, exit_code=75))
    assert sentence(observer).startswith("a is interrupted")


def test_a_running_one_shows_phase_and_device_and_its_sharer_waits(
    watched: tuple[Job, Observer, RunState],
) -> None:
    job, observer, state = watched
    state.write_trainer("c-a", trainer(mark(os.getpid())))
    seen = Progress(phase="fitting", done=1, total=9, unit="step", started=0, updated=1, pid=1)
    write_progress(job.paths.condition("a").progress, seen)
    with state.hold():
        assert sentence(observer).startswith("a is running: fitting 1/9 step on gpu 1")
        assert sentence(observer, 1) == "b is waiting: it will reuse the training of a, which runs now"


def test_a_trainer_started_by_hand_is_seen_through_its_lock(watched: tuple[Job, Observer, RunState]) -> None:
    job, observer, _ = watched
    condition = job.paths.condition("a")
    write_progress(condition.progress, Progress(phase="fitting", started=0, updated=1, pid=os.getpid()))
    with condition.lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert observer.all()[0].state == "running"
    assert observer.all()[0].state == "pending"


def test_work_done_with_other_data_is_stale(watched: tuple[Job, Observer, RunState]) -> None:
    job, _, _ = watched
    FolderHome(job.results).ledger.commit(
        "condition", "c-a", {"run": "night", "record": {"ref": "x", "bytes": 0, "sha256": ""}}, lock="old" * 10
    )
    rows = Observer(job.home, job.plan, {"c-a": "new" * 10}).all()
    assert counts(rows) == {"stale": 1, "pending": 1}
    assert "the data are others now" in rows[0].reason


def test_words_may_name_a_run_or_only_a_condition_of_the_newest(
    watched: tuple[Job, Observer, RunState],
) -> None:
    home = watched[0].home
    assert [split_words(home, words)[1] for words in ((), ("night",), ("b",), ("night", "0"))] == [
        (),
        (),
        ("b",),
        ("0",),
    ]
    assert [entry.name for entry in choose(find_run(home, None), ("0",))] == ["a"]


def test_what_does_not_exist_is_answered_with_what_does(watched: tuple[Job, Observer, RunState]) -> None:
    home = watched[0].home
    with pytest.raises(MissingInputError) as missing:
        find_run(home, "nihgt")
    assert missing.value.hint == "did you mean night?"
    with pytest.raises(UsageError) as unknown:
        choose(find_run(home, None), ("zzz",))
    assert unknown.value.hint == "it has: a, b"


def test_stopping_where_nothing_runs_is_quick_and_harmless(watched: tuple[Job, Observer, RunState]) -> None:
    job, _, state = watched
    state.write_trainer("c-a", trainer(GONE))
    assert stop_trainers(job.home, job.plan, job.plan.conditions, 5) == 0


def test_the_commands_that_a_trainer_gets(job: Make, tmp_path: Path) -> None:
    from crossad.launch.command import trainer_command, trainer_environment

    mine = job(["a"], devices=("1",))
    command = trainer_command(mine, mine.plan.conditions[0], mine.slots[0])
    assert command[1:4] == ["-m", "crossad", "train"]
    assert command[command.index("--gpu-id") + 1] == "1"
    environment = trainer_environment({"OMP_NUM_THREADS": "3", "HF_HUB_OFFLINE": "0"}, mine.slots)
    assert (environment["OMP_NUM_THREADS"], environment["HF_HUB_OFFLINE"]) == (
        "3",
        "0",
    )  # the user's word counts
    assert "OMP_NUM_THREADS" not in trainer_environment({}, mine.slots)
