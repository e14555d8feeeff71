"""The Job that waits for all conditions of a run and writes the report, and the plan that it is given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from crossad.manifests import pod, words
from crossad.manifests.job import failure_rules
from crossad.manifests.names import digest, object_name, run_hash
from crossad.manifests.overlay import merge
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings
from crossad.results.payload import SHARD, UNDATED, pack, plan_json
from crossad.results.plan import Plan

# `kubectl apply` keeps a copy of an object in an annotation of at most 256 KiB: a third less, in base64, is what fits
SHARD_BYTES = 160 * 1024
BAD_INPUT, PARTIAL = 2, 3  # exit codes of `crossad report`: asking again would change nothing
TRIES = 10  # after a crash or a store that is down; the report's own deadline ends it at last
GRACE_SECONDS = 30


def plan_shards(plan: Plan, settings: Settings) -> list[Object]:
    """The plan as ConfigMaps: packed, cut to what an object may hold, named by content, never changed."""
    text = plan_json(plan.model_copy(update={"created": UNDATED, "command": (), "revision": 1}))
    packed, full = pack(text), hashlib.sha256(text.encode()).hexdigest()
    stem = object_name(plan.run, full, prefix="plan-")
    pieces = [packed[start : start + SHARD_BYTES] for start in range(0, len(packed), SHARD_BYTES)]
    labels = {**settings.labels, **words.COMMON, words.COMPONENT: words.PLAN, words.RUN: run_hash(plan.run)}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{stem}-{index:03d}",
                "namespace": settings.namespace,
                "labels": labels,
                "annotations": {words.RUN_NAME: plan.run, words.SPEC: full},
            },
            "immutable": True,
            "binaryData": {f"{SHARD}{index:03d}": base64.b64encode(piece).decode()},
        }
        for index, piece in enumerate(pieces)
    ]


def report_job(run: str, settings: Settings, shards: Sequence[str] = ()) -> Object:
    """The waiting aggregation Job.

    Args:
        run: whose conditions it waits for.
        settings: of the cluster.
        shards: names of the ConfigMaps with the plan; none where the store has the plan.
    """
    queue = {words.QUEUE: settings.queue.system} if settings.queue.system else {}
    labels = {**settings.labels, **words.COMMON, words.COMPONENT: words.REPORT, words.RUN: run_hash(run)}
    annotations = {"annotations": dict(settings.annotations)} if settings.annotations else {}
    template: Object = {"metadata": {"labels": labels, **annotations}, "spec": _pod(run, settings, shards)}
    if settings.report.pod_overlay:
        template = merge(template, settings.report.pod_overlay, "report.podOverlay")
    spec = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": TRIES,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules(words.REPORT, [BAD_INPUT, PARTIAL])},
        "ttlSecondsAfterFinished": settings.job.ttl_seconds,
        "template": template,
    }
    full = digest([run, settings.namespace, spec])
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(run, full, prefix="report-"),
            "namespace": settings.namespace,
            "labels": {**labels, **queue},
            "annotations": {**settings.annotations, words.RUN_NAME: run, words.SPEC: full},
        },
        "spec": spec,
    }


def report_arguments(run: str, settings: Settings, *, shards: bool) -> list[str]:
    """The aggregation's command line."""
    report = settings.report
    found = ["report", run, "--wait", "--deadline", str(report.deadline_seconds), "--grace", str(report.grace_seconds)]
    found += ["--plan", words.SHARDS] if shards else []
    return [*found, *pod.store_words(settings)]


def _pod(run: str, settings: Settings, shards: Sequence[str]) -> Object:
    report = settings.report
    mounts = [*pod.writable(_without_claim(settings)), *pod.trusted(settings)]
    if shards:
        sources = [{"configMap": {"name": name}} for name in shards]
        volume: Object = {"name": "plan", "projected": {"sources": sources}}
        mounts.append((volume, {"name": "plan", "mountPath": words.SHARDS, "readOnly": True}))
    amounts = {"cpu": report.cpu, "memory": report.memory}
    return {
        "restartPolicy": "Never",
        "serviceAccountName": words.ACCOUNTS[words.REPORT],
        "automountServiceAccountToken": True,  # it reads why Jobs failed
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": pod.pod_security(settings),
        **pod.pull_secrets(settings),
        **pod.placed(report.placement),
        "containers": [
            {
                "name": words.REPORT,
                "image": settings.images.controller,
                "imagePullPolicy": settings.images.pull_policy,
                "command": ["crossad"],
                "args": report_arguments(run, settings, shards=bool(shards)),
                "env": pod.environment(settings),
                "resources": {"requests": {**amounts, "ephemeral-storage": "2Gi"}, "limits": amounts},
                "securityContext": pod.container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [mount for _, mount in mounts],
            }
        ],
        "volumes": [volume for volume, _ in mounts],
    }


def _without_claim(settings: Settings) -> Settings:
    """The aggregation needs no cache that outlives it, and should not compete for one node's claim."""
    volumes = settings.volumes.model_copy(update={"cache_claim": None})
    return settings.model_copy(update={"volumes": volumes})
