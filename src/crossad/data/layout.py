"""How a data root lies on disk: `root/<domain>/{train/good,test/good,test/fault}/000000.png` (the guide's layout).

Optional beside the splits: `metadata.csv` (columns path, severity, stratum, ...) and `domain.json` (what is known of
the domain). Anything else in a domain's folder is ignored here and named by `crossad data check`.
"""

from __future__ import annotations

import csv
import difflib
import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from crossad.errors import DataError, MissingInputError
from crossad.seeds import generator

SUFFIXES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"})
LABELS = {"good": 0, "fault": 1}
SPLITS = ("train", "test")


@dataclass(frozen=True)
class ImageFile:
    """One image of a domain."""

    domain: str
    split: str
    label: int  # 0 good, 1 fault
    path: Path
    relative: str  # below the domain's folder, with "/"
    severity: float | None = None
    stratum: str | None = None


@dataclass(frozen=True)
class DomainFacts:
    """What `domain.json` says; nothing is known where there is none."""

    synthetic: bool = False
    preset: str | None = None
    sensor: str | None = None
    operating_class: str | None = None


def list_domains(root: Path) -> tuple[str, ...]:
    """The domains of a root: folders with at least one known split."""
    if not root.is_dir():
        raise MissingInputError(
            f"no such data folder: {root}", hint="name it with --data, or make one: crossad synth data/hdmap"
        )
    folders = [folder for folder in root.iterdir() if not folder.name.startswith(".")]
    return tuple(sorted(folder.name for folder in folders if any((folder / split).is_dir() for split in SPLITS)))


def list_images(root: Path, domain: str, split: str) -> tuple[ImageFile, ...]:
    """The images of one split, sorted by label and path.

    Raises:
        MissingInputError: the domain or the split is not there.
        DataError: `metadata.csv` cannot be read.
    """
    folder = domain_folder(root, domain) / split
    if not folder.is_dir():
        raise MissingInputError(
            f"domain {domain} has no {split} split: {folder} is not there",
            hint=f"the layout is {domain}/train/good, {domain}/test/good, {domain}/test/fault",
        )
    known = _metadata(root / domain)
    found = []
    for name, label in LABELS.items():
        for path in sorted((folder / name).glob("*")):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            relative = path.relative_to(root / domain).as_posix()
            severity, stratum = known.get(relative, (None, None))
            found.append(ImageFile(domain, split, label, path, relative, severity, stratum))
    return tuple(found)


def domain_folder(root: Path, domain: str) -> Path:
    """The folder of a domain that is there.

    Raises:
        MissingInputError: it is not.
    """
    folder = root / domain
    there = list_domains(root)
    # compared by name, because a file system that ignores case would accept Domain_C for domain_C
    if domain not in there:
        near = difflib.get_close_matches(domain.lower(), [name.lower() for name in there], n=1)
        match = next((name for name in there if near and name.lower() == near[0]), None)
        hint = f"did you mean {match}?" if match else f"domains here: {', '.join(there) or 'none'}"
        raise MissingInputError(f"no such domain: {domain} in {root}", hint=hint)
    return folder


def metadata_paths(root: Path, domain: str) -> set[str] | None:
    """The images that `metadata.csv` has rows of; None where there is no such file."""
    folder = root / domain
    return set(_metadata(folder)) if (folder / "metadata.csv").is_file() else None


def _metadata(folder: Path) -> dict[str, tuple[float | None, str | None]]:
    """Severity and stratum by relative path."""
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:  # spreadsheets begin it with a byte-order mark
            return _rows(path, csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV table in UTF-8: {error}") from error


def _rows(path: Path, rows: csv.DictReader[str]) -> dict[str, tuple[float | None, str | None]]:
    if "path" not in (rows.fieldnames or ()):
        raise DataError(f"{path}: no column 'path', got: {', '.join(rows.fieldnames or ['nothing'])}")
    found: dict[str, tuple[float | None, str | None]] = {}
    for row in rows:
        text = row.get("severity") or ""
        try:
            severity = float(text) if text else None
        except ValueError as error:
            raise DataError(f"{path}: line {rows.line_num}: severity is not a number: {text!r}") from error
        if severity is not None and not 0 <= severity < math.inf:
            raise DataError(f"{path}: line {rows.line_num}: severity: got {text}, allowed: 0 or more, finite")
        found[row["path"]] = (severity, row.get("stratum") or None)
    return found


def domain_facts(root: Path, domain: str) -> DomainFacts:
    """What is known of a domain.

    Raises:
        DataError: `domain.json` is not a JSON object.
    """
    path = root / domain / "domain.json"
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return DomainFacts()
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(known, dict):
        raise DataError(f"{path}: got {type(known).__name__}, allowed: an object")
    texts = {name: str(known[name]) for name in ("preset", "sensor", "operating_class") if known.get(name) is not None}
    return DomainFacts(synthetic=bool(known.get("synthetic")), **texts)


def limit(files: tuple[ImageFile, ...], count: int, seed: int) -> tuple[ImageFile, ...]:
    """At most `count` images a label, one drawn from each of `count` equal stretches of the file order.

    Test sets are ordered (first half cold, second half warm), so the first n would see one temperature only.
    """
    kept: list[ImageFile] = []
    for label in sorted({file.label for file in files}):
        of_label = [file for file in files if file.label == label]
        # the purpose holds no domain or path: equal draws for domains of equal size
        kept += [of_label[number] for number in spread(len(of_label), count, seed, f"limit/{label}")]
    return tuple(kept)


def spread(total: int, count: int, seed: int, purpose: str) -> list[int]:
    """At most `count` of `total` numbers, ascending: one drawn from each of `count` equal stretches."""
    if total <= count:
        return list(range(total))
    draw = generator(seed, purpose, count)
    edges = [total * number // count for number in range(count + 1)]
    return [int(draw.integers(low, high)) for low, high in pairwise(edges)]
