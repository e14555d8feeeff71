"""The waiter, by what is in a store alone: when it ends, what it says, what survives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from fetchworld import RUN, World, entry

from crossad.control.census import Fate, Lot
from crossad.control.waiting import Terms, Waiter, began, holes, pin
from crossad.errors import DataError, InterruptedRun, UsageError
from crossad.fetch.found import find_plan
from crossad.launch.state import RunState
from crossad.results.home import BucketHome
from crossad.results.payload import UNDATED
from crossad.results.plan import Plan, newest_plan
from crossad.store.folder import FolderStore

Do = Callable[[], object]


@pytest.fixture
def home(tmp_path: Path) -> BucketHome:
    return BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")


@pytest.fixture
def world(home: BucketHome, tmp_path: Path) -> World:
    """A run of three conditions, one of them done."""
    world = World(home, tmp_path / "scratch")
    world.plan(*(entry(number, name, training_key=f"t-{name}") for number, name in enumerate(("one", "two", "three"))))
    world.done("one", "att-one")
    return world


@dataclass
class Script:
    """Waits by doing the next thing that is to happen meanwhile; out of things, it is asked to stop."""

    home: BucketHome
    does: list[Do]
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def wait(self, deadline: float = 1000.0, job: str = "") -> list[Fate]:
        terms = Terms(timedelta(seconds=deadline), timedelta(seconds=600), 30.0)
        plan = lambda: find_plan(self.home, RUN)  # noqa: E731 - as the verb does
        return Waiter(self.home, None, terms, plan, self.said.append, self._sleep).wait(job)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self.does:
            raise InterruptedRun("stopped")
        self.does.pop(0)()


def nothing() -> None:
    """Happens."""


def lots(fates: list[Fate]) -> list[Lot]:
    return [fate.lot for fate in fates]


def test_it_ends_when_no_condition_is_open(home: BucketHome, world: World) -> None:
    state = RunState(home, RUN)
    script = Script(
        home,
        [
            lambda: world.done("two", "att-two"),
            nothing,
            lambda: state.close("id-three", "failed", "exit code 65: no domain B", hint="bring it"),
        ],
    )
    assert lots(script.wait()) == [Lot.COMMITTED, Lot.COMMITTED, Lot.FAILED]
    assert script.slept == [30.0] * 3
    assert script.said == [
        "one: committed",
        "night1: 1 committed, 2 waiting",
        "two: committed",
        "night1: 2 committed, 1 waiting",
        "three: failed: exit code 65: no domain B",
        "night1: 2 committed, 1 failed",
    ]


def test_a_cancelled_condition_is_not_waited_for(home: BucketHome, world: World) -> None:
    for name in ("two", "three"):
        RunState(home, RUN).close(f"id-{name}", "cancelled", "by hand")
    assert lots(Script(home, []).wait()) == [Lot.COMMITTED, Lot.CANCELLED, Lot.CANCELLED]


def test_the_deadline_ends_it_and_tells_how_many_have_not_ended(home: BucketHome, world: World) -> None:
    script = Script(home, [])
    assert lots(script.wait(deadline=0)) == [Lot.COMMITTED, Lot.WAITING, Lot.WAITING]
    assert script.said[-1] == "the deadline has passed; not ended: 2 of 3 conditions"


def test_it_does_not_sleep_beyond_the_deadline(home: BucketHome, world: World) -> None:
    script = Script(home, [])
    with pytest.raises(InterruptedRun):
        script.wait(deadline=20)
    (slept,) = script.slept
    assert 0 < slept <= 20


def test_a_restarted_pod_has_the_deadline_of_its_job_and_a_new_job_its_own(home: BucketHome, world: World) -> None:
    with pytest.raises(InterruptedRun):
        Script(home, []).wait(job="uid-1")
    (note,) = home.state.list(f"runs/{RUN}/waits/")
    first = home.state.get(note.key)
    began_then = began(home, RUN, "uid-1")
    assert began(home, RUN, "uid-1") == began_then
    assert home.state.get(note.key) == first
    other = began(home, RUN, "uid-2")
    assert other > began_then
    early = (began_then - timedelta(hours=1)).isoformat()
    home.state.put(note.key, f'{{"began": "{early}"}}'.encode())  # as if an hour had passed
    assert len(Script(home, []).wait(deadline=1800, job="uid-1")) == 3
    with pytest.raises(InterruptedRun):
        Script(home, []).wait(deadline=1800, job="uid-2")


def test_a_damaged_note_is_named(home: BucketHome, world: World) -> None:
    home.state.put(f"runs/{RUN}/waits/uid.json", b"{}")
    with pytest.raises(DataError, match=r"waits/uid\.json"):
        began(home, RUN, "uid")


def test_a_plan_that_grows_is_followed(home: BucketHome, world: World) -> None:
    for name in ("two", "three"):
        RunState(home, RUN).close(f"id-{name}", "failed", "bad")
    RunState(home, RUN).reopen("id-two")

    def grow() -> None:
        world.plan(entry(3, "four", training_key="t-four"))
        world.done("two", "att-two")

    script = Script(home, [grow, lambda: world.done("four", "att-four")])
    assert lots(script.wait()) == [Lot.COMMITTED, Lot.COMMITTED, Lot.FAILED, Lot.COMMITTED]


def test_many_news_at_once_are_counted_not_listed(home: BucketHome, tmp_path: Path) -> None:
    world = World(home, tmp_path / "scratch")
    world.plan(*(entry(number, f"c{number}", training_key=f"t{number}") for number in range(50)))
    for number in range(50):
        RunState(home, RUN).close(f"id-c{number}", "failed", "bad")
    script = Script(home, [])
    script.wait()
    assert len(script.said) == 22
    assert script.said[-2:] == ["... and 30 more", "night1: 50 failed"]


def test_the_holes_of_a_report_carry_reason_and_next_step(home: BucketHome, world: World) -> None:
    RunState(home, RUN).close("id-two", "failed", "no domain B", hint="bring it")
    found = holes(Script(home, []).wait(deadline=0))
    assert sorted(found) == ["id-three", "id-two"]
    assert (found["id-two"].state, found["id-two"].detail) == ("failed", "no domain B")
    assert found["id-two"].next_step == "bring it; then crossad retry night1 two"
    assert found["id-three"].state == "waiting"


def carried(name: str = "one", run: str = RUN, content: str = "id-one") -> Plan:
    """A plan as files carry it: nobody has pinned it, so it has no date."""
    return Plan(run=run, suite="s", created=UNDATED, data="d", conditions=(entry(0, name, condition_id=content),))


def test_a_plan_from_files_is_pinned_once_with_the_time(home: BucketHome) -> None:
    pinned = pin(home, carried(), RUN)
    assert pinned.created != UNDATED
    assert pin(home, carried(), RUN) == pinned == newest_plan(home.state, RUN)


def test_a_plan_of_another_run_or_with_other_content_is_refused(home: BucketHome) -> None:
    with pytest.raises(UsageError, match="the plan of run other, asked for: night1"):
        pin(home, carried(run="other"), RUN)
    pin(home, carried(), RUN)
    with pytest.raises(UsageError, match="pinned other content"):
        pin(home, carried(content="id-changed"), RUN)
