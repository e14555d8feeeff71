"""The end of a run: one aggregation Job for what there is, and how it ended.

Its name holds a hash of what became of every condition, so a retry is followed by another one and a restarted
controller by the same. That it was started and how it ended is noted in the store: its Job may be gone by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from crossad.errors import CrossadError
from crossad.kube.classify import classify
from crossad.kube.cluster import Cluster
from crossad.kube.once import Outcome, create_once
from crossad.kube.reading import Object, created
from crossad.kube.resources import JOBS, PODS
from crossad.kube.verdicts import State, Verdict
from crossad.manifests import words
from crossad.manifests.aggregation import report_job
from crossad.manifests.control import owned
from crossad.manifests.light import BAD_INPUT, PARTIAL
from crossad.manifests.names import digest
from crossad.manifests.settings import Settings
from crossad.results.layout import run_key
from crossad.store.base import Store

Lots = dict[str, tuple[int, str]]  # condition id -> its generation, and what became of it
DONE, FAILED = 0, 1
SPARE = timedelta(hours=1)  # beyond its own deadline: for its pod to be placed and started


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    exit_code: int
    sentence: str


class Aggregation:
    """Starts it once, and waits for it."""

    def __init__(self, cluster: Cluster, state: Store, run: str, lots: Lots, settings: Settings) -> None:
        """Nothing is asked or sent yet.

        Args:
            cluster: where.
            state: where its notes lie.
            run: the run.
            lots: what became of every condition.
            settings: of the cluster.
        """
        self._cluster, self._state, self._lots = cluster, state, lots
        self.work = digest(sorted((one, *lot) for one, lot in lots.items()))
        self._below = run_key(run, f"aggregations/{self.work[:16]}")
        self.job = report_job(run, settings, work=self.work)
        self.name = str(self.job["metadata"]["name"])
        self._deadline = timedelta(seconds=settings.report.deadline_seconds) + SPARE

    def ended(self) -> Ended | None:
        """How it ended, where that is noted."""
        body = self._state.read_once(f"{self._below}/ended.json")
        return None if body is None else Ended(**json.loads(body))

    def step(self, owner: Callable[[], Object], now: datetime) -> Ended | Verdict | None:
        """Start it where it was not started, look at it where it was.

        Args:
            owner: the object that is to own its Job.
            now: by the cluster's clock, or one that is near it.

        Returns:
            How it ended; what is said of it while it lasts; None where it was just started.
        """
        if (noted := self.ended()) is not None:
            return noted
        found = self._cluster.find(JOBS, self.name)
        if found is None:
            if self._state.read_once(f"{self._below}/started.json") is not None:
                return self._note(Ended(self._expected, f"the aggregation {self.name} is gone before its end was seen"))
            self._start(owner())
            return None
        self._state.create_once(f"{self._below}/started.json", b"{}\n")
        pods = self._cluster.gather(PODS, dict, labels=f"batch.kubernetes.io/job-name={self.name}")
        verdict = classify(found, pods)
        if verdict.over:
            return self._note(self._outcome(verdict))
        if now - created(found) > self._deadline:
            return self._note(Ended(FAILED, f"the aggregation {self.name} does not end: {verdict.sentence}"))
        return verdict

    def _start(self, owner: Object) -> None:
        creation = create_once(self._cluster, JOBS, owned(self.job, owner), words.SPEC)
        if creation.outcome is Outcome.OTHER:
            hint = f"kubectl delete job {self.name}, then run again"
            raise CrossadError(f"no aggregation: {creation.why}", hint=hint)
        if creation.outcome is not Outcome.LEAVING:
            self._state.create_once(f"{self._below}/started.json", b"{}\n")

    def _outcome(self, verdict: Verdict) -> Ended:
        if verdict.state is State.COMPLETE:
            return Ended(DONE, "all conditions are committed, and the report is written")
        if verdict.exit_code == PARTIAL:
            return Ended(PARTIAL, "the report is written; not every condition is committed")
        code = BAD_INPUT if verdict.exit_code == BAD_INPUT else FAILED
        return Ended(code, f"the aggregation {self.name} failed: {verdict.sentence}")

    @property
    def _expected(self) -> int:
        return DONE if all(lot == "committed" for _, lot in self._lots.values()) else PARTIAL

    def _note(self, ended: Ended) -> Ended:
        told = {"exit_code": ended.exit_code, "sentence": ended.sentence}
        self._state.create_once(f"{self._below}/ended.json", f"{json.dumps(told)}\n".encode())
        return ended
