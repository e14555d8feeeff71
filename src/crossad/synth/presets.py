"""The frozen presets and domains of the generator. None ever changes: a better one gets another name.

Freezing before any model sees the data is what keeps a preset from being fitted to a model's taste; a test holds the
pixels of each to stored values.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from crossad.errors import UsageError
from crossad.synth.gearbox import CLASSES, SENSORS, Fault
from crossad.synth.physics import Rig

GENERATOR = "hdmap_v1"


@dataclass(frozen=True)
class Preset:
    """How severe the faults of the test split are, and how pixels are scaled."""

    name: str
    severity: tuple[float, float]  # uniform between them
    says: str
    per_image: bool = False  # min-max of each image instead of the domain's scale


@dataclass(frozen=True)
class Domain:
    """An operating class heard by a sensor."""

    operating_class: str
    sensor: str
    train_maximum: float  # raw units: the largest pixel of 300 training images of seed 42, rounded

    def rig(self, fault: Fault) -> Rig:
        """The domain's machine with a fault of that kind."""
        return Rig(CLASSES[self.operating_class], SENSORS[self.sensor], fault)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("easy_v1", (0.5, 1.2), "clear faults"),
        Preset("default_v1", (0.2, 0.8), "faults about as faint as real ones"),
        Preset("hard_v1", (0.1, 0.4), "faults near the noise"),
        Preset("null_v1", (0.0, 0.0), "null control: 'faults' of severity 0, every AUROC must be about 0.5"),
        Preset(
            "trap_v1",
            (0.5, 1.2),
            "a TRAP: per-image min-max scaling, so that mean brightness alone gives faults away",
            per_image=True,
        ),
    )
}

# the letters as the published code has used them since September 2025; always told together with class and sensor
DOMAINS = {
    "A": Domain("1", "3", 0.42),
    "B": Domain("1", "1", 1.65),
    "C": Domain("3", "3", 0.11),
    "D": Domain("3", "1", 0.35),
}


def find_preset(name: str) -> Preset:
    """A preset by its full or short name ("easy" is the newest "easy_v...").

    Raises:
        UsageError: There is none.
    """
    short = {full.rpartition("_v")[0]: preset for full, preset in PRESETS.items()}
    found = PRESETS.get(name) or short.get(name)
    if found is None:
        raise UsageError(f"no such preset: {name}; allowed: {', '.join(PRESETS)}", hint=_near(name, [*PRESETS, *short]))
    return found


def find_domain(name: str) -> str:
    """The letter of a domain from "A", "a" or "domain_A".

    Raises:
        UsageError: There is none.
    """
    letter = name.removeprefix("domain_").upper()
    if letter not in DOMAINS:
        raise UsageError(f"no such synthetic domain: {name!r}; allowed: {', '.join(DOMAINS)}")
    return letter


def _near(name: str, names: list[str]) -> str | None:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else None
