"""The controller's Job, and the object that owns all Jobs of a run."""

from __future__ import annotations

from crossad.errors import InterruptedRun
from crossad.manifests import pod, words
from crossad.manifests.light import light_job
from crossad.manifests.names import digest, object_name, run_hash
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings


def anchor(run: str, namespace: str) -> Object:
    """The ConfigMap that owns a run's Jobs: they go when it goes. The same whatever the settings say."""
    full = digest([run, namespace])
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": object_name(run, full, prefix="run-"),
            "namespace": namespace,
            "labels": {**words.COMMON, words.COMPONENT: words.ANCHOR, words.RUN: run_hash(run)},
            "annotations": {words.RUN_NAME: run, words.SPEC: full},
        },
        "data": {"run": run},
    }


def owned(found: Object, owner: Object) -> Object:
    """The same object as a part of what its owner owns; its name and its hash stay, because nothing else changed."""
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    reference["uid"] = owner["metadata"]["uid"]
    return {**found, "metadata": {**found["metadata"], "ownerReferences": [reference]}}


def control_job(run: str, settings: Settings, work: str = "") -> Object:
    """The Job in which `crossad control` works on a run; plan and settings it reads from the store.

    Args:
        run: the run.
        settings: of the cluster.
        work: what is to be done, as a hash of it: a controller that ended is not asked to do it again.
    """
    # it saves nothing: an interrupted one goes on where the facts stand
    harmless = [InterruptedRun.exit_code]
    arguments = ["control", run, *pod.store_words(settings)]
    return light_job(words.CONTROLLER, run, settings, arguments, harmless=harmless, work=work)
