"""From image files to batches: decode with threads, normalise, resize, keep decoded images while memory allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossad.data.layout import ImageFile
from crossad.data.normalise import Statistics, normalise
from crossad.data.reader import read

CACHE_BYTES = 4 * 1024**3  # decoded images kept per split; beyond it images are decoded anew each time


@dataclass(frozen=True)
class Preprocessing:
    """What happens between the file and the network, the same for training and test."""

    size: tuple[int, int]  # (H, W)
    normalisation: str = "as_stored"
    statistics: Statistics | None = None


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, H, W) bilinearly, with antialias when shrinking, as torchvision's Resize does; never a crop."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def load_image(file: ImageFile, preprocessing: Preprocessing) -> Tensor:
    """One image (C, H, W) float32, ready for a network.

    Raises:
        DataError: the file cannot be read.
    """
    pixels = normalise(read(file.path).pixels, preprocessing.normalisation, preprocessing.statistics)
    return resize(torch.from_numpy(np.ascontiguousarray(pixels))[None], preprocessing.size)[0]


def load_batch(files: Sequence[ImageFile], preprocessing: Preprocessing) -> Tensor:
    """A batch (B, C, H, W); grey images are repeated where the batch also holds colour."""
    return stack([load_image(file, preprocessing) for file in files])


def stack(images: Sequence[Tensor]) -> Tensor:
    """Images (C, H, W) as a batch (B, C, H, W); grey is repeated where one of them has colour."""
    channels = max(image.shape[0] for image in images)
    return torch.stack([image.expand(channels, -1, -1) for image in images])


class ImageSource:
    """The images of one split: random access by index, decoded by threads, cached while they fit."""

    def __init__(
        self,
        files: Sequence[ImageFile],
        preprocessing: Preprocessing,
        workers: int = 1,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Remember the files; nothing is read yet."""
        self.files = tuple(files)
        self.preprocessing = preprocessing
        self.labels = np.array([file.label for file in files], dtype=np.int64)
        self._room = cache_bytes
        self._lock = threading.Lock()  # of room and cache: images are decoded by several threads
        self._cache: dict[int, Tensor] = {}
        self._pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="decode")
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> Tensor:
        """One image (C, H, W)."""
        found = self._cache.get(index)
        if found is None:
            found = load_image(self.files[index], self.preprocessing)
            cost = found.numel() * found.element_size()
            with self._lock:
                if index not in self._cache and self._room >= cost:
                    self._room -= cost
                    self._cache[index] = found
        return found

    def batch(self, indices: Sequence[int]) -> Tensor:
        """The images of some indices, (B, C, H, W)."""
        return stack(list(self._pool.map(self.image, indices)))

    def batches(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Batch after batch; the next one is decoded while the caller works on this one."""
        if not order:
            return
        waiting: Future[Tensor] = self._ahead.submit(self.batch, order[0])
        for following in [*order[1:], None]:
            current = waiting.result()
            if following is not None:
                waiting = self._ahead.submit(self.batch, following)
            yield current

    def close(self) -> None:
        """Drop the cache and stop the threads."""
        self._cache.clear()
        self._ahead.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)


def in_order(count: int, batch_size: int) -> list[list[int]]:
    """Indices 0..count-1 cut into batches, the last one as short as it comes."""
    return [list(range(start, min(start + batch_size, count))) for start in range(0, count, batch_size)]
