"""A row an image: domain, split, path, label, score, predicted, severity, stratum and the model's sub-scores."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crossad.files import write_atomic
from crossad.trainer.scoring import DomainScores

COLUMNS = ("domain", "split", "path", "label", "score", "predicted", "severity", "stratum")
Row = dict[str, Any]


def rows(scores: DomainScores, threshold: float | None) -> list[Row]:
    """The rows of one domain, in file order; `predicted` is 1 above the source's threshold, else 0."""
    found = []
    for index, file in enumerate(scores.files):
        score = float(scores.image[index])
        row: Row = {
            "domain": file.domain,
            "split": file.split,
            "path": file.relative,
            "label": file.label,
            "score": score,
            "predicted": None if threshold is None else int(score > threshold),
            "severity": file.severity,
            "stratum": file.stratum,
        }
        # a sub-score may be called as a column is: the severity a model predicts is not the image's own
        row.update({f"score_{name}": float(values[index]) for name, values in scores.parts.items()})
        found.append(row)
    return found


def write(path: Path, table: Sequence[Row]) -> None:
    """Write the rows as Parquet, and as CSV beside it; floats in CSV round-trip exactly."""
    extra = sorted({name for row in table for name in row} - set(COLUMNS))
    names = [*COLUMNS, *extra]
    types: Mapping[str, pa.DataType] = {"label": pa.int8(), "predicted": pa.int8()}
    texts = {"domain", "split", "path", "stratum"}
    schema = pa.schema([(name, pa.string() if name in texts else types.get(name, pa.float64())) for name in names])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in table], schema), sink)
    write_atomic(path, sink.getvalue())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_cell(row.get(name)) for name in names] for row in table])
    write_atomic(path.with_suffix(".csv"), text.getvalue())


def read(path: Path) -> list[Row]:
    """The rows of a Parquet file written by `write`."""
    table: list[Row] = pq.read_table(path).to_pylist()
    return table


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else value
