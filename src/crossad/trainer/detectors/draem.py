"""DRAEM (Zavrtanik et al., ICCV 2021) on anomalib's networks: reconstruct, then tell image and copy apart.

Inputs stay as they are: ImageNet statistics collapse this model, and clamping gives synthetic faults away.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossad.conditions.model import DRAEM_STRIDE, DraemConfig, DraemSevnetConfig
from crossad.errors import ConditionError
from crossad.trainer.checkpoint import check_same
from crossad.trainer.detector import GradientDetector, Randomness, Scores
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.textures import Textures, add_textures, source_of_textures
from crossad.trainer.losses import focal_loss, ssim_loss
from crossad.trainer.networks import DiscriminativeSubNetwork, ReconstructiveSubNetwork
from crossad.trainer.upsample import replace_upsamples

TOP_SHARE = 0.01
SSIM_WEIGHT = 2.0
SSPCAB_WEIGHT = 0.1


class Outputs(NamedTuple):
    """What the two networks make of images (B, C, H, W)."""

    reconstruction: Tensor  # (B, C, H, W)
    activations: tuple[Tensor, ...]  # act1..act6 of the discriminator's encoder, H x W down to H/32 x W/32
    logits: Tensor  # (B, 2, H, W), class 1 is the fault


class DraemNetworks(GradientDetector):
    """The two networks, their losses and the score of a map; how faults are made is the subclass's."""

    def __init__(self, config: DraemConfig | DraemSevnetConfig) -> None:
        """Draw new weights from torch's global generator."""
        super().__init__()
        self.config: DraemConfig | DraemSevnetConfig = config
        channels, width = config.in_channels, config.base_width
        self.reconstruct = ReconstructiveSubNetwork(channels, channels, width, sspcab=config.sspcab)
        self.discriminate = DiscriminativeSubNetwork(2 * channels, 2, config.discriminator_width)
        for network in (self.reconstruct, self.discriminate):
            replace_upsamples(network)
        self._sspcab_gap: Tensor | None = None
        if config.sspcab:
            self.reconstruct.encoder.block5.register_forward_hook(self._keep_sspcab_gap)

    @abstractmethod
    def add_faults(self, images: Tensor, randomness: Randomness) -> Faulted:
        """Synthetic faults on some images of a batch (B, C, H, W), with the channels of the files.

        Before grey is repeated, never after: equal channels that a fault makes unequal would give it away.
        """

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) with the channels this network has: 1 is the mean of colour, 3 repeats grey."""
        if images.shape[1] == self.config.in_channels:
            return images
        if self.config.in_channels == 1:
            return images.mean(1, keepdim=True)
        return images.expand(-1, 3, -1, -1)

    def forward(self, images: Tensor) -> Outputs:
        """Run both networks on prepared images."""
        reconstruction = self.reconstruct(images)
        activations = self.discriminate.encoder_segment(torch.cat([images, reconstruction], dim=1))
        return Outputs(reconstruction, activations, self.discriminate.decoder_segment(*activations))

    def loss(self, images: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        """The losses by name, each with its weight, and their sum as "loss".

        Raises:
            ConditionError: the deepest BatchNorm would see one value a channel.
        """
        if images.shape[0] * images.shape[-2] * images.shape[-1] <= DRAEM_STRIDE**2:
            raise ConditionError(
                "a training batch of one image at config.image_size 32x32: BatchNorm has nothing to average",
                hint="set config.batch_size so that no single image is left over, or a larger config.image_size",
            )
        faulted = self.add_faults(images, randomness)
        losses = self.losses(self(self.prepare(faulted.images)), self.prepare(images), faulted)
        return {**losses, "loss": torch.stack(list(losses.values())).sum()}

    def losses(self, outputs: Outputs, clean: Tensor, faulted: Faulted) -> dict[str, Tensor]:
        """MSE + 2 SSIM of the reconstruction to the clean images, focal of the logits to the mask."""
        losses = {
            "l2": functional.mse_loss(outputs.reconstruction.float(), clean.float()),
            "ssim": SSIM_WEIGHT * ssim_loss(outputs.reconstruction, clean),
            "focal": focal_loss(outputs.logits, faulted.mask),
        }
        if self._sspcab_gap is not None:
            losses["sspcab"], self._sspcab_gap = SSPCAB_WEIGHT * self._sspcab_gap, None
        return losses

    def trained_state(self) -> dict[str, Tensor]:
        """Everything: all networks are trained from scratch."""
        return dict(self.state_dict())

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Load all networks.

        Raises:
            KeyError: a tensor is missing, extra, or of another shape.
        """
        check_same(self.state_dict(), state)
        self.load_state_dict(dict(state))

    def _keep_sspcab_gap(self, block: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """SSPCAB is trained to predict its own masked input (Ristea et al., CVPR 2022, eq. 4)."""
        if block.training:
            self._sspcab_gap = functional.mse_loss(output.float(), inputs[0].float())


class Draem(DraemNetworks):
    """DRAEM with textures as faults."""

    config: DraemConfig

    def __init__(self, config: DraemConfig) -> None:
        """Draw new weights from torch's global generator.

        Raises:
            MissingInputError: the texture folder is not there.
        """
        textures: Textures = source_of_textures(config.anomaly_source)
        super().__init__(config)
        self.textures = textures

    def add_faults(self, images: Tensor, randomness: Randomness) -> Faulted:
        """Textures of the config's source on some images of a batch (B, C, H, W)."""
        return add_textures(images, randomness, self.textures, probability=self.config.anomaly_probability)

    def score(self, images: Tensor) -> Scores:
        """The map of the fault's probability, reduced to one score an image."""
        anomaly_map = fault_map(self(self.prepare(images)).logits)
        return Scores(reduce_map(anomaly_map, self.config.score_reduction), anomaly_map)


def fault_map(logits: Tensor) -> Tensor:
    """Probability of the fault class (B, H, W) of logits (B, 2, H, W); in float32: half precision has ties."""
    return functional.softmax(logits.float(), dim=1)[:, 1]


def reduce_map(anomaly_map: Tensor, how: str) -> Tensor:
    """One score an image (B,) from maps (B, H, W).

    Args:
        anomaly_map: Higher is more anomalous.
        how: "max", or "top1pct_mean", the mean of the top 1 %: less fragile under shift than one pixel.
    """
    flat = anomaly_map.flatten(1)
    if how == "max":
        return flat.amax(1)
    return flat.topk(max(1, int(flat.shape[1] * TOP_SHARE)), dim=1).values.mean(1)


def build(config: DraemConfig, *, weights_dir: Path | None = None) -> Draem:
    """A fresh DRAEM; it stands on no pretrained weights.

    Raises:
        MissingInputError: the texture folder is not there.
    """
    return Draem(config)
