"""How well a model transfers, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from crossad.analysis.collect import Entry
from crossad.analysis.judge import Transfer
from crossad.analysis.wording import bounds, listed, model_name, number


def verdict(row: Transfer) -> str:
    """One sentence: how well does this model transfer?"""
    said, basis = claim(row)
    return f"{said}: {basis}." if basis else f"{said}."


def claim(row: Transfer) -> tuple[str, str]:
    """The verdict in two parts: what is claimed, and the numbers it stands on."""
    entry, name, record = row.entry, model_name(row.entry.model), row.entry.record
    if record is None or record.status == "failed":
        return f"{name} has no result from {entry.source}", "; ".join([entry.state, *_reasons(entry)])
    if row.average is None:
        return f"{name} says nothing about transfer from {entry.source}", row.unranked
    basis = [
        f"source AUROC {number(record.val_image_AUROC)}",
        f"average target AUROC {number(row.average)} {bounds(row.average_interval)}".strip(),
    ]
    if row.unranked:
        basis.append(f"unranked: {row.unranked}")
    if row.ratio is None:
        return f"{name} has no transfer ratio from {entry.source}", ", ".join([row.why_not or "undefined", *basis])
    basis.insert(2, f"transfer ratio {number(row.ratio)} {bounds(row.ratio_interval)}".strip())
    kept = f"{name} keeps {100 * row.ratio:.0f} % of its AUROC"
    skill = "" if row.skill is None else f" and {100 * max(0.0, row.skill):.0f} % of its skill above chance"
    return f"{kept}{skill} from {entry.source} to {listed(row.targets)}", ", ".join(basis)


def overall(rows: Sequence[Transfer]) -> tuple[str, str]:
    """One model over several sources: its best condition on each; in the two parts of a claim."""
    name = model_name(rows[0].entry.model)
    told = [row for row in rows if row.ratio is not None and not row.unranked]
    if not told:
        return f"{name} has no transfer ratio from any source", f"{len(rows)} sources"
    kept = sorted(100 * row.ratio for row in told if row.ratio is not None)
    reached = [row.average for row in told if row.average is not None]
    span = f"{kept[0]:.0f} %" if len(told) == 1 else f"{kept[0]:.0f} to {kept[-1]:.0f} %"
    missing = f", {len(rows) - len(told)} without a ratio" if len(told) < len(rows) else ""
    return (
        f"{name} keeps {span} of its source AUROC, over {len(told)} of {len(rows)} sources",
        f"average target AUROC {number(sum(reached) / len(reached))} as the mean over sources{missing}",
    )


def _reasons(entry: Entry) -> list[str]:
    return [failure.message for failure in entry.problems] or [entry.detail] * bool(entry.detail)
