"""The machine behind a synthetic HDMAP: teeth, planets, sensors and load classes. Nothing here is fitted to a real one.

Mesh event k is pixel (k mod 31, k mod 95): 31 planet teeth and 95 ring teeth share no factor, so the 2945 mesh events
of 31 carrier turns fill the 31 x 95 map exactly once. Sources: the map, Ha & Youn 2021 (IEEE Access); the geometry,
SNU-PLANETARY's data card; paths and windows, "Amplitude modulations in planetary gears" (Wind Energy 2012,
doi 10.1002/we.1545) and McFadden 1994 (doi 10.1115/1.2930410).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossad.seeds import generator

PLANET_TEETH, RING_TEETH = 31, 95
SHAPE = (PLANET_TEETH, RING_TEETH)  # (H, W) of a map
EVENTS = PLANET_TEETH * RING_TEETH
PLANETS = 3
MACHINE = 0  # the seed of the tooth errors: they belong to the machine, equal in every domain, preset and data seed

Fault = Literal["planet", "ring", "sun"]
FAULT_TEETH: dict[Fault, int] = {"planet": PLANET_TEETH, "ring": RING_TEETH, "sun": PLANET_TEETH}
Floats = NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)

EVENT = np.arange(EVENTS)
PLANET_TOOTH, RING_TOOTH = EVENT % PLANET_TEETH, EVENT % RING_TEETH


@dataclass(frozen=True)
class Sensor:
    """A sensor on the ring, and what the way to it does to the sound of a mesh."""

    position: float  # ring teeth
    sharpness: float  # exponent of the path's window
    floor: float  # share heard from the far side
    gain: float
    frequency: float  # of the resonance that an impulse rings, periods per mesh event
    damping: float  # of that resonance, share of critical


@dataclass(frozen=True)
class OperatingClass:
    """An operating condition."""

    gain: float
    harmonics: tuple[float, ...]  # amplitudes of the mesh harmonics 1, 2, ...
    transmission_error: float  # depth of the modulation by tooth errors
    noise: float  # floor, relative to the gain


SENSORS = {
    "1": Sensor(position=12, sharpness=2, floor=0.35, gain=4.2, frequency=2.6, damping=0.06),
    "3": Sensor(position=58, sharpness=1, floor=0.55, gain=1.0, frequency=1.7, damping=0.10),
}
CLASSES = {
    "1": OperatingClass(gain=3.7, harmonics=(1.0, 0.6, 0.35), transmission_error=0.22, noise=0.055),
    "3": OperatingClass(gain=1.0, harmonics=(1.0, 0.35, 0.15), transmission_error=0.16, noise=0.075),
}


@cache
def tooth_errors(gear: str) -> Floats:
    """Geometry errors of a gear's teeth, (teeth,): waves of order 1 to 3 (70 %) and white (70 %), unit scale."""
    teeth = RING_TEETH if gear == "ring" else PLANET_TEETH
    draw = generator(MACHINE, f"teeth/{gear}")
    angle = 2 * np.pi * np.arange(teeth) / teeth
    waves = np.zeros(teeth)
    for order in (1, 2, 3):
        waves += draw.normal() * np.cos(order * angle + draw.uniform(0, 2 * np.pi))
    errors: Floats = 0.7 * waves / waves.std() + 0.7 * draw.normal(size=teeth)
    return errors


def planet_offset(planet: int) -> float:
    """How far, in ring teeth, a planet runs ahead of planet 0, whose teeth the map shows."""
    return planet * RING_TEETH / PLANETS


def path(sensor: Sensor, ahead: float = 0.0) -> Floats:
    """Weight with which the sensor hears each mesh event (2945,) of a planet that many ring teeth ahead."""
    near = (1 + np.cos(2 * np.pi * (EVENT + ahead - sensor.position) / RING_TEETH)) / 2
    return np.asarray(sensor.floor + (1 - sensor.floor) * near**sensor.sharpness)


@cache
def contacts(fault: Fault) -> NDArray[np.int64]:
    """Which tooth of the gear in question takes part in each mesh event, (2945,).

    A planet's tooth is a row of the map and a ring's a column. A sun's tooth is drawn as an oblique line, a pattern
    that no model has seen, by letting it meet the next planet tooth after each turn of the planet; a sun with as many
    teeth as the planet would really meet the same one for ever.
    """
    if fault == "ring":
        return RING_TOOTH
    return (EVENT + EVENT // PLANET_TEETH) % PLANET_TEETH if fault == "sun" else PLANET_TOOTH


def to_map(events: NDArray[Value], start_rows: NDArray[np.int64]) -> NDArray[Value]:
    """Lay values of events (N, 2945) out as maps (N, 31, 95), each rolled so that planet tooth 0 is its start row."""
    maps = np.empty((len(events), *SHAPE), dtype=events.dtype)
    rows = (PLANET_TOOTH + start_rows[:, None]) % PLANET_TEETH
    maps[np.arange(len(events))[:, None], rows, RING_TOOTH] = events
    return maps
