"""From a Job, its pods and its events, as the API gives them, to one verdict. Pure: asks nobody, reads no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crossad.kube import endings, placement
from crossad.kube.placement import Found
from crossad.kube.reading import Object, condition, containers, created, one_line, owned, seen, told, when
from crossad.kube.verdicts import Cause, State, Verdict

QUEUE = "kueue.x-k8s.io/queue-name"  # Kueue's label


def classify(
    job: Object, pods: Sequence[Object] = (), events: Sequence[Object] = (), nodes: Sequence[Object] = ()
) -> Verdict:
    """The one state of a Job, why it is in it, and the next step.

    Args:
        job: the Job.
        pods: at least those of the Job that did not end with 0; others are passed over.
        events: at least those about the Job and its pods; without them a quota or a policy is not seen.
        nodes: the cluster's nodes, where they may be read; they name missing labels and taints.
    """
    mine = owned(pods, job)
    if (over := _over(job, mine)) is not None:
        return over
    if job["metadata"].get("deletionTimestamp"):
        since = when(job["metadata"]["deletionTimestamp"])
        return Verdict(State.ENDING, Cause.REMOVED, "it is being removed", since=since)
    alive = [pod for pod in mine if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")]
    if job["spec"].get("suspend"):
        return _suspended(job, alive)
    if alive:
        return _alive(alive[-1], events, nodes)
    refused = _refused(told(events, job, "FailedCreate"), after=created(mine[-1]) if mine else None)
    return refused or _between(job, mine, told(events, job, "SuccessfulCreate"))


def _over(job: Object, mine: Sequence[Object]) -> Verdict | None:
    if (done := condition(job, "Complete")) is not None:
        since = when(done.get("lastTransitionTime"))
        return Verdict(State.COMPLETE, Cause.NONE, "its pod ended with 0", since=since, exit_code=0)
    failed = condition(job, "Failed")
    failing = failed or condition(job, "FailureTarget")
    if failing is None:
        return None
    found, code = _failure(failing, mine)
    since = when(failing.get("lastTransitionTime"))
    if failed is None:
        return Verdict(
            State.ENDING, found.cause, f"it waits for its pod to end; {found.sentence}", found.step, since, code
        )
    return Verdict(State.FAILED, found.cause, found.sentence, found.step, since, code)


def _failure(failing: Object, mine: Sequence[Object]) -> tuple[Found, int | None]:
    """Why a Job failed for good, and the exit code of its last attempt where it is known."""
    reason, message = failing.get("reason", ""), failing.get("message") or ""
    last = mine[-1] if mine else None
    if reason == "PodFailurePolicy" and (code := endings.code_of_policy(message)) is not None:
        return endings.by_code(code), code
    if reason == "DeadlineExceeded":
        step = "raise max_runtime in the settings, then crossad retry"
        return Found(Cause.DEADLINE, "it was active longer than the deadline of its Job", step), None
    if reason == "BackoffLimitExceeded":
        if last is None:
            return Found(Cause.RETRIES, "all its attempts failed, and their pods are gone", endings.RETRY), None
        how = endings.ended(last)
        sentence = f"all its attempts failed, the last one: {how.sentence}"
        return Found(how.cause, sentence, how.step), endings.exit_code(last)
    return Found(Cause.RETRIES, f"its Job failed ({reason}: {one_line(message)})", endings.RETRY), None


def _suspended(job: Object, alive: Sequence[Object]) -> Verdict:
    since = when((condition(job, "Suspended") or {}).get("lastTransitionTime")) or created(job)
    if alive:
        sentence = "it was suspended, and its pod is being stopped"
        return Verdict(State.ENDING, Cause.HELD, sentence, since=since, node=alive[-1]["spec"].get("nodeName"))
    queue = (job["metadata"].get("labels") or {}).get(QUEUE)
    if queue is None:
        name = job["metadata"]["name"]
        step = f'let it go: kubectl patch job {name} --type=merge -p \'{{"spec":{{"suspend":false}}}}\''
        return Verdict(State.SUSPENDED, Cause.HELD, "somebody suspended it", step, since)
    again = " again: it was preempted" if job.get("status", {}).get("startTime") else ""
    sentence = f"it waits in the queue {queue}{again}, and Kueue starts it when there is room"
    return Verdict(
        State.SUSPENDED, Cause.QUEUE, sentence, f"kubectl describe localqueue {queue} shows the order", since
    )


def _alive(pod: Object, events: Sequence[Object], nodes: Sequence[Object]) -> Verdict:
    node, phase = pod["spec"].get("nodeName"), pod.get("status", {}).get("phase")
    if (leaving := when(pod["metadata"].get("deletionTimestamp"))) is not None:
        sentence = f"its pod is being stopped{f' on node {node}' if node else ''}"
        if (taken := condition(pod, "DisruptionTarget")) is not None:
            sentence += f" ({taken.get('reason', '')}: {one_line(taken.get('message') or '')})"
        step = "if this lasts, its node is gone: kubectl get node, then kubectl delete pod --force"
        return Verdict(State.ENDING, Cause.REMOVED, sentence, step, leaving, node=node)
    if phase == "Running":
        began = max((found for found in map(_began, containers(pod)) if found), default=created(pod))
        return Verdict(State.RUNNING, Cause.NONE, f"it runs on node {node}", since=began, node=node)
    if node is None:
        return _unplaced(pod, nodes)
    found = endings.stuck(pod) or _unmounted(pod, events)
    if found is not None:
        return Verdict(State.PENDING, found.cause, found.sentence, found.step, created(pod), node=node)
    sentence = f"its container is being started on node {node} (its image may have to be pulled)"
    return Verdict(State.STARTING, Cause.NONE, sentence, since=created(pod), node=node)


def _began(status: Object) -> datetime | None:
    return when(((status.get("state") or {}).get("running") or {}).get("startedAt"))


def _unplaced(pod: Object, nodes: Sequence[Object]) -> Verdict:
    held = condition(pod, "PodScheduled", "False")
    if held is None:
        sentence = "its pod was just created and waits for the scheduler"
        return Verdict(State.PENDING, Cause.NEW, sentence, since=created(pod))
    since = when(held.get("lastTransitionTime")) or created(pod)
    message = held.get("message") or ""
    if held.get("reason") != "Unschedulable":
        sentence = f"the scheduler does not take it yet ({held.get('reason')}: {one_line(message)})"
        return Verdict(State.PENDING, Cause.UNSCHEDULABLE, sentence, "kubectl describe pod shows more", since)
    found = placement.explain(message, pod, nodes)
    return Verdict(State.PENDING, found.cause, found.sentence, found.step, since)


def _unmounted(pod: Object, events: Sequence[Object]) -> Found | None:
    event = told(events, pod, "FailedMount") or told(events, pod, "FailedAttachVolume")
    if event is None:
        return None
    sentence = f"a volume cannot be mounted: {one_line(event.get('message') or '')}"
    return Found(Cause.MOUNT, sentence, "create the claim, secret or config map that it names; kubectl describe pod")


def _refused(event: Object | None, after: datetime | None) -> Verdict | None:
    """Why the Job controller gets no pod, as its newest event says; an event from before the last pod is history."""
    if event is None:
        return None
    since = when(event.get("lastTimestamp")) or created(event)
    if after is not None and since < after:
        return None
    words = one_line((event.get("message") or "").removeprefix("Error creating: "), longest=500)
    if "exceeded quota" in words:
        found = Found(
            Cause.QUOTA,
            f"the namespace's quota is used up: {words.partition('exceeded quota: ')[2]}",
            "wait for running work to end, lower --max-active, or ask for a larger quota (kubectl describe quota)",
        )
    elif "serviceaccount" in words:
        found = Found(
            Cause.ACCOUNT, f"its pod is refused: {words}", "create the service account, or correct the settings"
        )
    else:
        found = Found(
            Cause.ADMISSION, f"its pod is refused: {words}", "correct what the sentence names in the settings"
        )
    return Verdict(State.PENDING, found.cause, found.sentence, found.step, since)


def _between(job: Object, mine: Sequence[Object], earlier: Object | None) -> Verdict:
    """A Job without a pod that lives: a new one, or one between two attempts; `earlier` tells of a pod that is gone."""
    if not mine and (unseen := _unseen(job)) is not None:
        return unseen
    if not mine and earlier is not None:
        sentence = "its last pod was taken away; the next one follows"
        return Verdict(State.RETRYING, Cause.REMOVED, sentence, since=seen(earlier))
    if not mine:
        return Verdict(State.PENDING, Cause.NEW, "it was just created and has no pod yet", since=created(job))
    last, how = mine[-1], endings.ended(mine[-1])
    code = endings.exit_code(last)
    if last.get("status", {}).get("phase") == "Succeeded":
        return _counted(created(last))
    sentence = f"its last attempt ended: {how.sentence}; the next one follows"
    return Verdict(State.RETRYING, how.cause, sentence, how.step, created(last), code)


def _unseen(job: Object) -> Verdict | None:
    """A Job that speaks of a pod which was not seen: it ended with 0, or came after the pods were looked at."""
    status = job.get("status", {})
    if (status.get("uncountedTerminatedPods") or {}).get("succeeded") or status.get("succeeded"):
        return _counted(when(status.get("startTime")))
    if not status.get("active"):
        return None
    if status.get("ready"):
        return Verdict(
            State.RUNNING, Cause.NONE, "its pod runs, or has just ended", since=when(status.get("startTime"))
        )
    return Verdict(State.STARTING, Cause.NEW, "its pod has just been created, or has just ended", since=created(job))


def _counted(since: datetime | None) -> Verdict:
    return Verdict(State.ENDING, Cause.NONE, "its pod ended with 0 and is being counted", since=since, exit_code=0)
