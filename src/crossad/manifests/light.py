"""A Job of the slim image, without a GPU: what the aggregation and the controller have in common."""

from __future__ import annotations

from collections.abc import Sequence

from crossad.manifests import pod, words
from crossad.manifests.job import failure_rules
from crossad.manifests.names import digest, object_name, run_hash
from crossad.manifests.overlay import merge
from crossad.manifests.parts import Raw
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings

TRIES = 10  # after a crash or a store that is down
GRACE_SECONDS = 30
BAD_INPUT, PARTIAL = 2, 3  # exit codes of both: asking again would change nothing
Volumes = Sequence[tuple[Object, Object]]  # (volume, its mount)
# what survives a pod is kept under its Job's uid, such as when the waiting began
_JOB: Object = {
    "name": words.JOB_VARIABLE,
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}},
}


def light_job(
    component: str,
    run: str,
    settings: Settings,
    arguments: Sequence[str],
    *,
    volumes: Volumes = (),
    harmless: Sequence[int] = (),
    work: str = "",
) -> Object:
    """The Job of a component, named by all of its content.

    Args:
        component: names the container, the labels and the account.
        run: the run that it serves.
        settings: of the cluster.
        arguments: its command line.
        volumes: beside those that every pod has.
        harmless: exit codes that count for nothing.
        work: what it is to do, where the command line does not say it all: other work, another Job.
    """
    queue = {words.QUEUE: settings.queue.system} if settings.queue.system else {}
    labels = {**settings.labels, **words.COMMON, words.COMPONENT: component, words.RUN: run_hash(run)}
    annotations = {"annotations": dict(settings.annotations)} if settings.annotations else {}
    template: Object = {
        "metadata": {"labels": labels, **annotations},
        "spec": _pod(component, settings, arguments, volumes),
    }
    if overlay := _of(component, settings.report.pod_overlay):
        template = merge(template, overlay, "report.podOverlay")
    spec = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": TRIES,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules(component, [BAD_INPUT, PARTIAL], harmless)},
        "ttlSecondsAfterFinished": settings.job.ttl_seconds,
        "template": template,
    }
    full = digest([run, settings.namespace, spec, *([work] if work else [])])
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(run, full, prefix=f"{component}-"),
            "namespace": settings.namespace,
            "labels": {**labels, **queue},
            "annotations": {**settings.annotations, words.RUN_NAME: run, words.SPEC: full},
        },
        "spec": spec,
    }


def _of(component: str, overlay: Raw) -> Raw:
    """The overlay as far as it is this component's: one serves both, and names containers of both."""
    spec = overlay.get("spec") or {}
    if "containers" not in spec:
        return overlay
    others = {words.REPORT, words.CONTROLLER} - {component}
    mine = [one for one in spec["containers"] if not isinstance(one, dict) or one.get("name") not in others]
    return {**overlay, "spec": {**spec, "containers": mine}}


def _pod(component: str, settings: Settings, arguments: Sequence[str], volumes: Volumes) -> Object:
    report = settings.report
    mounted = [*pod.writable(_without_claim(settings)), *pod.trusted(settings), *volumes]
    amounts = {"cpu": report.cpu, "memory": report.memory}
    return {
        "restartPolicy": "Never",
        "serviceAccountName": words.ACCOUNTS[component],
        "automountServiceAccountToken": True,  # it asks the cluster's API
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": pod.pod_security(settings),
        **pod.pull_secrets(settings),
        **pod.placed(report.placement),
        "containers": [
            {
                "name": component,
                "image": settings.images.controller,
                "imagePullPolicy": settings.images.pull_policy,
                "command": ["crossad"],
                "args": list(arguments),
                "env": [*pod.environment(settings), _JOB],
                "resources": {"requests": {**amounts, "ephemeral-storage": "2Gi"}, "limits": amounts},
                "securityContext": pod.container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [mount for _, mount in mounted],
            }
        ],
        "volumes": [volume for volume, _ in mounted],
    }


def _without_claim(settings: Settings) -> Settings:
    """Neither needs a cache that outlives it, and neither should compete for one node's claim."""
    volumes = settings.volumes.model_copy(update={"cache_claim": None})
    return settings.model_copy(update={"volumes": volumes})
