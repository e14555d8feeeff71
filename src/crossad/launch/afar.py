"""A run in a bucket, seen from a machine that does not work on it: two listings, and a few small objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossad.errors import DataError
from crossad.launch.standing import Observer, Standing, StandingState
from crossad.launch.state import Trainer, Verdict, parse_verdict, verdict_key
from crossad.launch.words import clock, describe
from crossad.results.beacons import Beacon, beacon_folder, read_beacon
from crossad.results.home import Home
from crossad.results.layout import run_key
from crossad.results.ledger import Ledger, faults_of
from crossad.results.plan import PlanEntry
from crossad.store.base import Entry, Store

THREADS = 16
DETAILED = 200  # conditions up to which the finished ones are asked for their AUROCs, too


@dataclass(frozen=True)
class Sighting:
    """The newest beacon of a condition."""

    beacon: Beacon
    sent: datetime  # by the store's clock
    attempts: int
    working: bool
    silence: float  # seconds


@dataclass(frozen=True)
class View:
    """What a store tells about a run now."""

    committed: dict[str, set[str]]  # condition id -> short locks
    verdicts: dict[str, Verdict]
    sightings: dict[str, Sighting]
    failures: dict[str, dict[str, Any]]  # the newest of each condition that is not committed
    retries: dict[str, int]  # of conditions that were retried, how often


def view(home: Home, run: str, wanted: Sequence[str], ended: Collection[str] = ()) -> View:
    """Look at some conditions of a run.

    Args:
        home: where runs live.
        run: the run.
        wanted: condition ids.
        ended: those of them that were seen to end well.
    """
    state, ledger = home.state, home.ledger
    committed = commits(ledger, ended)
    listed = list(state.list(run_key(run, "")))
    told = set(wanted) if len(wanted) <= DETAILED else {one for one in wanted if one not in committed}
    now = state.now()
    with ThreadPoolExecutor(THREADS) as pool:
        beacons = _newest(listed, beacon_folder(run), told)
        read = pool.map(lambda entry: read_beacon(state, entry.key), [entry for entry, _ in beacons.values()])
        sightings = {
            one: _sighting(beacon, entry, attempts, now)
            for (one, (entry, attempts)), beacon in zip(beacons.items(), read, strict=True)
            if beacon is not None
        }
        retries = retries_of(listed, run)
        closed = {one: key for one, key in closed_of(listed, run, retries).items() if one in told}
        bodies = pool.map(state.read_once, closed.values())
        verdicts = {
            one: parse_verdict(key, body)
            for (one, key), body in zip(closed.items(), bodies, strict=True)
            if body is not None
        }
        open_ = [one for one in wanted if one not in committed]
        failed = ledger.failed(open_)
        failures = dict(zip(failed, pool.map(lambda names: _told(ledger, names[-1]), failed.values()), strict=True))
    known = {one: found for one, found in failures.items() if found}
    return View(committed, verdicts, sightings, known, retries)


def commits(ledger: Ledger, ended: Collection[str] = ()) -> dict[str, set[str]]:
    """The short locks of every condition that is committed.

    Args:
        ledger: of the home.
        ended: conditions that were seen to end well before: a store without conditional writes lists their commits only
            once somebody has read them.
    """
    found = ledger.commits("condition")
    unlisted = [one for one in ended if one not in found]
    return found | {one: {""} for one in ledger.newest("condition", unlisted)}


def attempts_of(state: Store, run: str, condition_id: str) -> list[str]:
    """The attempts at a condition that told where they stand, oldest first."""
    found = sorted(state.list(f"{beacon_folder(run)}{condition_id}/"), key=lambda entry: (entry.modified, entry.key))
    return [entry.key.rpartition("/")[2].removesuffix(".json") for entry in found]


def _newest(listed: Iterable[Entry], below: str, wanted: set[str]) -> dict[str, tuple[Entry, int]]:
    """Per condition its newest beacon's entry, and how many attempts there are."""
    found: dict[str, tuple[Entry, int]] = {}
    for entry in listed:
        one = entry.key.removeprefix(below).partition("/")[0]
        if not entry.key.startswith(below) or one not in wanted:
            continue
        other, count = found.get(one, (entry, 0))
        found[one] = (max(other, entry, key=lambda candidate: candidate.modified), count + 1)
    return found


