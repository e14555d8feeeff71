"""The same image twice: exactly, or in another compression, scale or size.

Near-duplicates are pairs of thumbnails that agree in what sets them apart from the mean of their domains. Without
taking that mean away any two pictures of one machine would be alike. HDMAPs that share nothing reach .7, the same one
stored with 8 bits, as JPEG or resized in another way at least .95.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from crossad.data.scan import Seen

ALIKE = 0.95  # cosine of two thumbnails, the mean of their domains taken away
ENOUGH = 20  # images from which a mean says what a domain looks like
BLOCK = 2048  # rows of a product: bounds memory at BLOCK times the images of a domain

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, or nearly."""

    first: Seen
    second: Seen
    cosine: float  # 1.0: identical pixels


def identical(images: Sequence[Seen]) -> list[list[Seen]]:
    """Groups of images with the very same pixels."""
    by_content: defaultdict[str, list[Seen]] = defaultdict(list)
    for image in images:
        by_content[image.content].append(image)
    return [group for group in by_content.values() if len(group) > 1]


def near(images: Sequence[Seen], advance: Callable[[int], None] = lambda _: None) -> list[Pair]:
    """For every image its nearest one in every split and label, where alike but not identical.

    Time grows with the square of the images (20,000 of them: 22 s on one busy core), memory with their number.
    """
    domains: defaultdict[str, list[Seen]] = defaultdict(list)
    for image in images:
        if image.thumbnail.any():
            domains[image.file.domain].append(image)
    found: list[Pair] = []
    for one, other in combinations_with_replacement(sorted(domains), 2):
        found += _between(domains[one], domains[other], same=one == other)
        advance(len(domains[one]) * len(domains[other]))
    return found


def _between(one: list[Seen], other: list[Seen], *, same: bool) -> Iterator[Pair]:
    """Pairs of two domains, or within one."""
    if len(one) + (0 if same else len(other)) < ENOUGH:
        return
    first, second = (np.stack([image.thumbnail for image in part]) for part in (one, other))
    # the mean of both: taking each domain's own away would move the same image to two places
    mean = first.mean(axis=0) if same else np.concatenate([first, second]).mean(axis=0)
    first, second = _directions(first - mean), _directions(second - mean)
    columns: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, image in enumerate(other):
        columns[image.group].append(number)
    for start in range(0, len(one), BLOCK):
        cosines = first[start : start + BLOCK] @ second.T
        if same:
            rows = np.arange(start, start + len(cosines))[:, None]
            cosines[np.arange(len(second)) <= rows] = -1.0  # each pair once
        for numbers in columns.values():
            part = cosines[:, numbers]
            best = part.argmax(axis=1)
            for row in np.flatnonzero(part[np.arange(len(part)), best] >= ALIKE):
                pair = Pair(one[start + row], other[numbers[best[row]]], float(part[row, best[row]]))
                if pair.first.content != pair.second.content:
                    yield pair


def _directions(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6))
