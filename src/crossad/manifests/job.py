"""The Job of the conditions that share a training: the one author of it (spec: contracts, "Cluster objects")."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crossad.conditions.resources import LIKE_RESOURCES, unlike_resources
from crossad.errors import (
    ConditionError,
    DataError,
    DeterministicError,
    EnvironmentFault,
    InterruptedRun,
    MissingInputError,
    UsageError,
)
from crossad.files import canonical_json
from crossad.manifests import pod, words
from crossad.manifests.names import PART, digest, object_name, run_hash
from crossad.manifests.overlay import merge
from crossad.manifests.parts import Resources, Weights
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings
from crossad.results.payload import FROM_ENVIRONMENT, carried, pack_text, plan_json
from crossad.results.plan import Plan, PlanEntry

# the same work would fail again in the same way
HOPELESS = sorted(
    {
        error.exit_code
        for error in (UsageError, ConditionError, DataError, MissingInputError, DeterministicError, EnvironmentFault)
    }
)
SHIP_SECONDS = 30  # a trainer sends its logs and its state this often, unless it is told otherwise
MARGIN_SECONDS = 10  # of the grace: the last upload, the end of the process
Group = tuple[PlanEntry, ...]


@dataclass(frozen=True)
class Shared:
    """What all Jobs have in common whose conditions ask for the same, without labels and what each carries."""

    spec: Object  # without its template
    pod: Object
    pod_json: str  # canonical, the most of what a Job's name is a hash of


Specs = dict[str, Shared]  # of one run and one cluster's settings, by what decides them


def groups(entries: Iterable[PlanEntry]) -> list[Group]:
    """The conditions Job by Job: those that share a training share one, in the plan's order."""
    found: dict[str, list[PlanEntry]] = {}
    for entry in entries:
        found.setdefault(entry.training_key, []).append(entry)
    return [tuple(group) for group in found.values()]


def trainer_jobs(plan: Plan, settings: Settings) -> Iterator[Object]:
    """The Jobs of a whole plan, in its order; what they have in common is in them all, and not to be changed."""
    specs: Specs = {}
    for group in groups(plan.conditions):
        yield trainer_job(plan, group, settings, specs=specs)


def trainer_job(
    plan: Plan,
    entries: Sequence[PlanEntry],
    settings: Settings,
    generation: int = 1,
    *,
    specs: Specs | None = None,
) -> Object:
    """The Job that does the work of some conditions with one training: complete, and named by all of its content.

    Args:
        plan: gives the run's name, its repeat and its suite's name.
        entries: conditions of the plan; one pod runs them one after another.
        settings: of the cluster.
        generation: 1, and one more with each retry.
        specs: those that were made for this run and these settings before; this one comes to them.

    Raises:
        ConditionError: the conditions are too large to travel inside a Job.
        UsageError: they do not belong into one Job, or the overlay cannot be merged.
    """
    _check_together(entries)
    text = plan_json(carried(plan, entries))
    labels = _labels(plan, entries, settings, generation)
    shared = _shared(plan, entries[0], settings, {} if specs is None else specs)
    spec = _labelled(shared.spec, settings, labels)
    # the hash is of the plain text: two machines may pack it differently
    ids, content = [entry.condition_id for entry in entries], hashlib.sha256(text.encode()).hexdigest()
    spec["template"]["spec"] = PART
    full = digest([plan.run, ids, generation, settings.namespace, spec, content], shared.pod_json)
    spec["template"]["spec"] = _carrying(shared.pod, pack_text(text))
    told = [{"experiment": entry.experiment_id, "id": entry.condition_id, "name": entry.name} for entry in entries]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(entries[0].name, full),
            "namespace": settings.namespace,
            "labels": labels,
            "annotations": {
                **settings.annotations,
                words.RUN_NAME: plan.run,
                words.CONDITIONS: canonical_json(told),
                words.SPEC: full,
            },
        },
        "spec": spec,
    }


