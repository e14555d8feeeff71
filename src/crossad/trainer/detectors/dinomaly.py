"""Dinomaly: a small decoder reconstructs a frozen ViT's features (Guo et al., CVPR 2025), on anomalib's network.

The forward pass, the maps, the loss and the start are anomalib's own; only the construction differs: the encoder
comes from local weights, its name is looked up instead of guessed from substrings, and the last needed block ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from crossad.conditions.encoders import ENCODERS
from crossad.conditions.model import DinomalyConfig
from crossad.trainer.backbones import create, input_statistics
from crossad.trainer.checkpoint import check_same
from crossad.trainer.detector import GradientDetector, Randomness, Scores
from crossad.trainer.networks import (
    CosineHardMiningLoss,
    DecoderViTBlock,
    DinomalyMLP,
    DinomalyModel,
    GaussianBlur2d,
    LinearAttention,
)

LAYER_NORM_EPS = 1e-8
MLP_RATIO = 4
INIT_STD, INIT_LIMIT = 0.01, 0.03
BLUR_SIGMA, BLUR_SIZE = 4, 5
ENCODER = "encoder."


class Encoder(nn.Module):
    """Token sequences of some blocks of a frozen ViT, by the names that anomalib's model asks for."""

    def __init__(self, vit: nn.Module, layers: tuple[int, ...]) -> None:
        """Take a timm VisionTransformer and the blocks wanted."""
        super().__init__()
        self.vit = vit
        self.layers = list(layers)
        self.patch_size = int(vit.patch_embed.patch_size[0])  # type: ignore[union-attr, index]
        self.num_register_tokens = int(vit.num_prefix_tokens) - 1  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> Encoder:
        """Set the mode of everything but the frozen ViT, which stays in eval mode while the decoder trains."""
        super().train(mode)
        self.vit.eval()
        return self

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (B, 3, H, W) to {"blocks.i": (B, 1 + registers + patches, D)}."""
        with torch.no_grad():
            found = self.vit.forward_intermediates(  # type: ignore[operator]
                images,
                indices=self.layers,
                norm=False,
                output_fmt="NLC",
                return_prefix_tokens=True,
                intermediates_only=True,
                stop_early=True,
            )
        return {
            f"blocks.{layer}": torch.cat([prefix, tokens], 1)
            for layer, (tokens, prefix) in zip(self.layers, found, strict=True)
        }


class _Network(DinomalyModel):
    """anomalib's model with another constructor: the original's always downloads its encoder."""

    def __init__(self, config: DinomalyConfig, encoder: Encoder, width: int, heads: int) -> None:
        nn.Module.__init__(self)
        self.target_layers = list(config.target_layers)
        self.fuse_layer_encoder = _halves(len(config.target_layers))
        self.fuse_layer_decoder = _halves(config.decoder_depth)
        self.remove_class_token = config.remove_class_token
        self.use_context_recentering = False
        self.encoder = encoder  # type: ignore[assignment]
        self.bottleneck = nn.ModuleList(
            [
                DinomalyMLP(
                    in_features=width,
                    hidden_features=MLP_RATIO * width,
                    out_features=width,
                    act_layer=nn.GELU,
                    drop=config.bottleneck_dropout,
                    bias=False,
                    apply_input_dropout=True,
                )
            ]
        )
        self.decoder = nn.ModuleList(
            DecoderViTBlock(
                dim=width,
                num_heads=heads,
                mlp_ratio=float(MLP_RATIO),
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=LAYER_NORM_EPS),  # type: ignore[arg-type]
                attn_drop=0.0,
                attn=LinearAttention,
            )
            for _ in range(config.decoder_depth)
        )
        for part in (self.bottleneck, self.decoder):
            part.apply(_initialise)
        self.gaussian_blur = GaussianBlur2d(sigma=BLUR_SIGMA, channels=1, kernel_size=BLUR_SIZE)
        self.loss_fn = CosineHardMiningLoss()


class Dinomaly(GradientDetector):
    """The network between ImageNet statistics and raw scores."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: DinomalyConfig, weights_dir: Path | None) -> None:
        """Load the encoder (or draw it), draw the decoder from torch's global generator."""
        super().__init__()
        self.config = config
        name = ENCODERS[config.encoder_name]
        # built at the input's size, so that positions are resampled once and as anomalib does it: timm's own
        # resampling for other sizes has an antialias that anomalib switches off for the whole process, some time
        vit, self.backbone = create(
            name, pre_trained=config.pre_trained, weights_dir=weights_dir, img_size=config.image_size
        )
        width, heads = int(vit.num_features), int(vit.blocks[0].attn.num_heads)  # type: ignore[arg-type, index, union-attr]
        self.network = _Network(config, Encoder(vit, config.target_layers), width, heads)
        mean, std = input_statistics(name)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) as the encoder knows them; grey is repeated."""
        prepared: Tensor = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        return prepared

    def loss(self, images: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        """Cosine distance with the easy points' gradients discounted; the discount is a function of the step."""
        encoded, decoded = self.network.get_encoder_decoder_outputs(self.prepare(images))
        return {"loss": self.network.loss_fn(encoded, decoded, global_step=randomness.step)}

    def score(self, images: Tensor) -> Scores:
        """Mean of the top 1 % of the smoothed map of cosine distances."""
        found = self.network(self.prepare(images))
        return Scores(found.pred_score.float(), found.anomaly_map[:, 0].float())

    def trained_state(self) -> dict[str, Tensor]:
        """Bottleneck and decoder, and the encoder if it is random."""
        random = self.backbone is not None and self.backbone.random
        state = self.network.state_dict()
        return {name: tensor for name, tensor in state.items() if random or not name.startswith(ENCODER)}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse, strict.

        Raises:
            KeyError: a tensor is missing, extra, or of another shape.
        """
        check_same(self.trained_state(), state)
        self.network.load_state_dict(dict(state), strict=False)


def _initialise(module: nn.Module) -> None:
    """Draw the weights of one layer as the authors do: with torch's own start, training takes another course."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=INIT_STD, a=-INIT_LIMIT, b=INIT_LIMIT)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _halves(count: int) -> list[list[int]]:
    return [list(range(count // 2)), list(range(count // 2, count))]


def build(config: DinomalyConfig, *, weights_dir: Path | None = None) -> Dinomaly:
    """A Dinomaly with a new decoder.

    Raises:
        MissingInputError: the encoder's weights are nowhere.
    """
    return Dinomaly(config, weights_dir)
