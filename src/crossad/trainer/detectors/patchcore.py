"""PatchCore: nearest neighbours in a coreset of pretrained patch features (Roth et al., CVPR 2022).

Raw scores equal those of anomalib 2.7's PatchcoreModel on the same bank, to the rounding of its distances:
both find neighbours by |x|^2 - 2xy + |y|^2, but here the distance of the one found is computed again,
without cancellation. The selection is the exact fast one of `crossad.trainer.coreset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from crossad.conditions.encoders import BACKBONES
from crossad.conditions.model import PatchcoreConfig
from crossad.errors import ConditionError
from crossad.trainer.backbones import create, input_statistics
from crossad.trainer.coreset import select
from crossad.trainer.detector import BankDetector, Randomness, Scores
from crossad.trainer.networks import GaussianBlur2d
from crossad.trainer.rows import Rows

BLUR_SIGMA = 4.0
BLUR_SIZE = 2 * int(4.0 * BLUR_SIGMA + 0.5) + 1
TILE = {"cpu": 1 << 21, "cuda": 1 << 26}  # distances held at once: 8 MB stay in a CPU's cache
LANE = 128
BANK, BACKBONE = "bank", "backbone."


class Patchcore(BankDetector):
    """A frozen backbone and a memory bank."""

    mean: Tensor
    std: Tensor
    search: Tensor  # (K, D + 1): -2y and |y|^2 of each row y of the bank, so that one product compares

    def __init__(self, config: PatchcoreConfig, weights_dir: Path | None) -> None:
        """Load the backbone (or draw it from torch's global generator)."""
        super().__init__()
        self.config = config
        self._vit = config.layers[0].startswith("blocks.") and config.backbone.startswith("vit_")
        self._stages = _stages(config)
        if self._vit:
            network, self.backbone = create(
                config.backbone,
                pre_trained=config.pre_trained,
                weights_dir=weights_dir,
                img_size=config.image_size,
            )
        else:
            network, self.backbone = create(
                config.backbone,
                pre_trained=config.pre_trained,
                weights_dir=weights_dir,
                features_only=True,
                out_indices=self._stages,
            )
        self.extractor = network
        mean, std = input_statistics(config.backbone)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.register_buffer("search", torch.empty(0, 1), persistent=False)
        self.blur = GaussianBlur2d(kernel_size=BLUR_SIZE, sigma=BLUR_SIGMA, channels=1)
        self._collected = Rows()

    @property
    def bank(self) -> Tensor:
        """The memory bank (K, D), a copy; halving and doubling round nothing."""
        return -0.5 * self.search[:, :-1]

    def _hold(self, bank: Tensor) -> None:
        self.search = torch.cat([-2 * bank, bank.pow(2).sum(1, keepdim=True)], 1)

    def patches(self, images: Tensor) -> Tensor:
        """Patch features (B, D, h, w) of images (B, C, H, W): stages pooled, resized to the first, joined."""
        if _alone(images):
            return self.patches(images.expand(2, -1, -1, -1))[:1]
        coloured = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        with torch.no_grad():
            found = self._intermediates(coloured) if self._vit else self.extractor(coloured)
        # float32 from here on, also under autocast: in bfloat16 three of four nearest neighbours change
        pooled = [functional.avg_pool2d(stage.float(), 3, 1, 1) for stage in found]
        size = pooled[0].shape[-2:]
        resized = (functional.interpolate(stage, size=size, mode="bilinear") for stage in pooled[1:])
        return torch.cat([pooled[0], *resized], dim=1)

    def _intermediates(self, images: Tensor) -> list[Tensor]:
        """Normed patch tokens of some ViT blocks, each (B, D, h, w)."""
        found: list[Tensor] = self.extractor.forward_intermediates(  # type: ignore[operator]
            images,
            indices=self._stages,
            norm=True,
            output_fmt="NCHW",
            intermediates_only=True,
            stop_early=True,
        )
        return found

    def collect(self, images: Tensor) -> None:
        """Keep the patch features of a batch (B, C, H, W).

        Raises:
            DeterministicError: they do not fit into memory.
        """
        features = self.patches(images)
        self._collected.append(features.permute(0, 2, 3, 1).flatten(0, 2))

    def build(self, randomness: Randomness) -> None:
        """Select the coreset; what was collected is let go.

        Raises:
            ConditionError: the sampling ratio leaves no patch.
            DeterministicError: the selection does not fit into memory.
        """
        count = int(len(self._collected) * self.config.coreset_sampling_ratio)
        if count < 1:
            raise ConditionError(
                f"config.coreset_sampling_ratio {self.config.coreset_sampling_ratio} keeps none of"
                f" {len(self._collected)} patches",
                hint=f"set it to at least {1 / max(1, len(self._collected)):.2g}",
            )
        self._hold(self._collected.take(select(self._collected, count, randomness)))
        self._collected = Rows()

    def score(self, images: Tensor) -> Scores:
        """Distance of the strangest patch to the bank, re-weighted by its neighbourhood (eqs. 6 and 7)."""
        if _alone(images):
            twice = self.score(images.expand(2, -1, -1, -1))
            return Scores(twice.image[:1], twice.map[:1])
        with torch.no_grad():
            features = self.patches(images)
            batch, width, rows, columns = features.shape
            flat = features.permute(0, 2, 3, 1).flatten(0, 2)
            with torch.autocast(images.device.type, enabled=False):
                nearest, where = self._nearest(flat)
                nearest, where = nearest.view(batch, -1), where.view(batch, -1)
                scores = self._image_scores(nearest, where, flat.view(batch, -1, width))
                maps = functional.interpolate(nearest.view(batch, 1, rows, columns), size=images.shape[-2:])
                return Scores(scores, self.blur(maps)[:, 0])

    def _nearest(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (n,) and index (n,) of the bank's row nearest to each query (n, D)."""
        rows = max(1, TILE[queries.device.type] // len(self.search))
        tile = queries.new_empty((min(rows, len(queries)), len(self.search)))
        values, indices = [], []
        for part in torch.split(queries, rows):
            index = _first_of_smallest(self._compare(part, tile[: len(part)]))
            values.append(torch.linalg.vector_norm(part - self._rows(index), dim=1))
            indices.append(index)
        return torch.cat(values), torch.cat(indices)

    def _compare(self, queries: Tensor, out: Tensor | None = None) -> Tensor:
        """|y|^2 - 2xy (n, K) of queries (n, D) and the bank: |x|^2 changes no minimum of x's own row."""
        product: Tensor = torch.mm(functional.pad(queries, (0, 1), value=1.0), self.search.T, out=out)
        return product

    def _rows(self, indices: Tensor) -> Tensor:
        """Some rows (..., D) of the bank."""
        return -0.5 * self.search[indices][..., :-1]

    def _image_scores(self, nearest: Tensor, where: Tensor, features: Tensor) -> Tensor:
        """Image scores (B,) from patch distances (B, P), their bank rows (B, P), patch features (B, P, D)."""
        if self.config.num_neighbors == 1:
            return nearest.amax(1)
        images = torch.arange(len(nearest), device=nearest.device)
        strangest = nearest.argmax(1)
        score, row = nearest[images, strangest], where[images, strangest]
        neighbours = min(self.config.num_neighbors, len(self.search))
        around = self._compare(self._rows(row)).topk(neighbours, largest=False, dim=1).indices
        distances = torch.linalg.vector_norm(features[images, strangest][:, None] - self._rows(around), dim=2)
        weights = 1 - functional.softmax(distances, dim=1)[:, 0]
        return weights * score

    def trained_state(self) -> dict[str, Tensor]:
        """The bank (K, D), and the backbone if it is random."""
        return {BANK: self.bank} | self._random_backbone()

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse, strict.

        Raises:
            KeyError: a tensor is missing or one too many.
        """
        own = {BANK, *self._random_backbone()}
        if own != {*state}:
            raise KeyError(f"tensors that do not match: {sorted(own ^ {*state})[:5]}")
        self._hold(state[BANK].to(self.mean.device))
        backbone = {name.removeprefix(BACKBONE): state[name] for name in own - {BANK}}
        if backbone:
            self.extractor.load_state_dict(backbone)

    def _random_backbone(self) -> dict[str, Tensor]:
        if self.backbone is None or not self.backbone.random:
            return {}
        return {f"{BACKBONE}{name}": tensor for name, tensor in self.extractor.state_dict().items()}


def _alone(images: Tensor) -> bool:
    """A single image on a CPU, which torch sums up in another order than each image of a larger batch.

    Taken twice it gets the bits of any other batch, so that `batch_size` changes no number, whatever the last
    batch's size is.
    """
    return len(images) == 1 and images.device.type == "cpu"


def _first_of_smallest(tile: Tensor) -> Tensor:
    """argmin(1) of (n, K) in two steps: on a CPU torch's amin is ten times as fast as its argmin."""
    width = tile.shape[1]
    if width < LANE:
        return tile.argmin(1)
    whole = width // LANE * LANE
    best = tile[:, :whole].view(-1, whole // LANE, LANE).amin(2)
    if whole < width:
        best = torch.cat([best, tile[:, whole:].amin(1, keepdim=True)], 1)
    start = (best.argmin(1) * LANE).clamp_max(width - LANE)
    columns = start[:, None] + torch.arange(LANE, device=tile.device)
    first: Tensor = start + tile.gather(1, columns).argmin(1)
    return first


def _stages(config: PatchcoreConfig) -> list[int]:
    """What timm calls the layers: a ViT's blocks, or a CNN's stages in the network's order."""
    known = BACKBONES[config.backbone].layers
    offset = 1 if known[0] == "layer1" else 0  # timm counts a ResNet's stem as stage 0
    return sorted(known.index(layer) + offset for layer in config.layers)


def build(config: PatchcoreConfig, *, weights_dir: Path | None = None) -> Patchcore:
    """A PatchCore with an empty bank.

    Raises:
        MissingInputError: the backbone's weights are nowhere.
    """
    return Patchcore(config, weights_dir)
