"""What all pods of crossad have in common: security, room to write, certificates, credentials, the way out."""

from __future__ import annotations

import math
from typing import Any

from crossad.manifests import words
from crossad.manifests.parts import Placement
from crossad.manifests.settings import Settings

Object = dict[str, Any]
_HOME = f"{words.CACHE}/home"
# libraries look for a home, a user and caches; a read-only root and an unknown UID have none of them
_CACHES = {
    "HOME": _HOME,
    "USER": "crossad",
    "XDG_CACHE_HOME": f"{words.CACHE}/xdg",
    "TORCH_HOME": f"{words.CACHE}/torch",
    "HF_HOME": f"{words.CACHE}/huggingface",
    "TRITON_CACHE_DIR": f"{words.CACHE}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{words.CACHE}/inductor",
    "MPLCONFIGDIR": f"{words.CACHE}/matplotlib",
    "NUMBA_CACHE_DIR": f"{words.CACHE}/numba",
    "CUDA_CACHE_PATH": f"{words.CACHE}/cuda",
    "TMPDIR": "/tmp",  # noqa: S108 - a volume of the pod's own
}


def container_security() -> Object:
    """Of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def pod_security(settings: Settings) -> Object:
    """Of every pod: what Pod Security `restricted` asks for; a UID only where the settings name one."""
    security = settings.security
    found: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if security.run_as_user is not None:
        found["runAsUser"] = security.run_as_user
    if security.run_as_group is not None:
        found["runAsGroup"] = security.run_as_group
    if security.fs_group is not None:
        # without the policy, every start walks through all images of a claim
        found.update(fsGroup=security.fs_group, fsGroupChangePolicy="OnRootMismatch")
    if security.supplemental_groups:
        found["supplementalGroups"] = list(security.supplemental_groups)
    return found


def placed(placement: Placement, more: dict[str, str] | None = None) -> Object:
    """A pod's fields that say where it may run."""
    found: Object = {}
    if selector := {**placement.node_selector, **(more or {})}:
        found["nodeSelector"] = selector
    if placement.tolerations:
        found["tolerations"] = list(placement.tolerations)
    if placement.affinity:
        found["affinity"] = placement.affinity
    for name, value in (
        ("priorityClassName", placement.priority_class_name),
        ("runtimeClassName", placement.runtime_class_name),
        ("schedulerName", placement.scheduler_name),
    ):
        if value is not None:
            found[name] = value
    return found


def pull_secrets(settings: Settings) -> Object:
    """A pod's field with the registry's credentials, by name."""
    names = settings.images.pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def environment(settings: Settings) -> list[Object]:
    """Variables of every container: caches, proxies, certificates, credentials; no secret among them."""
    found = dict(_CACHES)
    proxies = settings.proxies
    for name, value in (
        ("HTTP_PROXY", proxies.http),
        ("HTTPS_PROXY", proxies.https),
        ("NO_PROXY", ",".join(proxies.except_for)),
    ):
        if value:
            found |= {name: value, name.lower(): value}  # libraries disagree on the case
    if settings.ca is not None:
        bundle = f"{words.CERTIFICATES}/{settings.ca.key}"
        found |= dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), bundle)
    if settings.store.secret is not None:
        found["AWS_SHARED_CREDENTIALS_FILE"] = f"{words.CREDENTIALS}/{settings.store.secret_key}"
    return [{"name": name, "value": found[name]} for name in sorted(found)]


def writable(settings: Settings) -> list[tuple[Object, Object]]:
    """(volume, its mount): cache, scratch and /tmp."""
    sizes = settings.volumes
    cache: Object = {"emptyDir": {"sizeLimit": sizes.cache}}
    if sizes.cache_claim is not None:
        cache = {"persistentVolumeClaim": {"claimName": sizes.cache_claim}}
    return [
        ({"name": "cache", **cache}, {"name": "cache", "mountPath": words.CACHE}),
        (
            {"name": "scratch", "emptyDir": {"sizeLimit": sizes.scratch}},
            {"name": "scratch", "mountPath": words.SCRATCH},
        ),
        ({"name": "tmp", "emptyDir": {"sizeLimit": sizes.tmp}}, {"name": "tmp", "mountPath": "/tmp"}),  # noqa: S108 - as above
    ]


def trusted(settings: Settings) -> list[tuple[Object, Object]]:
    """(volume, its mount): credentials of the store and the site's certificates, as files, where there are any."""
    found: list[tuple[Object, Object]] = []
    store, ca = settings.store, settings.ca
    if store.secret is not None:
        items = [{"key": store.secret_key, "path": store.secret_key}]
        volume: Object = {"name": "credentials", "secret": {"secretName": store.secret, "items": items}}
        found.append((volume, {"name": "credentials", "mountPath": words.CREDENTIALS, "readOnly": True}))
    if ca is not None:
        items = [{"key": ca.key, "path": ca.key}]
        source: Object = (
            {"configMap": {"name": ca.config_map, "items": items}}
            if ca.config_map is not None
            else {"secret": {"secretName": ca.secret, "items": items}}
        )
        found.append(({"name": "ca", **source}, {"name": "ca", "mountPath": words.CERTIFICATES, "readOnly": True}))
    return found


def claim(name: str, claimed: str, at: str, sub_path: str | None) -> tuple[Object, Object]:
    """(volume, its mount) of a claim that is only read."""
    mount: Object = {"name": name, "mountPath": at, "readOnly": True}
    if sub_path is not None:
        mount["subPath"] = sub_path
    return {"name": name, "persistentVolumeClaim": {"claimName": claimed, "readOnly": True}}, mount


def option_words(name: str, options: dict[str, str | int | float]) -> list[str]:
    """A command line's repeated NAME=VALUE options, in the order of their names."""
    return [word for key in sorted(options) for word in (name, f"{key}={_number(options[key])}")]


def store_words(settings: Settings) -> list[str]:
    """The options of a command line that name the store."""
    store = settings.store
    return ["--store", store.uri, "--results-dir", words.RESULTS, *option_words("--store-option", store.options)]


def _number(value: str | float) -> str:
    """4.0 from a file in which somebody wrote it so, where a whole number is meant."""
    return str(int(value)) if isinstance(value, float) and math.isfinite(value) and value == int(value) else str(value)
