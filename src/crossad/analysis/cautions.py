"""What a reader must know before believing the numbers of a condition, and which key to change."""

from __future__ import annotations

from crossad.analysis.collect import Entry
from crossad.analysis.wording import listed, number
from crossad.results.advice import poor_transfer

INDICATIVE = 50  # images of a class below which an AUROC's half-width exceeds about 0.08


def cautions(entry: Entry) -> list[str]:
    """What a reader must know before believing this condition's numbers."""
    record = entry.record
    if record is None:
        return []
    results = {entry.source: record.source_results, **record.target_results}
    small = [
        name
        for name, result in results.items()
        if result and result.counts and min(result.counts.values()) < INDICATIVE
    ]
    found = []
    if small:
        found.append(f"indicative: fewer than {INDICATIVE} images of a class in {listed(sorted(small))}")
    if record.transfer_ratio is not None and record.transfer_ratio > 1:
        found.append("transfer ratio above 1: the targets are easier than the source, not a gain by transfer")
    for name, result in sorted(record.target_results.items()):
        if result.test_image_AUROC is not None and result.test_image_AUROC < 0.5:
            found.append(f"inverted scores on {name}: faults score lower than normals; not flipped")
    for name, result in sorted((name, result) for name, result in results.items() if result):
        value, floors = (
            result.test_image_AUROC,
            [floor for floor in result.floors.values() if floor is not None],
        )
        if value is not None and floors and value <= max(floors):
            found.append(f"does not beat a simple floor on {name}: {number(value)} against {number(max(floors))}")
    if record.random_weights:
        found.append("random weights: no pretrained backbone; unranked")
    found += [text for text in record.deviations if not text.startswith("random weights")]
    return [*found, *poor_transfer(entry.model, record.transfer_ratio, record.skill_ratio)]
