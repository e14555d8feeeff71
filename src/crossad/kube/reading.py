"""Reads what is needed out of Job, Pod and Event objects; whatever is absent is absent, never an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
EPOCH = datetime.fromtimestamp(0, UTC)


def when(text: str | None) -> datetime | None:
    """A time of the API, such as 2026-11-25T05:32:00Z."""
    return datetime.fromisoformat(text) if text else None


def created(found: Object) -> datetime:
    """When an object was created."""
    return when(found["metadata"].get("creationTimestamp")) or EPOCH


def condition(found: Object, kind: str, status: str = "True") -> Object | None:
    """The condition of a type, where it has a status."""
    conditions: Sequence[Object] = found.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind and one["status"] == status), None)


def over(job: Object) -> bool:
    """Whether a Job will do nothing more."""
    return any(condition(job, kind) is not None for kind in ("Complete", "Failed"))


def owned(pods: Iterable[Object], job: Object) -> list[Object]:
    """A Job's pods, oldest first."""
    uid = job["metadata"].get("uid")
    return sorted((pod for pod in pods if uid in owners(pod)), key=created)


def owners(found: Object) -> list[str]:
    """UIDs of the objects that own one, such as a pod's Job: who looks at many Jobs groups their pods by it."""
    return [owner["uid"] for owner in found["metadata"].get("ownerReferences") or []]


def told(events: Iterable[Object], found: Object, reason: str) -> Object | None:
    """The newest event of a reason about an object."""
    uid = found["metadata"].get("uid")
    about = (event for event in events if event.get("involvedObject", {}).get("uid") == uid)
    return max((event for event in about if event.get("reason") == reason), key=seen, default=None)


def seen(event: Object) -> datetime:
    """When an event was seen last: its writers fill different fields."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((found for text in times if (found := when(text))), created(event))


def containers(pod: Object) -> list[Object]:
    """The states of all containers: init containers first, in the order in which they run."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def one_line(text: str, longest: int = 300) -> str:
    """Somebody else's words as a part of a sentence: on one line, cut, without a full stop."""
    line = " ".join(text.split()).rstrip(". ")
    return line if len(line) <= longest else line[: longest - 1] + "…"