def failure_rules(container: str, hopeless: Sequence[int], harmless: Sequence[int] = ()) -> list[Object]:
    """A podFailurePolicy's rules; the first that fits decides.

    What the cluster did counts for nothing, whatever code the process got out; a sidecar's code never matters.
    """
    rules: list[Object] = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    for action, codes in (("FailJob", hopeless), ("Ignore", harmless)):
        if codes:
            values = {"containerName": container, "operator": "In", "values": list(codes)}
            rules.append({"action": action, "onExitCodes": values})
    return rules


def _check_together(entries: Sequence[PlanEntry]) -> None:
    if not entries or len({entry.training_key for entry in entries}) != 1:
        raise UsageError("conditions of one Job share one training; these do not")
    first = entries[0]
    for entry in entries[1:]:
        if entry.resources != first.resources:
            named = (first.experiment_id, first.name), (entry.experiment_id, entry.name)
            raise UsageError(unlike_resources(*named), hint=LIKE_RESOURCES)


def _labels(plan: Plan, entries: Sequence[PlanEntry], settings: Settings, generation: int) -> dict[str, str]:
    queue = settings.queue
    return {
        **settings.labels,
        **words.COMMON,
        words.COMPONENT: words.TRAINER,
        words.RUN: run_hash(plan.run),
        words.TRAINING: entries[0].training_key,
        words.CONDITION: entries[0].condition_id,
        words.GENERATION: str(generation),
        **({words.QUEUE: queue.name} if queue.name else {}),
        **({words.QUEUE_PRIORITY: queue.priority_class} if queue.priority_class else {}),
    }


def _shared(plan: Plan, entry: PlanEntry, settings: Settings, specs: Specs) -> Shared:
    kind = canonical_json([entry.config["model_type"], entry.resources])
    if kind not in specs:
        found = _pod(plan, settings, settings.resources_of(entry.config["model_type"], entry.resources))
        if overlay := settings.pod_overlay.get("spec"):
            found = merge(found, overlay, "podOverlay.spec")
        specs[kind] = Shared(_spec(settings), found, canonical_json(found))
    return specs[kind]


def _spec(settings: Settings) -> Object:
    return {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": settings.job.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": failure_rules(words.TRAINER, HOPELESS, [InterruptedRun.exit_code]),
        },
        "ttlSecondsAfterFinished": settings.job.ttl_seconds,
    }


def _labelled(spec: Object, settings: Settings, labels: dict[str, str]) -> Object:
    # Kueue reads a Job's labels; on its pods they would make it manage the pods as well
    ours = {key: value for key, value in labels.items() if key not in (words.QUEUE, words.QUEUE_PRIORITY)}
    metadata: Object = {"labels": ours}
    if settings.annotations:
        metadata["annotations"] = dict(settings.annotations)
    if overlay := settings.pod_overlay.get("metadata"):
        metadata = merge(metadata, overlay, "podOverlay.metadata")
    return {**spec, "template": {"metadata": metadata}}


def _pod(plan: Plan, settings: Settings, resources: Resources) -> Object:
    mounts = [*pod.writable(settings), *_inputs(settings), *pod.trusted(settings)]
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": settings.volumes.shm}}
    mounts.append((shm, {"name": "shm", "mountPath": "/dev/shm"}))  # noqa: S108 - a volume of the pod's own
    account = {"serviceAccountName": settings.service_account} if settings.service_account else {}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": settings.job.grace_seconds,
        "securityContext": pod.pod_security(settings),
        **account,
        **pod.pull_secrets(settings),
        **pod.placed(settings.placement, resources.node_selector),
        "containers": [
            {
                "name": words.TRAINER,
                "image": settings.images.trainer,
                "imagePullPolicy": settings.images.pull_policy,
                "command": ["crossad"],
                "args": _arguments(plan, settings, resources),
                "env": [{"name": words.PLAN_VARIABLE, "value": ""}, *_environment(settings)],
                "resources": _amounts(resources),
                "securityContext": pod.container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [mount for _, mount in mounts],
            }
        ],
        "volumes": [volume for volume, _ in mounts],
    }


