"""From a machine's state to its map: vibration, difference signal, RMS of each mesh event; a batch of images at once.

The vibration is mesh tones of three planets in sequence (phase 2 pi i 95 / 3) plus an impulse at every mesh that rings
the path's resonance, plus noise. The difference signal lacks the mesh harmonics and their sidebands of one carrier
order. A fault is an extra impulse wherever the damaged tooth meshes. Every random draw happens whatever the severity
is, so severity 0 gives the very bits of the normal image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossad.synth.gearbox import (
    EVENTS,
    FAULT_TEETH,
    PLANET_TEETH,
    PLANET_TOOTH,
    PLANETS,
    RING_TEETH,
    RING_TOOTH,
    Fault,
    Floats,
    OperatingClass,
    Sensor,
    contacts,
    path,
    planet_offset,
    to_map,
    tooth_errors,
)

GAIN = 0.11  # brings the amplitudes to the scale of real maps
SAMPLES = 8  # per mesh event
LENGTH = EVENTS * SAMPLES
BINS = LENGTH // 2 + 1
NOTCHED = [
    order * EVENTS + sideband
    for order in range(1, 5)
    for sideband in (-PLANET_TEETH, 0, PLANET_TEETH)  # 31 carrier turns: a carrier order is 31 bins
    if order * EVENTS + sideband < BINS
]
_DELAY = np.exp(-2j * np.pi * np.arange(BINS) / LENGTH)  # one sample, as a factor on the spectrum


@dataclass(frozen=True)
class Rig:
    """What all images of a batch share."""

    operating: OperatingClass
    sensor: Sensor
    fault: Fault = "planet"


@dataclass(frozen=True)
class State:
    """What differs from image to image but for the scatter, which `draw` gives."""

    severity: float  # 0: no fault
    tau: float  # temperature, 0 cold to 1 warm
    tooth: int  # the damaged tooth of the gear that the rig's fault names
    start_row: int  # row of planet tooth 0
    draw: np.random.Generator


@dataclass(frozen=True)
class _Scatter:
    """Random draws of a batch: (N,) each, then per event (N, 2945), then per sample (N, 23560)."""

    depth: Floats
    frequency: Floats
    loudness: Floats
    impacts: Floats
    bursts: Floats
    noise: Floats

    @classmethod
    def of(cls, states: Sequence[State]) -> _Scatter:
        factors = np.array([state.draw.standard_normal(3) for state in states])
        return cls(
            depth=1 + 0.15 * factors[:, 0],
            frequency=1 + 0.02 * factors[:, 1],
            loudness=1 + 0.05 * factors[:, 2],
            impacts=np.array([np.abs(state.draw.normal(1, 0.25, EVENTS)) for state in states]),
            bursts=np.array([state.draw.gamma(4, 0.25, EVENTS) for state in states]),  # mean 1: intermittent
            noise=np.array([state.draw.standard_normal(LENGTH) for state in states]),
        )


def simulate(rig: Rig, states: Sequence[State]) -> NDArray[np.float32]:
    """Maps (N, 31, 95) in raw units; each depends on its own state alone."""
    scatter = _Scatter.of(states)
    depth = (rig.operating.transmission_error * scatter.depth)[:, None]
    loudness = ((1 + 0.55 * np.array([state.tau for state in states])) * scatter.loudness)[:, None]
    signal = loudness * _mesh(rig, depth) + 2.45 * rig.operating.noise * scatter.noise
    impulses = loudness * (_impacts(rig, depth, scatter) + _fault(rig, states, scatter))
    spectrum = np.fft.rfft(signal) + _rung(impulses, rig.sensor, scatter.frequency[:, None])
    spectrum[:, NOTCHED] = 0
    difference = np.fft.irfft(spectrum, LENGTH).reshape(-1, EVENTS, SAMPLES)
    rms = np.sqrt(np.square(difference).mean(axis=2)) * (GAIN * rig.operating.gain * rig.sensor.gain)
    return to_map(rms.astype(np.float32), np.array([state.start_row for state in states]))


def masks(fault: Fault, states: Sequence[State]) -> NDArray[np.bool_]:
    """Where the damaged tooth meshes, (N, 31, 95); nowhere at severity 0."""
    teeth = np.array([[state.tooth if state.severity > 0 else -1] for state in states])
    return to_map(contacts(fault) == teeth, np.array([state.start_row for state in states]))


def _mesh(rig: Rig, depth: Floats) -> Floats:
    """Mesh tones of the planets at modulation depths (N, 1), as samples (N, 23560); levels are held over an event."""
    tones = np.zeros((len(rig.operating.harmonics), len(depth), EVENTS), dtype=np.complex128)
    for planet in range(PLANETS):
        ahead = planet_offset(planet)
        teeth = tooth_errors(f"planet{planet}")
        errors = teeth[PLANET_TOOTH] + tooth_errors("ring")[(RING_TOOTH + round(ahead)) % RING_TEETH]
        twist = np.exp(0.2j * depth * teeth)[:, PLANET_TOOTH]
        level = path(rig.sensor, ahead) * (1 + depth / 2 * errors) * twist
        for order in range(1, len(tones) + 1):
            tones[order - 1] += np.exp(2j * np.pi * order * ahead) * level
    samples = np.zeros((len(depth), EVENTS, SAMPLES))
    for order, (amplitude, tone) in enumerate(zip(rig.operating.harmonics, tones, strict=True), start=1):
        angle = 2 * np.pi * order * np.arange(SAMPLES) / SAMPLES
        samples += amplitude * (tone.real[..., None] * np.cos(angle) - tone.imag[..., None] * np.sin(angle))
    mesh: Floats = 0.35 * samples.reshape(len(depth), LENGTH)
    return mesh


def _impacts(rig: Rig, depth: Floats, scatter: _Scatter) -> Floats:
    """The impulse of every mesh of the mapped planet, (N, 2945)."""
    errors = tooth_errors("planet0")[PLANET_TOOTH] + tooth_errors("ring")[RING_TOOTH]
    return 0.5 * np.abs(1 + 0.35 * depth / 0.2 * errors) * scatter.impacts * path(rig.sensor)


def _fault(rig: Rig, states: Sequence[State], scatter: _Scatter) -> Floats:
    """Extra impulses (N, 2945): in bursts on the damaged tooth, a little on the next one (load sharing).

    At severity .55 the damaged row of domain C is about 1.3 times as bright as the others; in the real one, 1.32 times.
    """
    severity, tooth = (np.array([[getattr(state, name)] for state in states]) for name in ("severity", "tooth"))
    here, teeth = contacts(rig.fault), FAULT_TEETH[rig.fault]
    force = 0.9 * (0.6 + 0.4 * np.tanh(rig.operating.gain / 2)) * scatter.bursts * (here == tooth)
    extra: Floats = severity * path(rig.sensor) * (force + 0.315 * (here == (tooth + 1) % teeth))
    return extra


def _rung(impulses: Floats, sensor: Sensor, scatter: Floats) -> NDArray[np.complex128]:
    """Spectrum (N, 11781) of impulses (N, 2945) that ring exp(-2 pi z f t) sin(2 pi f t), f scattered by (N, 1).

    A train with zeros between its events repeats its short spectrum, and the response sampled has a closed form (the
    z-transform of a damped sine); it dies within a few of the 2945 events, so that its period does not matter.
    """
    angle = 2 * np.pi * sensor.frequency * scatter / SAMPLES
    decay = np.exp(-sensor.damping * angle)
    response = decay * np.sin(angle) * _DELAY / (1 - 2 * decay * np.cos(angle) * _DELAY + (decay * _DELAY) ** 2)
    rung: NDArray[np.complex128] = np.tile(np.fft.fft(impulses), SAMPLES // 2 + 1)[:, :BINS] * response
    return rung
