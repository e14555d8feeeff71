"""Which images a domain has, and each of them: a pure function of (seed, domain, split, label, stratum, index)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossad.data.deposit import resize
from crossad.seeds import generator
from crossad.synth.gearbox import FAULT_TEETH, PLANET_TEETH, Fault
from crossad.synth.physics import State, masks, simulate
from crossad.synth.presets import DOMAINS, GENERATOR, Preset, find_preset

Format = Literal["png8", "png16", "tiff"]
HEADROOM = 1.25  # full scale over the largest normal training pixel: faults and warm gearboxes reach beyond
TEMPERATURE = {"train": (0.0, 1.0), "cold": (0.0, 0.35), "warm": (0.65, 1.0)}
BATCH = 16


@dataclass(frozen=True)
class Request:
    """What to generate; equal requests give equal files."""

    preset: str = "easy_v1"
    train: int = 100
    test: int = 100  # per label
    size: tuple[int, int] | None = (224, 224)  # (H, W); None: native 31 x 95
    format: Format = "png8"
    seed: int = 42
    fault: Fault = "planet"

    @property
    def images(self) -> int:
        """Images of a domain."""
        return self.train + 2 * self.test


@dataclass(frozen=True)
class Address:
    """One image of a domain."""

    split: str
    label: str
    stratum: str
    index: int  # within its stratum, which is what keeps it the same image in a smaller or larger set
    number: int  # of its file

    @property
    def stem(self) -> str:
        """Path below the domain's folder, without suffix."""
        return f"{self.split}/{self.label}/{self.number:06d}"


@dataclass(frozen=True)
class Rendered:
    """One finished image."""

    address: Address
    state: State
    pixels: NDArray[np.float32]  # (H, W); 1.0 is full scale, values above it are kept
    mask: NDArray[np.bool_]  # (H, W)


def addresses(request: Request) -> tuple[Address, ...]:
    """All images of a domain in file order; test images are cold in the first half and warm in the second."""
    warm = request.test // 2
    parts = [("train", "good", "train", request.train)] + [
        ("test", label, stratum, count)
        for label in ("good", "fault")
        for stratum, count in (("cold", request.test - warm), ("warm", warm))
    ]
    found = []
    for (split, label), group in itertools.groupby(parts, key=lambda part: part[:2]):
        every = [(stratum, index) for _, _, stratum, count in group for index in range(count)]
        found += [Address(split, label, *place, number) for number, place in enumerate(every)]
    return tuple(found)


def state_of(letter: str, address: Address, request: Request) -> State:
    """The machine's state at one image; presets share their draws, so that images differ by severity alone."""
    purpose = f"{GENERATOR}/{letter}/{address.split}/{address.label}/{address.stratum}"
    draw = generator(request.seed, purpose, address.index)
    low, high = find_preset(request.preset).severity
    share, tau = draw.uniform(), draw.uniform(*TEMPERATURE[address.stratum])
    tooth, start_row = int(draw.integers(FAULT_TEETH[request.fault])), int(draw.integers(PLANET_TEETH))
    severity = low + (high - low) * share if address.label == "fault" else 0.0
    return State(severity, tau, tooth, start_row, draw)


def render(letter: str, places: Sequence[Address], request: Request) -> Iterator[Rendered]:
    """Those images of one domain; best in lots of `BATCH`."""
    states = [state_of(letter, address, request) for address in places]
    damaged = masks(request.fault, states)
    maps = _scaled(simulate(DOMAINS[letter].rig(request.fault), states), letter, find_preset(request.preset))
    for address, state, pixels, mask in zip(places, states, maps, damaged, strict=True):
        shown = resize(mask.astype(np.float32), request.size) >= 0.5
        yield Rendered(address, state, resize(pixels, request.size), shown)


def full_scale(letter: str) -> float:
    """Raw units of the stored value 1.0; a domain's constant, so that a larger set keeps a smaller one's pixels."""
    return DOMAINS[letter].train_maximum * HEADROOM


def _scaled(maps: NDArray[np.float32], letter: str, preset: Preset) -> NDArray[np.float32]:
    if not preset.per_image:
        return maps / np.float32(full_scale(letter))
    low, high = (extreme(axis=(1, 2), keepdims=True) for extreme in (maps.min, maps.max))
    return np.asarray((maps - low) / (high - low))


def healthy(state: State) -> State:
    """The same state of an undamaged machine (its draws not yet used)."""
    return replace(state, severity=0.0)
