"""Amounts as Kubernetes writes them: 500m, 16Gi, 1e3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

_FORM = re.compile(r"(?P<number>[+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?P<suffix>[eE][+-]?\d+|[num]|[kKMGTPE]i?|)")
_SMALL = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
_LARGE = "kMGTPE"
Amounts = dict[str, Fraction]


def amount(text: str | float) -> Fraction:
    """The number that a quantity is.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, suffix = Fraction(found["number"]), found["suffix"]
    if suffix in _SMALL:
        return number * _SMALL[suffix]
    if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei":
        return Fraction(str(text).strip())  # it reads exponents itself
    if suffix:
        base, power = 1024 if suffix.endswith("i") else 1000, _LARGE.index(suffix[0].replace("K", "k")) + 1
        return number * int(base**power)
    return number


def amounts(found: Mapping[str, Any] | None) -> Amounts:
    """Every resource of a list."""
    return {name: amount(text) for name, text in (found or {}).items()}


def together(all_: Iterable[Amounts]) -> Amounts:
    """The sum of some lists."""
    total: Amounts = {}
    for one in all_:
        for name, value in one.items():
            total[name] = total.get(name, Fraction(0)) + value
    return total


def asked(pod: Mapping[str, Any]) -> Amounts:
    """What the scheduler counts of a pod: requests, and limits where nothing is requested."""
    return together(
        {**amounts(resources.get("limits")), **amounts(resources.get("requests"))} for resources in _resources(pod)
    )


def limits(pod: Mapping[str, Any]) -> Amounts:
    """The limits of a pod's containers together."""
    return together(amounts(resources.get("limits")) for resources in _resources(pod))


def _resources(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [container.get("resources") or {} for container in pod["containers"]]


def shown(name: str, value: Fraction) -> str:
    """An amount for people: bytes as Gi, everything else as a number."""
    if name.endswith(("memory", "storage")):
        return f"{float(value / 2**30):.4g}Gi"
    return f"{float(value):.4g}"
