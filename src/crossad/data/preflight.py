"""The check of a data root before the first GPU: everything that can be told on a CPU, all faults at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossad.data import sameness, structure
from crossad.data.duplicates import Pair, identical, near
from crossad.data.findings import Finding, error, warning
from crossad.data.layout import SPLITS, DomainFacts, ImageFile, domain_facts, list_domains, list_images
from crossad.data.scan import Seen, Unreadable, hashes, scan
from crossad.errors import DataError, MissingInputError

Progress = Callable[[str, int, int], None]  # (what is done, how many more are, of how many in all)


@dataclass
class Report:
    """What a check found."""

    root: Path
    findings: list[Finding] = field(default_factory=list)
    domains: dict[str, DomainFacts] = field(default_factory=dict)
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)  # by "domain/split/label"
    sha256: dict[Path, str] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """Faults that make results wrong or impossible."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def record(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "root": str(self.root),
            "ok": not self.errors,
            "domains": {
                name: {"synthetic": facts.synthetic, "operating_class": facts.operating_class, "sensor": facts.sensor}
                for name, facts in self.domains.items()
            },
            "sets": self.sets,
            "findings": [finding.record() for finding in self.findings],
        }


def check(root: Path, progress: Progress = lambda *_: None) -> Report:
    """Look at every image of a root once.

    Raises:
        MissingInputError: the root is not there.
    """
    report = Report(root)
    names = list_domains(root)
    report.findings += structure.of_root(root, names)
    files = [file for domain in names for file in _list(report, domain)]
    seen: list[Seen] = []
    for image in scan(files):
        progress("images", 1, len(files))
        if isinstance(image, Seen):
            seen.append(image)
        else:
            report.findings.append(_unreadable(root, image))
    report.sha256 = hashes(seen)
    report.sets = {portrait.name: portrait.record() for portrait in sameness.portraits(seen).values()}
    report.findings += [*sameness.of_images(seen), *_shared(seen), *_alike(seen, progress)]
    report.findings.sort(key=lambda finding: finding.severity)  # errors first, else in order
    return report


def _list(report: Report, domain: str) -> tuple[ImageFile, ...]:
    """The images of a domain; its faults go into the report."""
    root = report.root
    try:
        report.domains[domain] = domain_facts(root, domain)
        there = [split for split in SPLITS if (root / domain / split).is_dir()]
        files = tuple(file for split in there for file in list_images(root, domain, split))
        report.findings += structure.of_domain(root, domain, files)
    except (DataError, MissingInputError) as fault:
        report.findings.append(error("description", domain, fault.message, hint=fault.hint))
        return ()
    return files


def _unreadable(root: Path, image: Unreadable) -> Finding:
    return error(
        "unreadable",
        image.file.path.relative_to(root).as_posix(),
        image.reason,
        hint="write the image anew or move it away",
    )


def _shared(images: Sequence[Seen]) -> Iterator[Finding]:
    """Identical pixels, gathered by the two sets that share them."""
    by_sets: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for group in identical(images):
        first_of = {image.group: image for image in reversed(group)}
        groups = sorted(first_of)
        for number, one in enumerate(groups):
            inside = sum(image.group == one for image in group)
            if inside > 1:
                by_sets["/".join(one), "/".join(one)].append(f"{first_of[one].name} ({inside} times)")
            for other in groups[number + 1 :]:
                names = f"{first_of[one].name} = {first_of[other].name}"
                by_sets["/".join(one), "/".join(other)].append(names)
    for (first, second), shared in sorted(by_sets.items()):
        yield _shared_finding(first, second, shared)


def _shared_finding(first: str, second: str, names: Sequence[str]) -> Finding:
    if first == second:
        told = "the same images more than once: they count twice and make intervals too narrow"
        return warning("duplicate", first, told, files=names)
    where, domains = f"{first} and {second}", {name.split("/")[0] for name in (first, second)}
    if len(domains) > 1:
        return warning("shared", where, "domains share images: the transfer between them is flattered", files=names)
    return error(
        "shared",
        where,
        "splits or labels share images: the test is no test",
        hint="remove them from one of the two",
        files=names,
    )


def _alike(images: Sequence[Seen], progress: Progress) -> Iterator[Finding]:
    """Near-duplicates, gathered in the same way."""
    per_domain: defaultdict[str, int] = defaultdict(int)
    for image in images:
        per_domain[image.file.domain] += bool(image.thumbnail.any())
    total = (sum(per_domain.values()) ** 2 + sum(count**2 for count in per_domain.values())) // 2
    by_sets: defaultdict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in near(images, lambda count: progress("pairs", count, total)):
        one, other = sorted(("/".join(pair.first.group), "/".join(pair.second.group)))
        by_sets[one, other].append(pair)
    for (first, second), pairs in sorted(by_sets.items()):
        names = [f"{pair.first.name} ~ {pair.second.name} ({pair.cosine:.3f})" for pair in pairs]
        where = first if first == second else f"{first} and {second}"
        yield warning(
            "near-duplicate",
            where,
            "nearly the same images (cosine of what sets them apart)",
            hint="look at the pairs: is one the other in another compression, scale or size?",
            files=names,
        )
