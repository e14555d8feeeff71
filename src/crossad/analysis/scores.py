"""Per-image scores of a condition, from `predictions.csv` beside its record."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossad.analysis.collect import Entry


@dataclass(frozen=True)
class Scores:
    """The test images of one domain, in file order; every vector is (N,)."""

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    values: NDArray[np.float64]
    severities: NDArray[np.float64]  # NaN where unknown

    @property
    def normals(self) -> NDArray[np.float64]:
        """Scores of the good images."""
        return np.asarray(self.values[self.labels == 0])

    @property
    def faults(self) -> NDArray[np.float64]:
        """Scores of the faulted images."""
        return np.asarray(self.values[self.labels == 1])


def read_scores(entry: Entry) -> dict[str, Scores]:
    """Scores by domain; empty where there is no readable file, because pictures of them are an extra."""
    try:
        return _read(entry.paths.predictions.with_suffix(".csv"))
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def _read(path: Path) -> dict[str, Scores]:
    rows: dict[str, list[dict[str, str]]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["split"] == "test":
                rows.setdefault(row["domain"], []).append(row)
    return {
        domain: Scores(
            paths=tuple(row["path"] for row in found),
            labels=np.array([int(row["label"]) for row in found], dtype=np.int64),
            values=np.array([float(row["score"]) for row in found]),
            severities=np.array([float(row.get("severity") or "nan") for row in found]),
        )
        for domain, found in rows.items()
    }
