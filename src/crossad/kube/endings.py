"""How a pod ended or why it does not start: container states and exit codes, in words."""

from __future__ import annotations

import re

from crossad.kube.placement import Found
from crossad.kube.reading import Object, condition, containers, one_line
from crossad.kube.verdicts import Cause

RETRY = "read its log (crossad logs), remove the cause, then crossad retry"
MEANINGS = {
    64: "its command line makes no sense",
    65: "its condition or its data cannot be used",
    66: "an input is missing",
    70: "it would fail the same way again (device memory, non-finite loss)",
    75: "it was interrupted; its progress is saved",
    78: "the environment lacks what it needs (device, store, permission)",
    137: "it was killed",
    139: "it crashed in native code",
    143: "it was stopped",
}
_IMAGE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
)
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_POLICY = re.compile(r"Container (?P<name>\S+) for pod \S+ failed with exit code (?P<code>\d+)")


def stuck(pod: Object) -> Found | None:
    """Why a pod that has a node does not start, None where nothing says that it cannot."""
    for status in containers(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, told = waiting.get("reason", ""), one_line(waiting.get("message") or "")
        if reason in _IMAGE:
            sentence = f"its image {status.get('image')} cannot be pulled: {told or reason}"
            return Found(
                Cause.IMAGE, sentence, "check the image's name and digest and the pull secrets in the settings"
            )
        if reason in _CONFIG:
            sentence = f"its container {status.get('name')} cannot be made: {told or reason}"
            return Found(
                Cause.CONFIG, sentence, "create what is missing in this namespace; kubectl describe pod shows more"
            )
    return None


def exit_code(pod: Object) -> int | None:
    """The exit code of the first container that failed, else 0, None where none has ended."""
    codes = [int(ended["exitCode"]) for ended in _terminated(pod)]
    return next((code for code in codes if code), 0 if codes else None)


def ended(pod: Object) -> Found:
    """How a pod ended, told as the end of a sentence: "exit code 64: ..."."""
    status = pod.get("status", {})
    if any(found.get("reason") == "OOMKilled" for found in _terminated(pod)):
        return Found(Cause.OOM, f"out of memory: it was killed at its limit of {_memory(pod)}", _MORE_MEMORY)
    if (taken := condition(pod, "DisruptionTarget")) is not None:
        sentence = f"the cluster took its pod ({taken.get('reason', '')}: {one_line(taken.get('message') or '')})"
        return Found(Cause.EVICTED, sentence, "nothing: it goes on from its checkpoint")
    if status.get("reason") == "DeadlineExceeded":
        return Found(
            Cause.DEADLINE, "its pod was active longer than its deadline", "raise the deadline in the settings"
        )
    if status.get("reason") in ("Evicted", "UnexpectedAdmissionError", "NodeAffinity", "NodeLost", "Terminated") or (
        str(status.get("reason", "")).startswith("OutOf")
    ):
        sentence = f"its node refused or lost it ({status['reason']}: {one_line(status.get('message') or '')})"
        return Found(Cause.NODE, sentence, "kubectl describe node shows its state; raise requests where it ran out")
    code = exit_code(pod)
    if code is None:
        return Found(Cause.NODE, "its pod failed without a container that ended", "kubectl describe pod shows more")
    return by_code(code)


def by_code(code: int) -> Found:
    """What an exit code means."""
    meaning = MEANINGS.get(code, f"it was killed by signal {code - 128}" if 128 < code < 160 else "it crashed")
    step = "nothing: it goes on from its checkpoint" if code == 75 else RETRY
    return Found(Cause.EXIT, f"exit code {code}: {meaning}", step)


def code_of_policy(message: str) -> int | None:
    """The exit code in the message of a Job that its failure policy ended: its pods may be gone."""
    found = _POLICY.search(message)
    return int(found["code"]) if found else None


_MORE_MEMORY = "raise memory in the settings, or lower num_workers or batch_size; then crossad retry"


def _terminated(pod: Object) -> list[Object]:
    states = ((status.get("state") or {}).get("terminated") for status in containers(pod))
    return [state for state in states if state]


def _memory(pod: Object) -> str:
    limits = [(one.get("resources") or {}).get("limits") or {} for one in pod["spec"]["containers"]]
    return " + ".join(str(limit["memory"]) for limit in limits if "memory" in limit) or "memory"
