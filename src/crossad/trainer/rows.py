"""A matrix that grows by rows and is never copied whole: features take their own size, not twice that."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from crossad.errors import DeterministicError
from crossad.trainer.memory import available

BLOCK = 8192


class Rows:
    """Float32 rows in blocks of BLOCK rows; the blocks do not depend on how the rows came in."""

    def __init__(self) -> None:
        """Start empty; width and device are the first rows'."""
        self._blocks: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def width(self) -> int:
        """Columns D."""
        return self._blocks[0].shape[1]

    @property
    def device(self) -> torch.device:
        """Where the rows lie."""
        return self._blocks[0].device

    def append(self, rows: Tensor) -> None:
        """Add rows (n, D).

        Raises:
            DeterministicError: they do not fit into memory.
        """
        while len(rows):
            used = self._count % BLOCK
            if used == 0:
                self._blocks.append(self._new_block(rows))
            part = rows[: BLOCK - used]
            self._blocks[-1][used : used + len(part)] = part
            self._count += len(part)
            rows = rows[len(part) :]

    def blocks(self) -> Iterator[Tensor]:
        """The rows in order, in pieces of at most BLOCK rows."""
        for index, block in enumerate(self._blocks):
            yield block[: self._count - index * BLOCK]

    def take(self, indices: Tensor) -> Tensor:
        """Copies of some rows (k, D), in the order of `indices` (k,)."""
        taken = torch.empty((len(indices), self.width), device=self.device)
        for number, block in enumerate(self.blocks()):
            here = (indices // BLOCK == number).nonzero()[:, 0]
            taken[here] = block[indices[here] - number * BLOCK]
        return taken

    def _new_block(self, rows: Tensor) -> Tensor:
        size = BLOCK * rows.shape[1] * rows.element_size()
        left = available(rows.device)
        if left is not None and size > left:
            raise DeterministicError(
                f"the features of the training images do not fit into memory: {self._count} patches of"
                f" {rows.shape[1]} numbers take {self._count * rows.shape[1] * 4 / 1e9:.1f} GB,"
                f" {left / 1e9:.1f} GB are left on {rows.device}",
                hint="set config.limit_images, or lower config.image_size, or name fewer config.layers",
            )
        return torch.empty((BLOCK, rows.shape[1]), device=rows.device)
