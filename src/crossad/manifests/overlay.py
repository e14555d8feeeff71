"""A strategic merge, as Kubernetes does it: objects key by key, lists of named things by their names.

A null takes a key away; `$patch: delete` in a named item takes the item away; other lists replace the old ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossad.errors import UsageError

# list -> the key that names its items; a list that is not here is replaced as a whole
NAMED = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
APPENDED = ("tolerations",)
_PATCH = "$patch"


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any], path: str = "podOverlay") -> dict[str, Any]:
    """A new object: `base` as `overlay` changes it; neither is touched.

    Raises:
        UsageError: the overlay asks for what this merge does not do.
    """
    merged = dict(base)
    for key, value in overlay.items():
        here = f"{path}.{key}"
        if key.startswith("$"):
            raise UsageError(f"{here}: got {value!r}, allowed: {_PATCH}: delete in an item of a list of named things")
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value, here)
        elif isinstance(value, list) and key in NAMED:
            merged[key] = _named(old if isinstance(old, list) else [], value, NAMED[key], here)
        elif isinstance(value, list) and key in APPENDED:
            kept = old if isinstance(old, list) else []
            merged[key] = [*kept, *(item for item in value if item not in kept)]
        else:
            merged[key] = value
    return merged


def _named(base: list[Any], overlay: list[Any], key: str, path: str) -> list[Any]:
    """Items of both lists, those of `base` first, items of one name merged."""
    merged = {item[key]: item for item in base}
    for index, item in enumerate(overlay):
        here = f"{path}[{index}]"
        if not isinstance(item, Mapping) or key not in item:
            raise UsageError(f"{here}: no {key}: items of this list are merged by it")
        name = item[key]
        if item.get(_PATCH) == "delete":
            merged.pop(name, None)
        elif name in merged:
            merged[name] = merge(merged[name], item, here)
        else:
            merged[name] = merge({}, item, here)
    return list(merged.values())
