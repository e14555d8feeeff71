"""What is kept about a run beside its results: settings, notes of Jobs, verdicts that are read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crossad.control.census import Grace, Lot, census
from crossad.control.closing import close
from crossad.control.decide import Closing
from crossad.control.facts import Teller
from crossad.control.muster import muster
from crossad.control.noted import Noted
from crossad.control.pinned import Assignment, pin_settings, pinned_locks, pinned_settings
from crossad.control.submission import pin
from crossad.control.waiting import holes
from crossad.errors import DataError, MissingInputError
from crossad.launch.afar import View
from crossad.launch.state import RunState
from crossad.manifests.load import parse_settings
from crossad.manifests.settings import Settings
from crossad.results.home import BucketHome
from crossad.results.plan import Plan, PlanEntry
from crossad.store.folder import FolderStore

IMAGE = f"reg.example/image@sha256:{'0' * 64}"


def settings(**changes: Any) -> Settings:
    told = {
        "images": {"trainer": IMAGE, "controller": IMAGE},
        "store": {"uri": "s3://bucket/p"},
        "data": {"claim": "h"},
    }
    return parse_settings("test", json.dumps(told), changes)


def plan(*names: str) -> Plan:
    entries = tuple(
        PlanEntry(experiment_id=index, name=name, config={}, condition_id=name, training_key=name)
        for index, name in enumerate(names)
    )
    return Plan(run="night", suite="s", created="1970-01-01T00:00:00+00:00", data="d", conditions=entries)


@pytest.fixture
def home(tmp_path: Path) -> BucketHome:
    return BucketHome(FolderStore(tmp_path / "bucket"), tmp_path / "work")


def test_the_newest_settings_are_in_force_and_the_same_again_add_nothing(home: BucketHome) -> None:
    one, two = settings(), settings(**{"control.maxActive": 7, "security.runAsUser": None})
    assert [pin_settings(home.state, "night", found) for found in (one, one, two, two, one)] == [1, 1, 2, 2, 3]
    assert pinned_settings(home.state, "night") == one
    pin_settings(home.state, "night", two)
    assert pinned_settings(home.state, "night") == two, "null is not the default"


def test_of_many_who_pin_at_once_all_end_with_one_order(home: BucketHome) -> None:
    wanted = [settings(**{"control.maxActive": number}) for number in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        revisions = list(pool.map(lambda found: pin_settings(home.state, "night", found), wanted))
    assert sorted(revisions) == list(range(1, 9))
    assert pinned_settings(home.state, "night") == wanted[revisions.index(8)]


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"kind": "crossad-settings", "format": 2, "settings": {}}'])
def test_settings_that_are_none_are_told(home: BucketHome, body: bytes) -> None:
    home.state.put("runs/night/settings/0001.json", body)
    with pytest.raises(DataError, match=r"runs/night/settings/0001\.json|damaged"):
        pinned_settings(home.state, "night")


def test_settings_of_another_version_name_the_field(home: BucketHome) -> None:
    pin_settings(home.state, "night", settings())
    text = home.state.get("runs/night/settings/0001.json").replace(b'"maxActive"', b'"mostActive"')
    home.state.put("runs/night/settings/0001.json", text)
    with pytest.raises(DataError, match="mostActive"):
        pinned_settings(home.state, "night")


def test_a_run_that_was_never_submitted_is_told(home: BucketHome) -> None:
    with pytest.raises(MissingInputError, match="no cluster settings"):
        pinned_settings(home.state, "night")
    with pytest.raises(MissingInputError, match="no such run"):
        Assignment(home.state, "night").look()


def test_an_assignment_is_read_again_only_when_it_grew(home: BucketHome) -> None:
    pin(home, plan("a"), settings(), ("crossad", "submit"))
    found = Assignment(home.state, "night")
    assert [found.look(), found.look()] == [True, False]
    pin(home, plan("a", "b"), settings(), ("crossad", "submit"))
    assert found.look()
    assert [entry.name for group in found.groups for entry in group] == ["a", "b"]
    pin_settings(home.state, "night", settings(**{"control.maxActive": 2}))
    assert found.look()
    assert found.settings.control.max_active == 2


def test_a_pinned_plan_says_when_and_by_which_command(home: BucketHome) -> None:
    pinned = pin(home, plan("a"), settings(), ("crossad", "submit", "x.json"))
    assert pinned.command == ("crossad", "submit", "x.json")
    assert not pinned.created.startswith("1970")


def test_notes_of_one_are_read_by_another_and_nothing_is_noted_twice(home: BucketHome) -> None:
    one, two = Noted(home.state, "night"), Noted(home.state, "night")
    one.add([(1, ("a", "b")), (2, ("c",))])
    assert two.look() == {(1, ("a", "b")), (2, ("c",))}
    two.add([(2, ("c",)), (1, ("a", "b"))])
    two.add([])
    assert len(list(home.state.list("runs/night/jobs/"))) == 1
    two.add([(1, ("d",))])
    assert one.look() == {(1, ("a", "b")), (2, ("c",)), (1, ("d",))}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'[["x", 1]]'])
def test_a_damaged_note_is_told_not_passed_over(home: BucketHome, body: bytes) -> None:
    home.state.put("runs/night/jobs/x.json", body)
    with pytest.raises(DataError, match="damaged note of Jobs"):
        Noted(home.state, "night").look()


def test_locks_of_the_data_are_pinned_with_the_settings_and_stay_until_others_are_given(home: BucketHome) -> None:
    locks = {"a": "a" * 64}
    pin(home, plan("a"), settings(), ("crossad",))
    assert pinned_locks(home.state, "night") == {}
    pin(home, plan("a"), settings(), ("crossad",), lambda found: locks)
    pin(home, plan("a"), settings(), ("crossad",))
    assert len(list(home.state.list("runs/night/settings/"))) == 2, "the third says nothing new"
    work = Assignment(home.state, "night")
    assert work.look()
    assert work.locks == pinned_locks(home.state, "night") == locks
    assert work.settings == pinned_settings(home.state, "night") == settings()
    pin(home, plan("a"), settings(), ("crossad",), lambda found: {"a": "b" * 64})
    assert work.look()
    assert work.locks == {"a": "b" * 64}


def test_what_was_done_with_other_data_is_told_as_stale_and_not_as_done(home: BucketHome) -> None:
    pinned = pin(home, plan("a"), settings(), ("crossad",), lambda found: {"a": "b" * 64})
    home.ledger.commit("condition", "a", {"attempt": "x", "run": "night", "record": {}}, "a" * 64)
    teller = Teller(home, "night")
    assert teller.look(locks=pinned_locks(home.state, "night")).committed == frozenset()
    assert teller.look().committed == {"a"}
    (fate,) = muster(home, pinned, None, Grace(home.state.now(), timedelta())).fates
    assert fate.lot is Lot.WAITING, "who cannot see Jobs does not know whether somebody works on it"
    told = View({"a": {"a" * 12}}, {}, {}, {}, {})
    now = home.state.now()
    (fate,) = census(pinned, told, [], now, Grace(now, timedelta()), {"a": "b" * 64})
    assert (fate.lot, fate.next_step) == (Lot.STALE, "crossad retry night a")
    assert holes([fate])["a"].state == "stale"
    home.ledger.commit("condition", "a", {"attempt": "y", "run": "night", "record": {}}, "b" * 64)
    (fate,) = muster(home, pinned, None, Grace(home.state.now(), timedelta())).fates
    assert fate.lot is Lot.COMMITTED


def test_the_store_tells_of_the_present_generation(home: BucketHome) -> None:
    state, teller = RunState(home, "night"), Teller(home, "night")
    for one, kind in (("a", "failed"), ("b", "cancelled"), ("c", "failed"), ("d", "failed")):
        state.close(one, kind, "why")  # type: ignore[arg-type] # one of its kinds
    state.reopen("c")
    home.ledger.commit("condition", "d", {"attempt": "x", "run": "other"})
    told = teller.look()
    assert told.closed == {"a": "failed", "b": "cancelled"}, "c was tried again, d is done"
    assert told.retries == {"c": 1}
    assert told.committed == {"d"}
    state.close("c", "cancelled", "why")
    assert teller.look().closed == {"a": "failed", "b": "cancelled", "c": "cancelled"}


def test_a_commit_that_is_only_claimed_counts_once_its_job_has_ended_well(home: BucketHome) -> None:
    home.state.put("claims/commits/condition-c-c.json/one", b"{}")
    teller = Teller(home, "night")
    assert teller.look().committed == frozenset()
    assert teller.look({"c-c"}).committed == teller.look({"c-c", "c-d"}).committed == {"c-c"}


def test_an_earlier_verdict_stands(home: BucketHome) -> None:
    RunState(home, "night").close("a", "cancelled", "by hand")
    close(home, "night", [Closing("a", "its Job is gone"), Closing("b", "its Job is gone", "a hint", 65)])
    first, second = (RunState(home, "night").verdict(one) for one in "ab")
    assert first is not None
    assert first.kind == "cancelled"
    assert second is not None
    assert (second.kind, second.reason, second.hint, second.exit_code) == ("failed", "its Job is gone", "a hint", 65)
