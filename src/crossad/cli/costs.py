"""The costs of a plan as people and machines read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from crossad.analysis.wording import duration, size

if TYPE_CHECKING:
    from crossad.conditions.outlook import Outlook
    from crossad.results.estimate import Costs
    from crossad.results.home import Home

GIB = 2**30


def estimated(home: Home, rows: Sequence[Outlook], entries: Sequence[Mapping[str, Any]]) -> Costs:
    """What is left costs, by the records of the store; nothing is read where no images were counted."""
    from crossad.results.estimate import Costs, costs
    from crossad.results.past import past

    configs = {entry["experiment_id"]: entry["config"] for entry in entries}
    models = {configs[row.experiment_id]["model_type"] for row in rows if row.state != "done" and row.steps is not None}
    if not models:
        return Costs()
    known = {entry["condition_id"]: str(entry["config"]["model_type"]) for entry in entries}
    return costs(rows, configs, past(home, models, known))


@dataclass(frozen=True)
class CostFacts:
    """For machines."""

    totals: dict[str, Any] | None
    rows: dict[int, dict[str, Any]]

    def of(self, experiment_id: int) -> dict[str, Any] | None:
        """A condition's estimate, null where there is none."""
        return self.rows.get(experiment_id)


def cost_facts(costs: Costs, devices: int, gpu_memory: float | None) -> CostFacts:
    """Estimates and what they rest on."""
    rows = {number: asdict(one) for number, one in costs.estimates.items()}
    if not costs.estimates and not costs.unknown:
        return CostFacts(None, rows)
    totals = {
        "seconds": costs.seconds,
        "devices": devices,
        "wall_seconds": costs.wall_seconds(devices),
        "memory_bytes": costs.memory,
        "device_memory_bytes": costs.device_memory,
        "fits": fits(costs, gpu_memory),
        "bytes": costs.bytes,
        "bases": [asdict(basis) for basis in costs.bases],
        "without_records": dict(costs.unknown),
    }
    return CostFacts(totals, rows)


def fits(costs: Costs, gpu_memory: float | None) -> bool | None:
    """Whether the largest peak fits a card; None where one of them is not known."""
    if gpu_memory is None or costs.device_memory is None:
        return None
    return costs.device_memory <= gpu_memory * GIB


def cost_lines(costs: Costs, devices: int, gpu_memory: float | None) -> Iterator[str]:
    """For people: the totals, then what they rest on."""
    if costs.estimates:
        hours = "GPU" if costs.device_memory else "CPU"
        wall = f", {duration(costs.wall_seconds(devices))} on {devices} at once" if devices > 1 else ""
        peaks = "".join(
            f", {size(peak)} of {what}"
            for peak, what in ((costs.device_memory, "GPU memory"), (costs.memory, "memory"))
            if peak
        )
        room = f", {size(costs.bytes)} to store" if costs.bytes else ""
        yield f"estimated: at most {duration(costs.seconds)} of {hours} time{wall}{peaks}{room}"
        for basis in costs.bases:
            count = f"{basis.records} record{'' if basis.records == 1 else 's'}"
            yield f"  {basis.model}: from {count} on {basis.device or 'an unknown device'}"
    for model, lacking in costs.unknown.items():
        left = f"{lacking} condition{'' if lacking == 1 else 's'}"
        yield f"  no past records of model {model}: {left} without an estimate"
    if fits(costs, gpu_memory) is False and costs.device_memory and gpu_memory is not None:
        yield (
            f"warning: the peak of about {size(costs.device_memory)} does not fit into {gpu_memory:g} GiB; "
            "lower batch_size or image_size"
        )


@dataclass(frozen=True)
class Column:
    """The times in a table; nothing where there are none."""

    costs: Costs
    wide: bool

    @property
    def head(self) -> str:
        """Above the times."""
        return f"{'time':>12}  " if self.wide else ""

    def of(self, experiment_id: int) -> str:
        """A condition's."""
        one = self.costs.estimates.get(experiment_id)
        return f"{duration(one.seconds) if one else '-':>12}  " if self.wide else ""


def column(costs: Costs, rows: Sequence[int]) -> Column:
    """The column for some conditions."""
    return Column(costs, any(number in costs.estimates for number in rows))
