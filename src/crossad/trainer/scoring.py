"""One pass over a domain: raw scores, sub-scores and small anomaly maps, from which everything else is computed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crossad.data.layout import ImageFile
from crossad.errors import DataError, DeterministicError
from crossad.trainer.detector import Detector, Scores
from crossad.trainer.loader import in_order

MAP_SIDE = 112  # longest side of a kept map: enough for a picture, 25 kB an image


class Images(Protocol):
    """What can be scored: files with labels, in batches."""

    files: tuple[ImageFile, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int: ...

    def batches(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Batch after batch, (B, C, H, W)."""
        ...


@dataclass(frozen=True)
class DomainScores:
    """Raw scores of one split of one domain, row i belonging to files[i]."""

    files: tuple[ImageFile, ...]
    labels: NDArray[np.int64]  # (N,), 0 good, 1 fault; of the image as scored, which a hold-out may have changed
    image: NDArray[np.float64]  # (N,)
    parts: dict[str, NDArray[np.float64]]  # each (N,)
    maps: NDArray[np.float16] | None  # (N, h, w)
    seconds: float

    @property
    def normals(self) -> NDArray[np.float64]:
        """Scores of the good images."""
        normals: NDArray[np.float64] = self.image[self.labels == 0]
        return normals


def score_source(
    detector: Detector,
    images: Images,
    fabric: Fabric,
    *,
    batch_size: int,
    keep_maps: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> DomainScores:
    """Score every image of a split once, in eval mode, in file order.

    Raises:
        DataError: some scores are not finite, or an image cannot be read.
        DeterministicError: no score is finite.
    """
    started = time.monotonic()
    was_training = detector.training
    detector.eval()
    scores: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {}
    maps: list[NDArray[np.float16]] = []
    with torch.inference_mode():
        for batch in images.batches(in_order(len(images), batch_size)):
            found = _score_batch(detector, batch, fabric)
            scores.append(found.image.double().cpu())
            for name, values in found.parts.items():
                parts.setdefault(name, []).append(values.double().cpu())
            if keep_maps:
                maps.append(_small(found.map))
            advance(len(batch))
    detector.train(was_training)
    image = torch.cat(scores).numpy()
    _check_finite(image, images.files)
    return DomainScores(
        files=images.files,
        labels=images.labels,
        image=image,
        parts={name: torch.cat(values).numpy() for name, values in parts.items()},
        maps=np.concatenate(maps) if maps else None,
        seconds=time.monotonic() - started,
    )


def _score_batch(detector: Detector, batch: Tensor, fabric: Fabric) -> Scores:
    """Score a batch; out of device memory halves it, which changes no number: images are scored on their own."""
    with contextlib.suppress(torch.cuda.OutOfMemoryError), fabric.autocast():
        return detector.score(batch.to(fabric.device, non_blocking=True))
    # only here is the error gone, and with it the frames that held the memory
    torch.cuda.empty_cache()
    if len(batch) == 1:
        with fabric.autocast():
            return detector.score(batch.to(fabric.device))
    halves = [_score_batch(detector, half, fabric) for half in batch.chunk(2)]
    return Scores(
        image=torch.cat([half.image for half in halves]),
        map=torch.cat([half.map for half in halves]),
        parts={name: torch.cat([half.parts[name] for half in halves]) for name in halves[0].parts},
    )


def _check_finite(scores: NDArray[np.float64], files: Sequence[ImageFile]) -> None:
    """Stored pixels are finite, so a score that is not is one image's extreme values, or, for all, the weights'.

    Raises:
        DataError: some scores are not finite.
        DeterministicError: none is finite.
    """
    bad = np.flatnonzero(~np.isfinite(scores))
    if not bad.size:
        return
    what = f"scores that are not finite: {bad.size} of {len(scores)}, first: {files[int(bad[0])].path}"
    if bad.size == len(scores):
        raise DeterministicError(
            what, hint="the weights diverged: lower config.learning_rate, or set config.gradient_clip_val"
        )
    raise DataError(what, hint="look at that image with 'crossad data check': it may hold extreme values")


def _small(maps: Tensor) -> NDArray[np.float16]:
    """Maps (B, h, w) shrunk so that the longer side is at most MAP_SIDE."""
    height, width = maps.shape[-2:]
    factor = min(1.0, MAP_SIDE / max(height, width))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    small = functional.interpolate(maps[:, None].float(), size=size, mode="area") if factor < 1 else maps[:, None]
    # float16 ends at 65504: a picture may saturate there, a score may not, and scores are kept in float64
    return small[:, 0].clamp(-6e4, 6e4).half().cpu().numpy()
