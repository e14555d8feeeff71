"""Findings about folders and tables of a data root: what can be told before any image is opened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from crossad.data.deposit import ASIDE
from crossad.data.findings import Finding, counted, error, listed, warning
from crossad.data.layout import LABELS, SPLITS, SUFFIXES, ImageFile, metadata_paths
from crossad.data.lock import NAME

INDICATIVE = 50  # test images of a label below which an AUROC's interval is wider than about .16
LAYOUT = "the layout is DOMAIN/train/good, DOMAIN/test/good, DOMAIN/test/fault"
_BESIDE = {*SPLITS, "masks", "metadata.csv", "domain.json"}


def of_root(root: Path, domains: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the root itself."""
    if not domains:
        hint = LAYOUT
        if any((root / split).is_dir() for split in SPLITS):
            hint = f"this is the folder of a domain; name the one above it: {root.resolve().parent}"
        yield error("no-domains", "root", "no domain in this folder", hint=hint)
    by_fold = defaultdict(list)
    for domain in domains:
        by_fold[domain.lower()].append(domain)
    for same in by_fold.values():
        if len(same) > 1:
            yield warning("case", "root", f"domains differ in case only: {listed(same)}", hint="rename one of them")
    left = sorted(path.name for path in root.glob(f"{ASIDE}*"))
    if left:
        yield warning("leftover", "root", "an interrupted writer left folders", hint="remove them", files=left)
    other = sorted(
        path.name for path in root.iterdir() if path.is_dir() and path.name not in domains and path.name[0] != "."
    )
    if other and domains:
        yield warning("no-split", "root", "folders without train or test are ignored", hint=LAYOUT, files=other)


def of_domain(root: Path, domain: str, files: Sequence[ImageFile]) -> Iterator[Finding]:
    """What is wrong with the folders of one domain, of whose splits `files` are the images."""
    counts = Counter((file.split, file.label) for file in files)
    present = [split for split in SPLITS if (root / domain / split).is_dir()]
    for split in SPLITS:
        if split not in present:
            yield error("no-split", domain, f"no {split} split", hint=LAYOUT)
    if "train" in present:
        yield from _train(domain, counts)
    if "test" in present:
        yield from _test(domain, counts)
    yield from _ignored(root, domain, present)
    yield from _rows(root, domain, files)


def _train(domain: str, counts: Counter[tuple[str, int]]) -> Iterator[Finding]:
    if not counts["train", 0]:
        yield error("empty", f"{domain}/train/good", "no images, allowed: 1 or more", hint=LAYOUT)
    if counts["train", 1]:
        told = f"{counted(counts['train', 1], 'image')} of faults: no model is fitted on them"
        yield warning("train-faults", f"{domain}/train/fault", told)


def _test(domain: str, counts: Counter[tuple[str, int]]) -> Iterator[Finding]:
    where = f"{domain}/test"
    there = {name: counts["test", label] for name, label in LABELS.items()}
    if not any(there.values()):
        yield error("empty", where, "no images, allowed: 1 or more", hint=LAYOUT)
        return
    for name, count in there.items():
        if not count:
            yield warning(
                "one-class",
                f"{where}/{name}",
                "no images, so the AUROC of this domain is undefined",
                hint="leave the domain out of target_domains, or add images",
            )
    few = [f"{count} {name}" for name, count in there.items() if 0 < count < INDICATIVE]
    if few:
        yield warning(
            "few", where, f"{' and '.join(few)} images: below {INDICATIVE} a label an AUROC is only indicative"
        )


def _ignored(root: Path, domain: str, splits: Sequence[str]) -> Iterator[Finding]:
    """Names that no reader looks at, which is a surprise to whoever put them there."""
    ignored = [path for path in (root / domain).iterdir() if path.name not in _BESIDE]
    for split in splits:
        for path in (root / domain / split).iterdir():
            if path.name not in LABELS:
                ignored.append(path)
            elif path.is_dir():
                ignored += [inner for inner in path.iterdir() if inner.is_dir() or _foreign(inner)]
    names = sorted(path.relative_to(root).as_posix() for path in ignored if path.name[0] != "." and path.name != NAME)
    if names:
        read = f"read are {', '.join(sorted(SUFFIXES))} in good and fault"
        yield warning("ignored", domain, f"{counted(len(names), 'name')} ignored ({read})", files=names)


def _foreign(path: Path) -> bool:
    return path.suffix.lower() not in SUFFIXES


def _rows(root: Path, domain: str, files: Sequence[ImageFile]) -> Iterator[Finding]:
    """Rows of metadata.csv against the images."""
    rows = metadata_paths(root, domain)
    if rows is None:
        return
    there = {file.relative for file in files}
    where = f"{domain}/metadata.csv"
    without, unknown = sorted(there - rows), sorted(rows - there)
    if unknown:
        yield warning("rows", where, f"{counted(len(unknown), 'row')} of images that are not there", files=unknown)
    if without:
        yield warning("rows", where, f"{counted(len(without), 'image')} without a row", files=without)