def _told(ledger: Ledger, name: str) -> dict[str, Any] | None:
    """A failure; one that cannot be read tells that: it decides nothing, so it stops nobody."""
    try:
        return ledger.read(name)
    except DataError as error:
        return {"error": {"message": error.message, "hint": error.hint}}


def retries_of(listed: Iterable[Entry], run: str) -> dict[str, int]:
    """How often each condition was retried; its generation is one more."""
    below = run_key(run, "retries/")
    return Counter(entry.key.split("/")[3] for entry in listed if entry.key.startswith(below))


def closed_of(listed: Iterable[Entry], run: str, retries: Mapping[str, int]) -> dict[str, str]:
    """Per condition the key of the verdict on its present generation, if there is one."""
    below = run_key(run, "verdicts/")
    there = {entry.key for entry in listed if entry.key.startswith(below)}
    keys = {one: verdict_key(run, one, 1 + retries.get(one, 0)) for one in (key.split("/")[3] for key in there)}
    return {one: key for one, key in keys.items() if key in there}


def _sighting(beacon: Beacon, entry: Entry, attempts: int, now: datetime) -> Sighting:
    silence = max(0.0, (now - entry.modified).total_seconds())
    return Sighting(beacon, entry.modified, attempts, beacon.working(entry.modified, now), silence)


class FarObserver(Observer):
    """Looks at a run in a bucket; what this machine works on itself, it sees as any observer does."""

    _view: View

    def all(self) -> list[Standing]:
        """Every condition, in the plan's order."""
        self._view = view(self.home, self.plan.run, [entry.condition_id for entry in self.plan.conditions])
        return super().all()

    def _one(self, entry: PlanEntry, trainer: Trainer | None, busy: Sequence[PlanEntry] | None) -> Standing:
        if busy is not None or self.works(trainer):
            return super()._one(entry, trainer, busy)
        seen = self._view.sightings.get(entry.condition_id)
        state, reason, step = self._far(entry, seen)
        running = state == "running" and seen is not None and seen.working
        progress = seen.beacon.progress if seen else None
        return Standing(
            experiment_id=entry.experiment_id,
            name=entry.name,
            state=state,
            reason=reason,
            next_step=step,
            folder=f"{self.home.uri}/runs/{self.plan.run}",
            attempt=seen.attempts if seen else 0,
            phase=describe(progress) if progress and running else "",
            eta_seconds=progress.eta_seconds if progress and running else None,
            auroc=progress.auroc if progress else {},
        )

    def _far(self, entry: PlanEntry, seen: Sighting | None) -> tuple[StandingState, str, str]:
        """(state, reason, next step) of a condition that nobody works on here."""
        one, looked = entry.condition_id, self._view
        if one in looked.committed:
            lock = self.locks.get(one)
            if lock is not None and Ledger.short(lock) not in looked.committed[one]:
                return "stale", "done, but the data are others now", self.again
            return "done", "committed", ""
        if seen is not None and seen.working:
            where = f"{describe(seen.beacon.progress)}, heard of {clock(seen.silence)} ago"
            return "running", where, f"crossad logs {self._quoted(entry)} -f"
        if (verdict := looked.verdicts.get(one)) is not None:
            return self._closed(entry, verdict)
        return self._open(seen, looked.failures.get(one))

    def _open(self, seen: Sighting | None, failure: dict[str, Any] | None) -> tuple[StandingState, str, str]:
        """The same of one that is neither over nor at work."""
        interrupted = seen is not None and seen.beacon.progress.phase == "interrupted"
        if failure is not None and not interrupted:
            return self._failed(failure)
        if seen is None:
            return "pending", "no trainer has told of it yet", self.again
        if interrupted:
            return "interrupted", "it was stopped from outside; its progress is saved", self.again
        silence, phase = clock(seen.silence), seen.beacon.progress.phase
        return "lost", f"its trainer at {phase} has not been heard of for {silence}", self.again

    def _failed(self, failure: dict[str, Any]) -> tuple[StandingState, str, str]:
        """What the newest failure says."""
        told = faults_of(failure) or [{}]
        partial = failure.get("record") is not None and all(
            (one.get("step") or "").startswith("score ") for one in told
        )
        hint = told[0].get("hint")
        step = f"{hint}; then {self.again}" if hint else self.again
        return "partial" if partial else "failed", str(told[0].get("message", "no reason on record")), step


def observe(home: Home, *arguments: Any) -> Observer:  # noqa: ANN401 - those of Observer
    """The observer that fits where runs live."""
    return (FarObserver if home.remote else Observer)(home, *arguments)
