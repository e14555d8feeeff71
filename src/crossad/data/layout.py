"""How a data root lies on disk: `root/<domain>/{train/good,test/good,test/fault}/000000.png` (the guide's layout).

Optional beside the splits: `metadata.csv` (columns path, severity, stratum, ...) and `domain.json` (what is known of
the domain). Anything else in a domain's folder is ignored here and named by `crossad data check`.
"""

from __future__ import annotations

import csv
import difflib
import json
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
    return tuple(sorted(folder.name for folder in root.iterdir() if any((folder / split).is_dir() for split in SPLITS)))


def list_images(root: Path, domain: str, split: str) -> tuple[ImageFile, ...]:
    """The images of one split, sorted by label and path.

    Raises:
        MissingInputError: the domain or the split is not there.
        DataError: `metadata.csv` cannot be read.
    """
    folder = _domain_folder(root, domain) / split
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


def _domain_folder(root: Path, domain: str) -> Path:
    folder = root / domain
    there = list_domains(root)
    # compared by name, because a file system that ignores case would accept Domain_C for domain_C
    if domain not in there:
        near = difflib.get_close_matches(domain.lower(), [name.lower() for name in there], n=1)
        match = next((name for name in there if near and name.lower() == near[0]), None)
        hint = f"did you mean {match}?" if match else f"domains here: {', '.join(there) or 'none'}"
        raise MissingInputError(f"no such domain: {domain} in {root}", hint=hint)
    return folder


def _metadata(folder: Path) -> dict[str, tuple[float | None, str | None]]:
    """Severity and stratum by relative path."""
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as handle:
        rows = csv.DictReader(handle)
        if "path" not in (rows.fieldnames or ()):
            raise DataError(f"{path}: no column 'path', got: {', '.join(rows.fieldnames or ['nothing'])}")
        found: dict[str, tuple[float | None, str | None]] = {}
        for number, row in enumerate(rows, start=2):
            text = row.get("severity") or ""
            try:
                found[row["path"]] = (float(text) if text else None, row.get("stratum") or None)
            except ValueError as error:
                raise DataError(f"{path}: line {number}: severity is not a number: {text!r}") from error
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
        if len(of_label) <= count:
            kept += of_label
            continue
        # the purpose holds no domain or path: equal draws for domains of equal size
        draw = generator(seed, f"limit/{label}", count)
        edges = [len(of_label) * number // count for number in range(count + 1)]
        kept += [of_label[int(draw.integers(low, high))] for low, high in pairwise(edges)]
    return tuple(kept)