def _inputs(settings: Settings) -> Iterator[tuple[Object, Object]]:
    if settings.data.claim is not None:
        yield pod.claim("data", settings.data.claim, words.DATA, settings.data.sub_path)
    if settings.weights.claim is not None:
        yield pod.claim("weights", settings.weights.claim, words.WEIGHTS, settings.weights.sub_path)


def _arguments(plan: Plan, settings: Settings, resources: Resources) -> list[str]:
    """The trainer's command line, the same for every condition of a run."""
    data, job = settings.data, settings.job
    found = ["train", "--config", f"{FROM_ENVIRONMENT}{words.PLAN_VARIABLE}", "--experiment-id", "all"]
    gpu = "0" if resources.gpu_count and job.device == "gpu" else "cpu"
    found += ["--run", plan.run, "--gpu-id", gpu, *pod.store_words(settings)]
    found += ["--data", data.uri or words.DATA, *pod.option_words("--data-option", data.options)]
    found += ["--data-cache", f"{words.CACHE}/data"] if data.uri else []
    found += _weights(settings.weights)
    found += ["--checkpoint-seconds", str(job.checkpoint_seconds)]
    # a pod takes its disk with it: what is saved more often than it is sent would be lost with it
    found += ["--ship-seconds", str(job.checkpoint_seconds)] if job.checkpoint_seconds < SHIP_SECONDS else []
    found += [] if job.max_runtime_seconds is None else ["--max-runtime", f"{job.max_runtime_seconds}s"]
    found += [] if job.max_preemptions is None else ["--max-preemptions", str(job.max_preemptions)]
    return [*found, "--grace-seconds", str(job.grace_seconds - MARGIN_SECONDS)]


def _weights(weights: Weights) -> list[str]:
    """Where the trainer looks first; without a word it looks into its image, then into the run's own store."""
    if weights.uri is not None:
        return ["--weights", weights.uri, *pod.option_words("--weights-option", weights.options)]
    return ["--weights", words.WEIGHTS] if weights.claim is not None else []


def _environment(settings: Settings) -> list[Object]:
    """Variables of the trainer: those of all, and its own."""
    _, found, digest_ = settings.images.trainer.partition("@")
    limit = {"containerName": words.TRAINER, "resource": "limits.cpu", "divisor": "1"}
    own: list[Object] = [
        {"name": "HF_HUB_OFFLINE", "value": "1"},
        {"name": "OMP_NUM_THREADS", "valueFrom": {"resourceFieldRef": limit}},
    ]
    if found:
        own.append({"name": "CROSSAD_IMAGE_DIGEST", "value": digest_})
    return [*pod.environment(settings), *own]


def _amounts(resources: Resources) -> Object:
    """Requests and limits; a GPU is an extended resource, which counts under limits alone."""
    both = {name: getattr(resources, name) for name in ("cpu", "memory")}
    gpu = {str(resources.gpu_resource): str(resources.gpu_count)} if resources.gpu_count else {}
    return {
        "requests": {**both, "ephemeral-storage": resources.ephemeral_storage},
        "limits": {**both, **gpu},
    }


def _carrying(pod_spec: Object, packed: str) -> Object:
    """The pod with the packed plan where the trainer looks for it, whatever an overlay did around it."""
    containers = pod_spec.get("containers", [])
    for at, container in enumerate(containers):
        variables = container.get("env", []) if container["name"] == words.TRAINER else []
        for place, variable in enumerate(variables):
            if variable["name"] == words.PLAN_VARIABLE:
                env = [*variables[:place], {**variable, "value": packed}, *variables[place + 1 :]]
                mine = {**container, "env": env}
                return {**pod_spec, "containers": [*containers[:at], mine, *containers[at + 1 :]]}
    raise UsageError(f"podOverlay: it takes {words.PLAN_VARIABLE} from the container {words.TRAINER}")
