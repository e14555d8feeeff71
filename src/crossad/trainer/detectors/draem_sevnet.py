"""DRAEM-SevNet: DRAEM whose discriminator also says how severe the fault is."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from crossad.conditions.model import DraemSevnetConfig
from crossad.trainer.detector import Randomness, Scores
from crossad.trainer.detectors.draem import DraemNetworks, Outputs, fault_map, reduce_map
from crossad.trainer.detectors.severity_head import Grid, SeverityHead
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.bands import add_bands
from crossad.trainer.faults.patches import Patches, add_patches

SMOOTH_L1_BETA = 0.1  # the loss is on severity / severity_max, in [0, 1]


class DraemSevnet(DraemNetworks):
    """The two networks of DRAEM and a severity head on the discriminator's encoder."""

    config: DraemSevnetConfig

    def __init__(self, config: DraemSevnetConfig) -> None:
        """Draw new weights from torch's global generator."""
        super().__init__(config)
        cells, attention = config.severity_head_spatial_size, config.severity_head_use_spatial_attention
        self.severity = SeverityHead(
            config.discriminator_width,
            hidden=config.severity_head_hidden_dim,
            multi_scale=config.severity_head_mode == "multi_scale",
            grid=Grid(cells, attention=bool(attention)) if cells is not None else None,
        )

    def add_faults(self, images: Tensor, randomness: Randomness) -> Faulted:
        """Faults of the config's generator on some images of a batch (B, C, H, W)."""
        config = self.config
        probability, severity_max = config.anomaly_probability, config.severity_max
        if config.fault_generator == "bands_v1":
            return add_bands(images, randomness, probability=probability, severity_max=severity_max)
        settings = Patches(
            config.patch_width_range or Patches.width_range,
            config.patch_ratio_range or Patches.ratio_range,
            config.patch_count or Patches.count,
            severity_max,
            probability,
        )
        return add_patches(images, randomness, settings)

    def losses(self, outputs: Outputs, clean: Tensor, faulted: Faulted) -> dict[str, Tensor]:
        """DRAEM's losses + lambda times the loss of the predicted severity / severity_max."""
        predicted = self.severity(outputs.activations).float()
        true = faulted.severity / self.config.severity_max
        if self.config.severity_loss_type == "mse":
            severity = functional.mse_loss(predicted, true)
        else:
            severity = functional.smooth_l1_loss(predicted, true, beta=SMOOTH_L1_BETA)
        return {
            **super().losses(outputs, clean, faulted),
            "severity": self.config.severity_weight * severity,
        }

    def score(self, images: Tensor) -> Scores:
        """Map score m and severity s / severity_max, combined as the config says.

        Neither is clamped: a clamp of s to [0, 1] would tie all strong faults, and all images below zero, and
        so change the ranking. Parts: "mask" is m, "severity" is s in the unit of severity_max.
        """
        outputs = self(self.prepare(images))
        anomaly_map = fault_map(outputs.logits)
        mask = reduce_map(anomaly_map, self.config.score_reduction)
        severity = self.severity(outputs.activations).float()
        parts = {"mask": mask, "severity": severity * self.config.severity_max}
        return Scores(self._combine(mask, severity), anomaly_map, parts)

    def _combine(self, mask: Tensor, severity: Tensor) -> Tensor:
        match self.config.score_combination:
            case "maximum":
                return torch.maximum(mask, severity)
            case "simple_average":
                return (mask + severity) / 2
            case "weighted_average":
                weight = self.config.severity_weight_for_combination
                return torch.lerp(mask, severity, 0.5 if weight is None else weight)


def build(config: DraemSevnetConfig, *, weights_dir: Path | None = None) -> DraemSevnet:
    """A fresh DRAEM-SevNet; it stands on no pretrained weights."""
    return DraemSevnet(config)
