"""Findings about what must be equal: file kinds, sizes and resizing between the splits of a domain and between domains.

Within a domain a difference between splits or labels is a fault, because a model can tell them apart by it instead of
by the machine. Between domains it is a warning: a part of the shift is then the file's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from crossad.data.findings import Finding, error, warning
from crossad.data.scan import Seen

SMOOTHER = 1.7  # ratio of median curvatures from which two sets were not smoothed alike
PURE = 0.05  # share of images that may lie on the other side of a limit
SPANS = (0.1, 0.75)  # the darkest pixel at most, the brightest at least, of an image scaled by its own range
ALL = "all domains"

Group = tuple[str, str, str]


@dataclass(frozen=True)
class Portrait:
    """One set of images: a split and label of a domain, or a whole domain."""

    name: str
    images: Sequence[Seen]

    def common(self, fact: Callable[[Seen], Hashable]) -> frozenset[Hashable]:
        """The values that a fact takes in more than a stray few images."""
        counts = Counter(map(fact, self.images))
        return frozenset(value for value, count in counts.items() if count > PURE * len(self.images))

    @property
    def curvature(self) -> float:
        """The median of the images'."""
        return float(np.median([image.texture.curvature for image in self.images]))

    def record(self) -> dict[str, Any]:
        """For people and machines."""
        kinds = sorted({image.kind for image in self.images})
        sizes = sorted({image.size for image in self.images})
        curvature = self.curvature
        return {
            "images": len(self.images),
            "bytes": sum(image.file.path.stat().st_size for image in self.images),
            "kinds": [kind_words(kind) for kind in kinds],
            "sizes": [f"{height}x{width}" for height, width in sizes],
            "range": [min(image.low for image in self.images), max(image.high for image in self.images)],
            "repeating_share": sum(image.texture.repeats for image in self.images) / len(self.images),
            "curvature": round(curvature, 3) if np.isfinite(curvature) else None,
        }


def kind_words(kind: tuple[str, int, int]) -> str:
    """`8-bit png, grey`."""
    name, depth, channels = kind
    return f"{depth}-bit {name}, {'grey' if channels == 1 else 'colour'}"


def portraits(images: Sequence[Seen]) -> dict[Group, Portrait]:
    """By domain, split and label."""
    ordered = sorted(images, key=lambda image: image.group)
    return {group: Portrait("/".join(group), [*seen]) for group, seen in groupby(ordered, lambda image: image.group)}


def of_images(images: Sequence[Seen]) -> Iterator[Finding]:
    """Within each domain, then between domains."""
    domains: defaultdict[str, list[Portrait]] = defaultdict(list)
    for (domain, _, _), portrait in portraits(images).items():
        domains[domain].append(portrait)
    wholes = [Portrait(domain, [image for part in parts for image in part.images]) for domain, parts in domains.items()]
    for domain, parts in domains.items():
        yield from _within(domain, parts)
    for whole in wholes:
        yield from _scaled_apart(whole)
    yield from _compare(ALL, wholes, warning)
    yield from _smoothness(ALL, wholes)


def _within(domain: str, parts: Sequence[Portrait]) -> Iterator[Finding]:
    differing = [*_compare(domain, parts, error)]
    yield from differing
    told = {finding.code for finding in differing}
    whole = [image for part in parts for image in part.images]
    yield from (finding for finding in _mixed(domain, whole) if finding.code not in told)
    for part in parts:
        flat = [image.name for image in part.images if image.low == image.high]
        if flat:
            yield warning("flat", part.name, "images of one value only", files=flat)
    if "resampling" not in told:
        yield from _smoothness(domain, parts)


def _mixed(domain: str, images: Sequence[Seen]) -> Iterator[Finding]:
    """Images that are not like most others of their domain."""
    for code, noun, fact, words in _FACTS:
        counts = Counter(map(fact, images))
        if len(counts) > 1:
            got = "; ".join(f"{words(value)}: {count}" for value, count in counts.most_common())
            most = counts.most_common(1)[0][0]
            files = [image.name for image in images if fact(image) != most]
            yield warning(code, domain, f"{noun} are mixed ({got})", hint="write all images in one way", files=files)


def _compare(where: str, sets: Sequence[Portrait], finding: Callable[..., Finding]) -> Iterator[Finding]:
    """One finding a fact that is not the same in all sets."""
    for code, noun, fact, words in _FACTS:
        found = {part.name: part.common(fact) for part in sets}
        if len(set(found.values())) > 1:
            told = "; ".join(f"{name}: {' and '.join(sorted(map(words, values)))}" for name, values in found.items())
            scope = "domains: a part of the shift is the file's" if where == ALL else "splits or labels"
            yield finding(code, where, f"{noun} differ between {scope} ({told})", hint="write all images in one way")


def _smoothness(where: str, sets: Sequence[Portrait]) -> Iterator[Finding]:
    """Resizing by smooth methods, told from the curvature that it leaves."""
    known = {part.name: part.curvature for part in sets if np.isfinite(part.curvature) and part.curvature > 0}
    if len(known) > 1 and max(known.values()) > SMOOTHER * min(known.values()):
        told = "; ".join(f"{name}: {value:.2f}" for name, value in known.items())
        yield warning(
            "smoothness",
            where,
            f"images are not equally smooth (curvature {told}): resized in another way, or sharper by nature",
            hint="check how each set was resized; bilinear for all is a good choice",
        )


def _scaled_apart(whole: Portrait) -> Iterator[Finding]:
    """Images that each span the whole range were probably scaled one by one."""
    dark = np.quantile([image.low for image in whole.images], 1 - PURE)
    bright = np.quantile([image.high for image in whole.images], PURE)
    if len(whole.images) > 1 and dark <= SPANS[0] and SPANS[1] <= bright and max(i.high for i in whole.images) <= 1:
        yield warning(
            "per-image",
            whole.name,
            "nearly every image spans the whole range, as if scaled by its own minimum and maximum: on HDMAPs that"
            " lets mean brightness alone give faults away",
            hint="scale all images of a domain by one constant; the report's floor rows show the shortcut",
        )


def _resampling(image: Seen) -> str:
    return "rows or columns repeated (nearest)" if image.texture.repeats else "none repeated (native or smooth)"


_FACTS: tuple[tuple[str, str, Callable[[Seen], Any], Callable[[Any], str]], ...] = (
    ("kind", "file kinds", lambda image: image.kind, kind_words),
    ("size", "sizes", lambda image: image.size, lambda size: f"{size[0]}x{size[1]}"),
    ("resampling", "ways of resizing", _resampling, str),
)
