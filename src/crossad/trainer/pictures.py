"""Pictures of a domain: the worst errors and the typical cases, as image, anomaly map and overlay with a caption."""

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

SIDE = 672  # length of a row of three square tiles, and of one wide tile
WIDE = 2  # images at least so much wider than high are stacked, others stand side by side
LINE = 20  # height of a line of text, pixels
GAP = 4
BAR = (160, 10)  # width and height of the colour scale
INK, PAPER, STAMP = (32, 32, 32), (255, 255, 255), (32, 32, 200)  # BGR
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
JPEG_QUALITY = 88
TILES = ("image (its own darkest to brightest)", "anomaly map", "both")
KINDS = {
    "worst_false_alarm": "highest-scoring normal",
    "worst_miss": "lowest-scoring fault",
    "median_normal": "typical normal",
    "median_fault": "typical fault",
}
Picture = NDArray[np.uint8]  # (H, W, 3), BGR


@dataclass(frozen=True)
class Style:
    """What all pictures of one condition share."""

    low: float  # map value drawn as the cold end, the same for every domain
    high: float  # map value drawn as the hot end
    threshold: float | None
    stamps: tuple[str, ...]  # "synthetic data", "random weights": said on every picture
    limit: int  # pictures a domain; -1: every image
    title: str = ""  # which model, fitted on what


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
        picture = _panel(name, scores, index, images.image(index).numpy(), style)
        encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not encoded:
            raise EnvironmentFault(f"a picture could not be encoded as JPEG: {name} in {folder}")
        path = folder / f"{name}_{scores.files[index].path.stem}.jpg"
        write_atomic(path, data.tobytes())
        written.append(path)
    return written


def _panel(name: str, scores: DomainScores, index: int, pixels: NDArray[np.float32], style: Style) -> Picture:
    """One picture from pixels (C, H, W): captions, then image, map and overlay, then the scale of the map."""
    height, width = pixels.shape[1:]
    stacked = width >= WIDE * height
    across = SIDE if stacked else (SIDE - 2 * GAP) // len(TILES)
    size = (across, max(1, round(across * height / width)))  # cv2 wants (width, height)
    image = _resized(_as_picture(pixels), size)
    tiles: list[Picture] = [image]
    if scores.maps is not None:
        heat = cv2.resize(scores.maps[index].astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        coloured = _coloured((heat - style.low) / (style.high - style.low))
        tiles += [coloured, np.asarray(cv2.addWeighted(image, 0.55, coloured, 0.45, 0), dtype=np.uint8)]
    titled = [np.concatenate([_text(title, across), tile]) for title, tile in zip(TILES, tiles, strict=False)]
    parts = [_text(line, SIDE) for line in _captions(name, scores, index, style)]
    if style.stamps:
        parts.append(_text("   ".join(style.stamps), SIDE, STAMP))
    parts += titled if stacked else [_side_by_side(titled)]
    if scores.maps is not None:
        parts.append(_scale(style))
    return np.concatenate(parts)


def _captions(name: str, scores: DomainScores, index: int, style: Style) -> list[str]:
    """What this image is, what it is called and why, and who says so."""
    file, score = scores.files[index], float(scores.image[index])
    kind, _, rank = name.rpartition("_")
    heading = f"{KINDS[kind]} {int(rank)}: " if kind in KINDS else ""
    severity = f" (severity {file.severity:.2f})" if file.severity is not None and file.label else ""
    verdict = f"score {score:.5g}"
    if style.threshold is not None:
        above = score > style.threshold
        called = "right" if above == bool(file.label) else "FALSE ALARM" if above else "MISSED"
        verdict += f" {'>' if above else '<='} threshold {style.threshold:.5g}: {called}"
    lines = [
        f"{heading}{file.domain}/{file.relative}",
        f"true: {'fault' if file.label else 'good'}{severity}   {verdict}",
        style.title,
    ]
    return [line for line in lines if line]


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """To (width, height): enlarged pixels stay visible as such, shrunk ones are averaged."""
    shrinks = size[0] < picture.shape[1] or size[1] < picture.shape[0]
    return np.asarray(
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST), dtype=np.uint8
    )


def _coloured(share: NDArray[np.float32]) -> Picture:
    """Values (H, W), 0 cold to 1 hot, as colours."""
    return np.asarray(
        cv2.applyColorMap((np.clip(share, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), dtype=np.uint8
    )


def _side_by_side(tiles: Sequence[Picture]) -> Picture:
    gap = np.full((tiles[0].shape[0], GAP, 3), PAPER, dtype=np.uint8)
    row = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
    return np.pad(row, ((0, 0), (0, SIDE - row.shape[1]), (0, 0)), constant_values=255)


def _scale(style: Style) -> Picture:
    """The colours of the map with their values: the same for every domain of the condition."""
    low, high = f"map: {style.low:.3g}", f"{style.high:.3g} (one scale for all domains)"
    line = _text(low, SIDE)
    start, top = 4 + _width(low) + 8, (LINE - BAR[1]) // 2
    ramp = np.linspace(0, 1, BAR[0], dtype=np.float32)[None].repeat(BAR[1], axis=0)
    line[top : top + BAR[1], start : start + BAR[0]] = _coloured(ramp)
    cv2.putText(line, high, (start + BAR[0] + 8, LINE - 6), FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
    return line


def _as_picture(pixels: NDArray[np.float32]) -> Picture:
    """Pixels (C, H, W) on their own min-max range as BGR (H, W, 3): for eyes only, no score sees it."""
    low, high = float(pixels.min()), float(pixels.max())
    grey = ((pixels - low) / (high - low if high > low else 1.0) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(grey, (3, *grey.shape[1:])).transpose(1, 2, 0)[:, :, ::-1])


def _text(line: str, width: int, ink: tuple[int, int, int] = INK) -> Picture:
    """One line of text (LINE, width, 3), smaller where it would not fit."""
    box = np.full((LINE, width, 3), PAPER, dtype=np.uint8)
    scale = FONT_SCALE * min(1.0, (width - 8) / max(1, _width(line)))
    cv2.putText(box, line, (4, LINE - 6), FONT, scale, ink, 1, cv2.LINE_AA)
    return box


def _width(line: str) -> int:
    return int(cv2.getTextSize(line, FONT, FONT_SCALE, 1)[0][0])
