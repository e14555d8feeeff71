"""What tests of clients of a cluster need beside the cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crossad.kube.cluster import Cluster
from crossad.kube.patience import Patience


@dataclass
class Time:
    """A clock that only sleep moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float = 60.0) -> Patience:
        return Patience(seconds, clock=lambda: self.now, sleep=self.sleep, dice=lambda: 0.0)


Open = Callable[..., Cluster]


def status(code: int, reason: str, message: str, **details: object) -> bytes:
    """An API server's own refusal."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return json.dumps({**told, "code": code, "details": details}).encode()


def name_of(found: dict[str, Any]) -> str:
    return str(found["metadata"]["name"])


def ended(job: dict[str, Any] | None) -> str:
    """Complete or Failed once a Job is either, empty before."""
    conditions = (job or {}).get("status", {}).get("conditions", [])
    found = [condition["type"] for condition in conditions if condition["status"] == "True"]
    return next((kind for kind in found if kind in ("Complete", "Failed")), "")
