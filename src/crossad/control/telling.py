"""What whoever works on a run says: a line for each thing that changed, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from crossad.control.creating import Created
from crossad.control.decide import Blocked, Closing, Decision, Facts, Stop
from crossad.kube.verdicts import Verdict

MANY = 10  # lines of one kind in one pass; the rest is counted


class Telling:
    """Remembers what was said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take who hears it."""
        self._say = say
        self._said: set[str] = set()
        self._standing = ""
        self._closed = 0

    def standing(self, decision: Decision, facts: Facts) -> bool:
        """Where the run stands, if that changed."""
        ours = {entry.condition_id for group in facts.groups for entry in group}
        told = facts.told
        kinds = [told.closed[one] for one in ours if one in told.closed]
        counts = [
            (len(ours.intersection(told.committed)), f"of {len(ours)} committed"),
            (kinds.count("failed"), "failed"),
            (kinds.count("cancelled"), "cancelled"),
            (decision.at_work + len(decision.create), "Jobs at work"),
            (decision.held_back, "Jobs to come"),
            (sum(len(blocked.entries) for blocked in decision.blocked), "held up"),
        ]
        line = ", ".join(f"{count} {what}" for index, (count, what) in enumerate(counts) if count or not index)
        if self._closed > MANY:
            self._say(f"... and {self._closed - MANY} more")
        self._closed = 0
        changed = line != self._standing
        if changed:
            self._standing = line
            self._say(line)
        return changed

    def closed(self, closing: Closing, name: str) -> None:
        """A condition is over without a commit."""
        self._closed += 1
        if self._closed <= MANY:
            self._say(f"{'lost' if closing.lost else 'failed'}: {name}: {closing.reason}")

    def stopped(self, stop: Stop) -> None:
        """A Job is removed."""
        self._say(f"removing Job {stop.job.name}: {stop.why}")

    def blocked(self, blocked: Blocked) -> None:
        """Conditions cannot start, and what to do."""
        names = ", ".join(entry.name for entry in blocked.entries)
        self._once(f"refused: {names}: {blocked.why}\nhint: {blocked.way_out}")

    def created(self, created: Created) -> None:
        """Jobs were made, or could not be."""
        for why in list(dict.fromkeys(created.refused.values()))[:MANY]:
            self._once(f"refused: {why}")
        if created.later:
            self.later(created.later)

    def later(self, why: str) -> None:
        """A Job has to wait."""
        self._once(f"no further Jobs for now: {why}")

    def stalled(self, decision: Decision, limit: timedelta) -> None:
        """Nothing moved for too long."""
        hours = limit.total_seconds() / 3600
        self._once(f"no Job was started for {hours:.1f} h, {len(decision.open)} conditions are open: reporting what is")

    def aggregating(self, verdict: Verdict | None) -> None:
        """The aggregation was started, or still lasts."""
        self._once(
            "all conditions are over: the aggregation writes the report"
            if verdict is None
            else f"the aggregation: {verdict.sentence}"
        )

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)
