"""Plays what runs in the containers of crossad's pods, whose nodes are kwok's: it commits, and ends as it is told.

kwok starts such a pod and leaves it running (`kwok.test/ending: runs`); `step` lets it do its work, then has kwok end
it with an exit code. So a commit is durable before its pod ends with 0, as it is with a real trainer, whatever the
speed of this machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from clients import ended
from plane import Plane, Refused

from crossad.kube.resources import JOBS, PODS
from crossad.launch.state import RunState
from crossad.manifests import words
from crossad.results.home import Home
from crossad.results.plan import newest_plan

Object = dict[str, Any]
RUNS = {"kwok.test/ending": "runs"}  # annotations of the settings
PAUSE = 0.1  # seconds, where no pod runs
AGAIN = (1, 75, 137)  # codes after which the Job makes another pod
DONE, PARTIAL = 0, 3


@dataclass
class Trainers:
    """The processes in the pods of one namespace."""

    plane: Plane
    namespace: str
    home: Home
    codes: dict[str, list[int]] = field(default_factory=dict)  # condition -> exit codes of its attempts; then 0
    silent: set[str] = field(default_factory=set)  # conditions that end with 0 and commit nothing
    lock: str | None = None  # of the data that they read
    ran: list[tuple[str, ...]] = field(default_factory=list)  # conditions of every trainer that ended
    reports: list[int] = field(default_factory=list)  # exit codes of the aggregations

    def step(self, seconds: float = 0.0) -> bool:
        """Let every pod that runs end; False: as a wait that nobody stopped."""
        pods = list(self.running())
        if not pods:
            time.sleep(PAUSE)
        for pod in pods:
            job = self._job(pod)
            if job is not None:  # else it is being killed
                self.end(pod, self._report(job) if component(pod) == words.REPORT else self._train(pod, job))
        return False

    def running(self) -> Iterator[Object]:
        """Pods that run and were not told how to end."""
        query = "?labelSelector=app.kubernetes.io/name=crossad&fieldSelector=status.phase=Running"
        for pod in self.plane.request("GET", PODS.path(self.namespace) + query)["items"]:
            told = pod["metadata"].get("annotations", {}).get("kwok.test/ending")
            if told == "runs" and component(pod) != words.CONTROLLER and "deletionTimestamp" not in pod["metadata"]:
                yield pod

    def end(self, pod: Object, code: int) -> None:
        """End a pod, and wait until its Job took notice."""
        name, job = pod["metadata"]["name"], pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
        told = {"metadata": {"annotations": {"kwok.test/ending": "exit", "kwok.test/code": str(code)}}}
        try:
            self.plane.request("PATCH", PODS.path(self.namespace, name), told, "application/merge-patch+json")
        except Refused as error:
            if error.status != 404:  # somebody took it away meanwhile
                raise
            return
        if code in AGAIN:
            over = ("Succeeded", "Failed")
            path = PODS.path(self.namespace, name)
            self.plane.until(path, lambda found: found is None or found["status"].get("phase") in over)
        else:
            self.plane.until(JOBS.path(self.namespace, job), lambda found: found is None or bool(ended(found)))

    def _job(self, pod: Object) -> Object | None:
        path = JOBS.path(self.namespace, pod["metadata"]["labels"]["batch.kubernetes.io/job-name"])
        try:
            found: Object = self.plane.request("GET", path)
        except Refused as error:
            if error.status != 404:
                raise
            return None
        return None if "deletionTimestamp" in found["metadata"] else found

    def _train(self, pod: Object, job: Object) -> int:
        told, state = (
            job["metadata"]["annotations"],
            RunState(self.home, job["metadata"]["annotations"][words.RUN_NAME]),
        )
        carried = [str(one["id"]) for one in json.loads(told[words.CONDITIONS])]
        verdicts = {one: state.verdict(one) for one in carried}
        conditions = [one for one, verdict in verdicts.items() if verdict is None or verdict.kind != "cancelled"]
        self.ran.append(tuple(conditions))
        code = 0
        for one in conditions:
            mine = self.codes[one].pop(0) if self.codes.get(one) else 0
            code = code or mine
            if mine in (64, 65, 66, 70, 78):
                failure = {"kind": "DataError", "message": f"{one} says why", "hint": "mend it", "exit_code": mine}
                self.home.ledger.record_failure(one, pod["metadata"]["uid"], {"failures": [failure], "record": None})
            if mine == 0 and one not in self.silent:
                told_by = {"attempt": pod["metadata"]["uid"], "run": "a run"}
                self.home.ledger.commit("condition", one, told_by, self.lock)
        return code

    def _report(self, job: Object) -> int:
        """As `report --wait` ends: by what is committed of the plan."""
        plan = newest_plan(self.home.state, job["metadata"]["annotations"][words.RUN_NAME])
        assert plan is not None
        there = self.home.ledger.commits("condition")
        code = DONE if all(entry.condition_id in there for entry in plan.conditions) else PARTIAL
        self.reports.append(code)
        return code


def component(pod: Object) -> str:
    return str(pod["metadata"]["labels"][words.COMPONENT])
