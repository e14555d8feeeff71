"""Pictures of a domain: the worst errors and the typical cases, as image | anomaly map | overlay with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crossad.errors import EnvironmentFault
from crossad.files import write_atomic
from crossad.trainer.loader import ImageSource
from crossad.trainer.scoring import DomainScores

TILE = 224  # shorter side of a tile, pixels
CAPTION = 22  # height of a caption line, pixels
INK, PAPER = (32, 32, 32), (255, 255, 255)
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Style:
    """What all pictures of one condition share."""

    low: float  # map value drawn as the cold end, the same for every domain
    high: float  # map value drawn as the hot end
    threshold: float | None
    stamps: tuple[str, ...]  # "synthetic data", "random weights": said on every picture
    limit: int  # pictures a domain; -1: every image


def colour_range(source: DomainScores) -> tuple[float, float]:
    """One colour scale for all domains: 1st to 99.9th percentile of the source's maps."""
    if source.maps is None or not source.maps.size:
        return 0.0, 1.0
    low, high = np.percentile(source.maps.astype(np.float32), [1.0, 99.9])
    return float(low), float(high) if high > low else float(low) + 1.0


def choose(scores: DomainScores, limit: int) -> list[tuple[str, int]]:
    """(kind and rank, index) of the images worth a picture: worst errors first, then the median of each class."""
    if limit < 0:
        names = ("normal", "fault")
        return [(f"{names[label]}_{index:06d}", index) for index, label in enumerate(scores.labels)]
    good, fault = np.flatnonzero(scores.labels == 0), np.flatnonzero(scores.labels == 1)
    good, fault = good[np.argsort(-scores.image[good])], fault[np.argsort(scores.image[fault])]
    share = max(1, limit // 4)
    kinds = {
        "worst_false_alarm": good[:share],
        "worst_miss": fault[:share],
        "median_normal": _middle(good, share),
        "median_fault": _middle(fault, share),
    }
    chosen: list[tuple[str, int]] = []
    for kind, indices in kinds.items():
        taken = {index for _, index in chosen}
        fresh = [int(index) for index in indices if int(index) not in taken]
        chosen += [(f"{kind}_{rank:02d}", index) for rank, index in enumerate(fresh, start=1)]
    return chosen[:limit] if limit else []


def _middle(ordered: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    start = max(0, (len(ordered) - count) // 2)
    return ordered[start : start + count]


def draw_domain(folder: Path, scores: DomainScores, images: ImageSource, style: Style) -> list[Path]:
    """Write the pictures of one domain.

    Raises:
        EnvironmentFault: a picture could not be encoded or written.
    """
    written = []
    for name, index in choose(scores, style.limit):
        picture = _panel(scores, index, images.image(index).numpy(), style)
        encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not encoded:
            raise EnvironmentFault(f"a picture could not be encoded as JPEG: {name} in {folder}")
        path = folder / f"{name}_{scores.files[index].path.stem}.jpg"
        write_atomic(path, data.tobytes())
        written.append(path)
    return written


def _panel(scores: DomainScores, index: int, pixels: NDArray[np.float32], style: Style) -> NDArray[np.uint8]:
    """One picture from pixels (C, H, W): image, map and overlay side by side under two caption lines."""
    height, width = pixels.shape[1:]
    factor = TILE / min(height, width) if max(height, width) * TILE / min(height, width) <= 3 * TILE else 1.0
    size = (round(width * factor), round(height * factor))  # cv2 wants (width, height)
    image = cv2.resize(_as_picture(pixels), size, interpolation=cv2.INTER_NEAREST)
    tiles = [image]
    if scores.maps is not None:
        heat = cv2.resize(scores.maps[index].astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        strength = np.clip((heat - style.low) / (style.high - style.low), 0, 1)
        coloured = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        tiles += [coloured, cv2.addWeighted(image, 0.55, coloured, 0.45, 0)]
    row = np.concatenate([np.pad(tile, ((0, 0), (0, 4), (0, 0)), constant_values=255) for tile in tiles], axis=1)
    file = scores.files[index]
    score, limit = scores.image[index], style.threshold
    verdict = "" if limit is None else f"   threshold {limit:.4g}: {'fault' if score > limit else 'good'}"
    severity = f"   severity {file.severity:.2f}" if file.severity is not None and file.label else ""
    lines = [
        f"{file.domain}/{file.relative}   label {'fault' if file.label else 'good'}{severity}",
        f"score {score:.4g}{verdict}   map scale {style.low:.3g} to {style.high:.3g}",
    ]
    return np.concatenate([_caption([*lines, "   ".join(style.stamps)], row.shape[1]), row])


def _as_picture(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels (C, H, W) on their own min-max range as BGR (H, W, 3): for eyes only, no score sees it."""
    low, high = float(pixels.min()), float(pixels.max())
    grey = ((pixels - low) / (high - low if high > low else 1.0) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(grey, (3, *grey.shape[1:])).transpose(1, 2, 0)[:, :, ::-1])


def _caption(lines: Sequence[str], width: int) -> NDArray[np.uint8]:
    shown = [line for line in lines if line]
    box = np.full((CAPTION * len(shown) + 6, width, 3), PAPER, dtype=np.uint8)
    for number, line in enumerate(shown, start=1):
        scale = min(0.45, 0.45 * (width - 8) / max(1, cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0]))
        cv2.putText(box, line, (4, CAPTION * number - 6), cv2.FONT_HERSHEY_SIMPLEX, scale, INK, 1, cv2.LINE_AA)
    return box
