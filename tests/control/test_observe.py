"""What the store tells and what the Jobs do, joined: one state, one reason, one next step a condition."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossad.control.jobs import SeenJob
from crossad.control.observe import ClusterObserver, Placed, Surroundings
from crossad.kube.endings import RETRY
from crossad.kube.verdicts import Cause, State, Verdict
from crossad.launch.state import RunState
from crossad.results.beacons import Beacon, beacon_key
from crossad.results.home import BucketHome
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.progress import Progress
from crossad.store.folder import FolderStore

KEPT = {"ref": "x", "bytes": 0, "sha256": ""}
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
Look = Callable[..., Placed]
Seen = Callable[..., SeenJob]


@pytest.fixture
def home(tmp_path: Path) -> BucketHome:
    return BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")


@pytest.fixture
def plan(home: BucketHome) -> Plan:
    """Conditions a and b share a training."""
    config = {"model_type": "draem"}
    entries = tuple(
        PlanEntry(experiment_id=index, name=name, config=config, condition_id=f"c-{name}", training_key=training)
        for index, (name, training) in enumerate((("a", "t"), ("b", "t"), ("c", "other")))
    )
    return pin_plan(home, Plan(run="night", suite="s", created="2026-01-01T00:00:00Z", data="data", conditions=entries))


@pytest.fixture
def beacon(home: BucketHome) -> Callable[..., None]:
    def send(name: str, phase: str = "fitting", age: float = 0.0) -> None:
        now = time.time()
        progress = Progress(phase=phase, started=now, updated=now, pid=1, done=3, total=9, unit="step")  # type: ignore[arg-type]
        key = beacon_key("night", f"c-{name}", "one")
        home.state.put(key, Beacon(attempt="one", every=30, progress=progress).model_dump_json().encode())
        os.utime(home.state.root / key, (now - age, now - age))  # type: ignore[attr-defined]

    return send


def job(
    state: State, sentence: str = "it is so", *, of: str = "c", generation: int = 1, age: float = 60.0, **more: object
) -> SeenJob:
    told: dict[str, object] = {"cause": Cause.NONE, "step": "", "since": NOW - timedelta(seconds=age), **more}
    verdict = Verdict(state, sentence=sentence, **told)  # type: ignore[arg-type]
    ids = tuple(f"c-{name}" for name in of)
    created = datetime.now(UTC) - timedelta(hours=1)
    pod = f"job-{of}-1" if verdict.node else None
    return SeenJob(f"job-{of}", "uid", "t", generation, ids, "spec", created, False, 0, pod, verdict)


@pytest.fixture
def look(home: BucketHome, plan: Plan) -> Look:
    def one(name: str, *jobs: SeenJob, controller: str = "") -> Placed:
        rows = ClusterObserver(home, plan, Surroundings("lab", jobs, controller, NOW)).all()
        row = next(row for row in rows if row.name == name)
        assert isinstance(row, Placed)
        return row

    return one


def test_a_commit_is_the_last_word_whatever_its_job_does(home: BucketHome, look: Look) -> None:
    home.ledger.commit("condition", "c-c", {"run": "night", "record": KEPT})
    for state in State:
        row = look("c", job(state))
        assert (row.state, row.needy, row.cause) == ("done", False, "")


def test_a_running_job_is_told_with_node_pod_and_what_its_trainer_does(look: Look, beacon: Callable) -> None:
    beacon("c")
    row = look("c", job(State.RUNNING, "it runs on node n1", node="n1"))
    assert (row.state, row.phase, row.device, row.pod, row.attempt) == (
        "running",
        "fitting 3/9 step",
        "n1",
        "job-c-1",
        1,
    )
    assert row.next_step == "crossad logs night c -f"


def test_a_running_job_that_has_not_told_of_itself_yet(look: Look) -> None:
    row = look("c", job(State.RUNNING, "it runs on node n1", node="n1"))
    assert (row.state, row.reason) == ("running", "it runs on node n1; its trainer has not told of it yet")


def test_a_running_job_whose_trainer_is_silent(look: Look, beacon: Callable) -> None:
    beacon("c", age=500)
    row = look("c", job(State.RUNNING, "it runs on node n1", node="n1"))
    assert (row.state, row.phase) == ("running", "")
    assert row.reason == "it runs on node n1; its trainer at fitting has not been heard of for 8:20"


def test_the_second_of_a_shared_job_waits_for_the_first(home: BucketHome, look: Look, beacon: Callable) -> None:
    shared = job(State.RUNNING, "it runs on node n1", of="ab", node="n1")
    row = look("b", shared)
    assert (row.state, row.reason) == ("waiting", "its Job works on a first, whose training it shares")
    beacon("a", "done", age=5)
    assert look("b", shared).state == "running"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.PENDING, "pending"),
        (State.SUSPENDED, "suspended"),
        (State.STARTING, "starting"),
        (State.RETRYING, "retrying"),
    ],
)
def test_why_a_job_does_not_work_is_what_the_cluster_says(look: Look, state: State, told: str) -> None:
    row = look("c", job(state, "no node has it", cause=Cause.LABEL, step="correct it"))
    assert (row.state, row.reason, row.next_step, row.cause) == (told, "no node has it", "correct it", "label")


@pytest.mark.parametrize(("cause", "needy"), [(Cause.NEW, False), (Cause.QUEUE, False), (Cause.IMAGE, True)])
def test_what_only_waits_for_its_turn_needs_nobody(look: Look, cause: Cause, needy: bool) -> None:
    assert look("c", job(State.PENDING, cause=cause)).needy is needy


def test_a_pod_that_is_being_stopped_says_for_how_long_and_needs_somebody_after_minutes(look: Look) -> None:
    row = look("c", job(State.ENDING, "its pod is being stopped on node n1", cause=Cause.REMOVED, node="n1", age=65))
    assert (row.state, row.reason) == ("ending", "its pod is being stopped on node n1, for 1:05 now")
    assert not row.needy
    row = look("c", job(State.ENDING, "its pod is being stopped on node n1", cause=Cause.REMOVED, node="n1", age=780))
    assert (row.reason, row.needy) == ("its pod is being stopped on node n1, for 13:00 now", True)


def test_a_job_that_is_complete_without_a_commit_is_lost(look: Look) -> None:
    row = look("c", job(State.COMPLETE, exit_code=0))
    assert (row.state, row.reason) == ("lost", "its Job job-c ended with 0 and left no commit")
    assert row.next_step == "read its log (crossad logs night c); then crossad retry night c"


def test_a_job_that_is_complete_is_not_the_end_while_another_trainer_is_heard_of(look: Look, beacon: Callable) -> None:
    beacon("c")
    row = look("c", job(State.COMPLETE, exit_code=0))
    assert (row.state, row.phase) == ("running", "fitting 3/9 step")


def test_a_commit_that_is_only_claimed_yet_counts(home: BucketHome, look: Look) -> None:
    home.state.put("claims/commits/condition-c-c.json/one", b"{}")
    assert look("c", job(State.COMPLETE, exit_code=0)).state == "done"


def test_a_failed_job_tells_what_its_trainer_left_where_that_is_its_end(home: BucketHome, look: Look) -> None:
    failed = job(State.FAILED, "exit code 65: bad", cause=Cause.EXIT, exit_code=65, step=RETRY)
    row = look("c", failed)
    assert (row.state, row.reason) == ("failed", "exit code 65: bad")
    assert row.next_step == "read its log (crossad logs night c), remove the cause; then crossad retry night c"
    told = {"message": "no such image", "hint": "repair it", "exit_code": 65, "step": "fit"}
    home.ledger.record_failure("c-c", "one", {"failures": [told], "record": KEPT})
    row = look("c", failed)
    assert (row.state, row.reason) == ("failed", "exit code 65: bad: no such image")
    assert row.next_step == "repair it; then crossad retry night c"
    out_of_memory = job(State.FAILED, "out of memory", cause=Cause.OOM, exit_code=137)
    assert look("c", out_of_memory).reason == "out of memory", "the older failure is another attempt's"


def test_a_verdict_closes_and_a_job_that_is_still_there_is_told(home: BucketHome, look: Look) -> None:
    RunState(home, "night").close("c-c", "cancelled", "enough")
    row = look("c", job(State.ENDING, "its pod is being stopped", node="n1"))
    assert (row.state, row.cause) == ("cancelled", "")
    assert row.reason == "enough; its Job job-c is still there: its pod is being stopped"
    assert look("c", job(State.FAILED)).reason == "enough"
    assert look("c").reason == "enough"


def test_after_a_retry_the_old_job_says_nothing_any_more(home: BucketHome, look: Look) -> None:
    state = RunState(home, "night")
    state.close("c-c", "failed", "broken")
    state.reopen("c-c")
    row = look("c", job(State.FAILED, "exit code 65"))
    assert (row.state, row.generation, row.job) == ("pending", 2, "")
    assert row.reason.startswith("the Job of its try number 2 is not in namespace lab")
    row = look("c", job(State.FAILED, "exit code 65"), controller="control-1")
    assert (row.reason, row.needy) == (
        "the Job of its try number 2 is not created yet; the controller control-1 does that",
        False,
    )
    assert look("c", job(State.RUNNING, generation=2, node="n1")).state == "running"


def test_a_retry_of_one_is_a_new_job_for_all_that_share_its_training(home: BucketHome, look: Look) -> None:
    state = RunState(home, "night")
    state.close("c-a", "failed", "broken")
    state.reopen("c-a")
    assert look("b", job(State.COMPLETE, of="ab")).state == "pending"
    assert look("b", job(State.PENDING, "new", of="ab", generation=2)).reason == "new"
    assert look("b", job(State.PENDING, "old", of="ab")).reason == "old", "it lives, so no other one is made"


def test_without_a_job_and_a_controller_somebody_has_to_act(look: Look, beacon: Callable) -> None:
    row = look("c")
    assert (row.state, row.needy) == ("pending", True)
    assert row.reason == "its Job is not in namespace lab, and no controller works on this run there"
    beacon("c", age=500)
    row = look("c")
    assert (row.state, row.next_step) == ("lost", "crossad retry night c")
    assert row.reason.endswith("and its Job is gone from namespace lab")


def test_a_trainer_elsewhere_is_no_job_and_still_runs(look: Look, beacon: Callable) -> None:
    beacon("c")
    row = look("c")
    assert (row.state, row.phase) == ("running", "fitting 3/9 step")
    assert row.reason.endswith("by a trainer that is no Job here")
