"""A run in a bucket as another machine sees it: from listings and beacons alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossad.launch.afar import FarObserver, observe
from crossad.launch.follow import far_lines
from crossad.launch.standing import Observer
from crossad.launch.state import RunState
from crossad.results.beacons import Beacon, beacon_key
from crossad.results.home import BucketHome, FolderHome
from crossad.results.layout import RunPaths
from crossad.results.logship import LogShipper
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.progress import Progress
from crossad.store.folder import FolderStore

AUROC = {"domain_A": 0.9, "domain_B": None}
KEPT = {"ref": "x", "bytes": 0, "sha256": ""}


@pytest.fixture
def home(tmp_path: Path) -> BucketHome:
    """A bucket's home; the bytes lie in a folder, which a store's user cannot tell."""
    return BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")


@pytest.fixture
def plan(home: BucketHome) -> Plan:
    entries = tuple(
        PlanEntry(
            experiment_id=index, name=name, config={"model_type": "draem"}, condition_id=f"c-{name}", training_key="t"
        )
        for index, name in enumerate("ab")
    )
    return pin_plan(home, Plan(run="night", suite="s", created="2026-01-01T00:00:00Z", data="data", conditions=entries))


@pytest.fixture
def beacon(home: BucketHome) -> Callable[..., None]:
    def send(phase: str = "fitting", attempt: str = "one", age: float = 0.0, **more: object) -> None:
        now = time.time()
        progress = Progress(phase=phase, started=now, updated=now, pid=1, auroc=AUROC, **more)  # type: ignore[arg-type]
        key = beacon_key("night", "c-a", attempt)
        home.state.put(key, Beacon(attempt=attempt, every=30, progress=progress).model_dump_json().encode())
        os.utime(home.state.root / key, (now - age, now - age))  # type: ignore[attr-defined]

    return send


def first(home: BucketHome, plan: Plan, locks: dict[str, str | None] | None = None) -> tuple[str, str]:
    row = FarObserver(home, plan, locks).all()[0]
    return row.state, row.reason


def test_the_observer_fits_where_runs_live(home: BucketHome, plan: Plan, tmp_path: Path) -> None:
    assert type(observe(home, plan)) is FarObserver
    assert type(observe(FolderHome(tmp_path), plan)) is Observer


def test_nothing_told_is_pending(home: BucketHome, plan: Plan) -> None:
    assert first(home, plan)[0] == "pending"


def test_a_fresh_beacon_is_a_running_trainer_with_its_numbers(home: BucketHome, plan: Plan, beacon: Callable) -> None:
    beacon("fitting", attempt="old", age=500)
    beacon("scoring", done=3, total=12, unit="image", eta_seconds=9.0)
    row = FarObserver(home, plan).all()[0]
    assert (row.state, row.phase, row.eta_seconds, row.attempt) == ("running", "scoring 3/12 image", 9.0, 2)
    assert row.auroc == AUROC
    assert row.next_step == "crossad logs night a -f"


def test_a_silent_trainer_is_lost_and_an_interrupted_one_says_so(
    home: BucketHome, plan: Plan, beacon: Callable
) -> None:
    beacon("coreset", age=500)
    assert first(home, plan) == ("lost", "its trainer at coreset has not been heard of for 8:20")
    beacon("interrupted", attempt="two", age=400, exit_code=75)
    assert first(home, plan)[0] == "interrupted"


def test_a_commit_counts_more_than_any_beacon(home: BucketHome, plan: Plan, beacon: Callable) -> None:
    beacon("scoring")
    home.ledger.commit("condition", "c-a", {"run": "night", "record": KEPT}, lock="old" * 10)
    assert first(home, plan) == ("done", "committed")
    assert first(home, plan, {"c-a": "old" * 10})[0] == "done"
    assert first(home, plan, {"c-a": "new" * 10})[0] == "stale"


def test_failures_tell_the_reason_and_a_target_alone_is_partial(home: BucketHome, plan: Plan, beacon: Callable) -> None:
    failure = {"kind": "DataError", "message": "no such image", "hint": "repair it", "step": "score domain_B"}
    home.ledger.record_failure("c-a", "one", {"failures": [failure], "record": KEPT})
    row = FarObserver(home, plan).all()[0]
    assert (row.state, row.reason) == ("partial", "no such image")
    assert row.next_step.startswith("repair it; then ")
    home.ledger.record_failure("c-a", "two", {"failures": [{**failure, "step": "fit"}], "record": KEPT})
    assert first(home, plan)[0] == "failed"
    beacon("fitting", attempt="three")
    assert first(home, plan)[0] == "running"


def test_a_failure_of_another_version_is_told_and_stops_nobody(home: BucketHome, plan: Plan) -> None:
    home.state.put("failures/c-a/one.json", b'{"format": 1}')
    state, reason = first(home, plan)
    assert state == "failed"
    assert "failures/c-a/one.json" in reason


def test_a_verdict_closes_until_the_next_try(home: BucketHome, plan: Plan) -> None:
    state = RunState(home, "night")
    state.close("c-a", "cancelled", "enough")
    assert first(home, plan) == ("cancelled", "enough")
    state.reopen("c-a")
    assert first(home, plan)[0] == "pending"
    state.close("c-a", "failed", "again", hint="look")
    assert first(home, plan) == ("failed", "again")
    state.reopen("c-a")
    state.close("c-a", "failed", "its Job is gone", lost=True)
    assert first(home, plan) == ("lost", "its Job is gone")


def test_logs_of_all_attempts_come_in_order_and_whole_lines(home: BucketHome, plan: Plan, beacon: Callable) -> None:
    for number, attempt in enumerate(("one", "two")):
        paths = RunPaths(Path(home.results / attempt), "night").condition("a")
        paths.root.mkdir(parents=True)
        shipper = LogShipper(home.state, attempt, paths)
        paths.log.write_text(f"{attempt} begins\n{attempt} br")
        shipper.ship()
        with paths.log.open("a") as log:
            log.write("oken in two\n")
        shipper.ship()
        beacon("interrupted", attempt=attempt, age=500 - number)
    found = list(far_lines(FarObserver(home, plan), plan.conditions[0], detail=False, follow=False))
    assert found == ["one begins", "one broken in two", "two begins", "two broken in two"]


def test_silence_is_measured_by_how_often_a_beacon_comes() -> None:
    now = datetime.now(UTC)
    progress = Progress(phase="fitting", started=0, updated=0, pid=1)
    slow = Beacon(attempt="a", every=300, progress=progress)
    assert slow.working(now - timedelta(seconds=1000), now)
    assert not slow.working(now - timedelta(seconds=1300), now)
    assert not slow.model_copy(update={"progress": progress.model_copy(update={"phase": "done"})}).working(now, now)
