"""The Job that waits for all conditions of a run and writes the report, and the plan that it is given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from crossad.manifests import pod, words
from crossad.manifests.light import light_job
from crossad.manifests.names import object_name, run_hash
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings
from crossad.results.payload import SHARD, UNDATED, pack, plan_json
from crossad.results.plan import Plan

# `kubectl apply` keeps a copy of an object in an annotation of at most 256 KiB: a third less, in base64, is what fits
SHARD_BYTES = 160 * 1024


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


def report_job(run: str, settings: Settings, shards: Sequence[str] = (), work: str = "") -> Object:
    """The waiting aggregation Job.

    Args:
        run: whose conditions it waits for.
        settings: of the cluster.
        shards: names of the ConfigMaps with the plan; none where the store has the plan.
        work: what there is to aggregate, as a hash of it, where a controller knows: after a retry, another Job.
    """
    volumes: list[tuple[Object, Object]] = []
    if shards:
        volume: Object = {"name": "plan", "projected": {"sources": [{"configMap": {"name": name}} for name in shards]}}
        volumes.append((volume, {"name": "plan", "mountPath": words.SHARDS, "readOnly": True}))
    arguments = report_arguments(run, settings, shards=bool(shards))
    return light_job(words.REPORT, run, settings, arguments, volumes=volumes, work=work)


def report_arguments(run: str, settings: Settings, *, shards: bool) -> list[str]:
    """The aggregation's command line."""
    report = settings.report
    found = ["report", run, "--wait", "--deadline", str(report.deadline_seconds), "--grace", str(report.grace_seconds)]
    found += ["--plan", words.SHARDS] if shards else []
    return [*found, *pod.store_words(settings)]
