"""What can be said of a Job: one state, one cause, one sentence, one next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a Job stands."""

    PENDING = "pending"  # it has no pod, or its pod no node, or its container cannot start
    SUSPENDED = "suspended"  # somebody, such as Kueue, holds it back
    STARTING = "starting"  # its pod has a node; nothing says that it cannot start
    RUNNING = "running"
    RETRYING = "retrying"  # an attempt ended; the next one is due
    ENDING = "ending"  # being removed, or waiting for its pod to end
    COMPLETE = "complete"
    FAILED = "failed"


class Cause(StrEnum):
    """Why, as one word that programs compare."""

    NONE = ""
    NEW = "new"
    QUOTA = "quota"
    ADMISSION = "admission"
    ACCOUNT = "service-account"
    NO_NODES = "no-nodes"
    LABEL = "label"
    TAINT = "taint"
    BUSY = "busy"
    CAPACITY = "capacity"
    CLAIM = "claim"
    UNSCHEDULABLE = "unschedulable"
    QUEUE = "queue"
    HELD = "held"
    IMAGE = "image"
    CONFIG = "config"
    MOUNT = "mount"
    OOM = "oom"
    EXIT = "exit-code"
    EVICTED = "evicted"
    NODE = "node"
    DEADLINE = "deadline"
    START_DEADLINE = "start-deadline"
    RETRIES = "retries"
    REMOVED = "removed"


@dataclass(frozen=True)
class Verdict:
    """What is said of one Job."""

    state: State
    cause: Cause
    sentence: str
    step: str = ""  # the next step, empty where there is nothing to do
    since: datetime | None = None  # when this began, by the cluster's clock
    exit_code: int | None = None  # of the last attempt that ended
    node: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in (State.COMPLETE, State.FAILED)


def overdue(verdict: Verdict, began: datetime, now: datetime, deadline: timedelta) -> Verdict | None:
    """The verdict on a Job whose pod did not start in time, None while there is time.

    A Job that is suspended is not judged: its queue decides when it starts.

    Args:
        verdict: what is said of the Job now.
        began: when the Job was created.
        now: by the same clock.
        deadline: how long a start may take.
    """
    if verdict.state is not State.PENDING or now - began < deadline:
        return None
    sentence = f"it did not start within {_words(deadline)}: {verdict.sentence}"
    return Verdict(State.FAILED, Cause.START_DEADLINE, sentence, verdict.step, began)


def _words(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
