"""What conditions will cost, by what finished ones of the same model did: scaled, rounded up, and never invented.

Time grows with images x passes x pixels, and a run may stop early: what is told is an upper bound for work of that
kind, on the device of the newest record. Memory grows with the batch (a memory bank: with the images); where records
of one size alone tell, all of it is taken to grow. A model without a record has no estimate.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossad.conditions.outlook import Outlook
from crossad.results.past import Past

SPREAD = 1.2  # from which ratio on two sizes of work tell apart what grows with it


@dataclass(frozen=True)
class Estimate:
    """The cost of what is left of one condition."""

    seconds: float
    memory: int | None  # of the process, peak
    device_memory: int | None  # of the GPU, peak
    bytes: int | None  # to be stored


@dataclass(frozen=True)
class Basis:
    """What estimates of one model rest on."""

    model: str
    device: str
    records: int


@dataclass(frozen=True)
class Costs:
    """Estimates by experiment id, what they rest on, and what has none."""

    estimates: Mapping[int, Estimate] = field(default_factory=dict)
    bases: tuple[Basis, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)  # model -> conditions with work left and no record

    @property
    def seconds(self) -> float:
        """Of one device after the other."""
        return sum(one.seconds for one in self.estimates.values())

    @property
    def device_memory(self) -> int | None:
        """The largest peak."""
        return max((one.device_memory for one in self.estimates.values() if one.device_memory), default=None)

    @property
    def memory(self) -> int | None:
        """The largest peak."""
        return max((one.memory for one in self.estimates.values() if one.memory), default=None)

    @property
    def bytes(self) -> int:
        """All together."""
        return sum(one.bytes or 0 for one in self.estimates.values())

    def wall_seconds(self, devices: int) -> float:
        """With so many devices at once, each taking the next condition when it is free, in the plan's order."""
        free = [0.0] * devices
        for one in self.estimates.values():
            first = free.index(min(free))
            free[first] += one.seconds
        return max(free)


def costs(rows: Sequence[Outlook], configs: Mapping[int, Mapping[str, Any]], pasts: Iterable[Past]) -> Costs:
    """The costs of what is left.

    Args:
        rows: the outlook, with steps and images counted.
        configs: resolved configs by experiment id.
        pasts: what finished conditions cost, the newest first of each model.
    """
    by_model: dict[str, list[Past]] = {}
    for past in pasts:
        by_model.setdefault(past.model, []).append(past)
    # what ran on other devices says little about the newest one
    alike = {model: [one for one in found if one.device == found[0].device] for model, found in by_model.items()}
    estimates: dict[int, Estimate] = {}
    used, unknown = Counter[str](), Counter[str]()
    for row in rows:
        if row.state == "done" or not (row.steps or row.images_to_score):
            continue
        model = str(configs[row.experiment_id]["model_type"])
        found = _estimate(row, configs[row.experiment_id], alike.get(model, []))
        if found is None:
            unknown[model] += 1
        else:
            used[model] += 1
            estimates[row.experiment_id] = found
    bases = tuple(Basis(model, alike[model][0].device, len(alike[model])) for model in used)
    return Costs(estimates, bases, unknown)


def _estimate(row: Outlook, config: Mapping[str, Any], past: Sequence[Past]) -> Estimate | None:
    """None where no record tells what a part of the work that is left costs."""
    height, width = config["image_size"]
    pixels, batch = float(height * width), int(config.get("batch_size") or 1)
    fit = _rate((one.fit_seconds, one.fit_work) for one in past)
    score = _rate((one.score_seconds, one.score_work) for one in past)
    if (row.steps and fit is None) or (row.images_to_score and score is None):
        return None
    passes = (row.steps or 0) * batch
    seconds = passes * pixels * (fit or 0.0) + (row.images_to_score or 0) * pixels * (score or 0.0)
    at_once = (passes if config["model_type"] == "patchcore" else batch) * pixels
    return Estimate(
        seconds=seconds + statistics.median(one.other_seconds for one in past),
        memory=_peak(((one.memory, one.batch_work) for one in past), at_once),
        device_memory=_peak(((one.device_memory, one.batch_work) for one in past), at_once),
        bytes=max((one.bytes for one in past if one.bytes), default=None),
    )


def _rate(told: Iterable[tuple[float | None, float]]) -> float | None:
    """Seconds for a unit of work: the median of the records that did any."""
    rates = [seconds / work for seconds, work in told if seconds is not None and work > 0]
    return statistics.median(rates) if rates else None


def _peak(told: Iterable[tuple[int | None, float]], at_once: float) -> int | None:
    """The largest peak to expect with so much in memory at once; never less than a record's, because weights stay."""
    peaks = sorted((work, peak) for peak, work in told if peak and work > 0)
    if not peaks:
        return None
    (least, low), (most, high) = peaks[0], peaks[-1]
    largest = max(peak for _, peak in peaks)
    if at_once <= most:
        return largest
    if most >= SPREAD * least:  # two sizes tell what grows and what stays
        return int(largest + max(0.0, (high - low) / (most - least)) * (at_once - most))
    return int(largest * at_once / most)
