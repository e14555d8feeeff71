"""Who may do what in the namespace: nobody gets secrets, exec, or anything beyond it; trainers get nothing at all."""

from __future__ import annotations

from typing import Any

from crossad.manifests import words
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings

Rule = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # API groups, resources, verbs
_LOOK: tuple[Rule, ...] = (
    (("batch",), ("jobs",), ("get", "list")),
    (("",), ("pods",), ("get", "list")),
    (("", "events.k8s.io"), ("events",), ("get", "list")),
)
RULES: dict[str, tuple[Rule, ...]] = {
    words.REPORT: _LOOK,
    words.CONTROLLER: (
        *_LOOK,
        (("batch",), ("jobs",), ("create", "delete")),
        (("",), ("configmaps",), ("get", "create")),  # the anchor that owns a run's Jobs
    ),
}


def access(component: str, settings: Settings) -> list[Object]:
    """Account, role and binding of one component."""
    name = words.ACCOUNTS[component]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": settings.namespace,
        "labels": {**words.COMMON, words.COMPONENT: component},
    }
    api = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,  # a pod asks for it, where it needs it
        },
        {
            "apiVersion": f"{api}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}
                for groups, resources, verbs in RULES[component]
            ],
        },
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": settings.namespace}],
        },
    ]


def namespace(settings: Settings) -> Object:
    """The namespace, in which no pod is admitted that asks for more than `restricted` allows."""
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": settings.namespace, "labels": {**words.COMMON, **level}},
    }


def data_claim(settings: Settings, size: str, storage_class: str | None = None) -> Object:
    """A claim for the images, as the settings name it."""
    spec: Object = {
        "accessModes": list(settings.data.access_modes),
        "resources": {"requests": {"storage": size}},
        **({"storageClassName": storage_class} if storage_class else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": settings.data.claim, "namespace": settings.namespace, "labels": dict(words.COMMON)},
        "spec": spec,
    }
