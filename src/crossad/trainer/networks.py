"""anomalib's network definitions, and nothing else of it.

Importing any part of anomalib imports nearly all of it, and some of that warns about its own deprecated
parts; those warnings tell a crossad user nothing and are silenced here, by name, for the time of the import.
"""

from __future__ import annotations

import warnings

_NOT_OURS = (
    (FutureWarning, r"Importing from timm\.models\.layers is deprecated"),
    (FutureWarning, r"The anomalib\.models\.components\.dinov2 package is deprecated"),
    (DeprecationWarning, r"invalid escape sequence"),  # FrEIA; seen where no .pyc can be written
    (SyntaxWarning, r"invalid escape sequence"),  # the same from Python 3.12 on
)

with warnings.catch_warnings():
    for _category, _message in _NOT_OURS:
        warnings.filterwarnings("ignore", message=_message, category=_category)
    from anomalib.models.components.filters.blur import GaussianBlur2d
    from anomalib.models.image.dinomaly.components import CosineHardMiningLoss, DinomalyMLP, LinearAttention
    from anomalib.models.image.dinomaly.components.optimizer import StableAdamW
    from anomalib.models.image.dinomaly.torch_model import DecoderViTBlock, DinomalyModel
    from anomalib.models.image.draem.torch_model import DiscriminativeSubNetwork, ReconstructiveSubNetwork

__all__ = [
    "CosineHardMiningLoss",
    "DecoderViTBlock",
    "DinomalyMLP",
    "DinomalyModel",
    "DiscriminativeSubNetwork",
    "GaussianBlur2d",
    "LinearAttention",
    "ReconstructiveSubNetwork",
    "StableAdamW",
]
