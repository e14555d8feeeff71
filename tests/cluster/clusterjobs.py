"""Jobs whose pods end as told: what kwok does with them is in stages.yaml."""

from __future__ import annotations

from typing import Any, Literal

Ending = Literal["exit", "runs", "oom", "image", "config", "never"]
CONTAINER = "trainer"
HASH = "test/spec"  # annotation with the hash of a Job's content
FAIL_AT_ONCE = [64, 65, 66, 70, 78]


def ending(how: Ending = "exit", code: int = 0, **times: str) -> dict[str, str]:
    """Annotations of a pod that tell how it ends; `start`, `after` are durations, `sigterm` an exit code."""
    return {f"kwok.test/{name}": text for name, text in {"ending": how, "code": str(code), **times}.items()}


def job(name: str, annotations: dict[str, str] | None = None, *, content: str = "1", **spec: Any) -> dict[str, Any]:
    """A Job that Pod Security `restricted` lets through, with the failure policy of the contracts.

    `spec` are fields of the pod's spec: nodeSelector, tolerations, volumes, and `gpus` for the container's limit.
    """
    limits = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": str(spec.pop("gpus", 1))}
    container = {
        "name": CONTAINER,
        "image": "crossad.invalid/trainer@sha256:" + "0" * 64,
        "args": ["train"],
        "resources": {"limits": limits, "requests": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **spec.pop("container", {}),
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        **spec,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": {HASH: content}, "labels": {"app": "tests"}},
        "spec": {
            "backoffLimit": 2,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": failure_policy()},
            "template": {"metadata": {"annotations": ending() if annotations is None else annotations}, "spec": pod},
        },
    }


def failure_policy() -> list[dict[str, Any]]:
    """Contracts, "Exit codes": the cluster took it, deterministic, interrupted; anything else is counted."""
    on_codes = {"containerName": CONTAINER, "operator": "In"}
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {**on_codes, "values": FAIL_AT_ONCE}},
        {"action": "Ignore", "onExitCodes": {**on_codes, "values": [75]}},
    ]
