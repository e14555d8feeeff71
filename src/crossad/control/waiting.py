"""`report --wait`: look again and again until nothing more can come, or the deadline has passed.

Level-triggered: every look is a fresh census, nothing is remembered between two but what was said, so a waiter that is
killed goes on where it was, and two of them come to the same end. What must survive a restart is in the store: the
plan, and when the waiting began.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crossad.analysis.holes import Hole, State
from crossad.control.census import Fate, Grace, Lot, counts
from crossad.control.muster import Muster, muster
from crossad.errors import DataError, UsageError
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterBroken, ClusterDenied, ClusterUnreachable
from crossad.launch.state import now_text
from crossad.results.home import Home
from crossad.results.layout import run_key
from crossad.results.payload import UNDATED
from crossad.results.plan import Plan, pin_plan

MANY = 20  # conditions that one look tells of by name
_STATES: dict[Lot, State] = {
    Lot.STALE: "stale", Lot.FAILED: "failed", Lot.CANCELLED: "cancelled", Lot.LOST: "lost",
    Lot.RUNNING: "running", Lot.WAITING: "waiting",
}  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """How long, and how often."""

    deadline: timedelta  # from when the waiting began, whoever began it
    grace: timedelta  # after the newest Job
    every: float  # seconds between two looks


@dataclass
class Waiter:
    """Waits for one run.

    Args:
        home: where the run lives.
        cluster: where its Jobs are; None to judge by the store alone.
        terms: how long.
        plan: reads the run's newest plan; one that grows is followed.
        say: what changed, a line each.
        sleep: for some seconds; raises where the process is to stop.
    """

    home: Home
    cluster: Cluster | None
    terms: Terms
    plan: Callable[[], Plan]
    say: Callable[[str], None]
    sleep: Callable[[float], None]
    _told: dict[str, tuple[Lot, str]] = field(default_factory=dict)
    _counts: str = ""
    _trouble: str = ""

    def wait(self, job: str = "") -> list[Fate]:
        """Every condition's fate, once none is open or the deadline has passed.

        Args:
            job: the uid of the Job that this is a pod of: its next pod goes on with the same deadline.
        """
        since: datetime | None = None
        while True:
            plan = self.plan()
            since = since or began(self.home, plan.run, job)
            found = self._look(plan, Grace(since, self.terms.grace))
            self._tell(plan, found.fates)
            left = (since + self.terms.deadline - found.now).total_seconds()
            unfinished = sum(fate.open for fate in found.fates)
            if unfinished and left <= 0:
                self.say(f"the deadline has passed; not ended: {unfinished} of {len(found.fates)} conditions")
            if not unfinished or left <= 0:
                return found.fates
            self.sleep(min(self.terms.every, left))

    def _look(self, plan: Plan, grace: Grace) -> Muster:
        """With the Jobs if they can be read, without them if not: a cluster that is down loses no condition."""
        try:
            found = muster(self.home, plan, self.cluster, grace)
        except ClusterUnreachable as error:
            self._troubled(f"{error.message}; commits are watched meanwhile")
        except (ClusterBroken, ClusterDenied) as error:
            self._troubled(
                f"{error}\nwithout it, plan and commits decide alone: nobody counts as lost, and why a Job waits or"
                " failed is told only by what trainers left"
            )
        else:
            if self._trouble:
                self.say("the cluster tells of its Jobs again")
            self._trouble = ""
            return found
        return muster(self.home, plan, None, grace)

    def _troubled(self, text: str) -> None:
        if not self._trouble:
            self.say(text)
        self._trouble = text

    def _tell(self, plan: Plan, fates: Iterable[Fate]) -> None:
        """What is new since the last look."""
        fates = list(fates)
        told = {fate.entry.condition_id: (fate.lot, fate.reason) for fate in fates}
        news = [fate for fate in fates if self._told.get(fate.entry.condition_id) != told[fate.entry.condition_id]]
        news = [fate for fate in news if not fate.open or (fate.next_step and fate.lot is Lot.WAITING)]
        for fate in news[:MANY]:
            why = "" if fate.lot is Lot.COMMITTED else f": {fate.reason}"
            self.say(f"{fate.entry.name}: {fate.lot}{why}")
        if len(news) > MANY:
            self.say(f"... and {len(news) - MANY} more")
        line = ", ".join(f"{number} {lot}" for lot, number in counts(fates).items())
        if line != self._counts:
            self.say(f"{plan.run}: {line}")
        self._told, self._counts = told, line


def began(home: Home, run: str, job: str) -> datetime:
    """When the waiting began, by the store's clock: of a Job, when its first pod first looked.

    Kept in the store under the Job's uid, so that no restart moves the deadline, and a Job that somebody creates anew,
    weeks after the run's plan was pinned, has all of its time.
    """
    now = home.state.now()
    if not job:
        return now
    key = run_key(run, f"waits/{job}.json")
    home.state.create_once(key, f"{json.dumps({'began': now.isoformat()})}\n".encode())
    body = home.state.read_once(key)
    try:
        return datetime.fromisoformat(json.loads(body or b"")["began"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"not a note of this crossad version: {home.uri}/{key}", hint="remove it") from error


def pin(home: Home, plan: Plan, run: str) -> Plan:
    """Make a plan that came with the files durable, where nobody has yet: other verbs read it there.

    Raises:
        UsageError: it is another run's, or the run has other content.
    """
    if plan.run != run:
        raise UsageError(
            f"--plan holds the plan of run {plan.run}, asked for: {run}", hint=f"crossad report {plan.run}"
        )
    return pin_plan(home, plan.model_copy(update={"created": now_text()}) if plan.created == UNDATED else plan)


def holes(fates: Iterable[Fate]) -> dict[str, Hole]:
    """What a report says of the conditions that are not committed."""
    return {fate.entry.condition_id: _hole(fate) for fate in fates if fate.lot is not Lot.COMMITTED}


def _hole(fate: Fate) -> Hole:
    return Hole(_STATES[fate.lot], detail=fate.reason, next_step=fate.next_step)
