"""What a condition's `config` may say, one closed model per `model_type`.

Keys and defaults come from the guide and its code's history, corrected where they were wrong. What can be
known to be wrong without looking at an image is refused here, before any GPU time is spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from crossad.conditions.common import CommonConfig, TrainedConfig, absent
from crossad.conditions.encoders import BACKBONES, ENCODERS, backbone_family, encoder_depth
from crossad.conditions.fields import (
    EncoderLayers,
    LayerNames,
    PixelRange,
    Problem,
    RatioRange,
    key,
    one_of,
    parse_size,
)

__all__ = [
    "MODELS",
    "CommonConfig",
    "Config",
    "DinomalyConfig",
    "DraemConfig",
    "DraemSevnetConfig",
    "PatchcoreConfig",
    "TrainedConfig",
]

DRAEM_STRIDE = 32  # five 2x2 max-pools


class _DraemFamily(TrainedConfig):
    """Keys of DRAEM's two networks."""

    size_multiple: ClassVar[int] = DRAEM_STRIDE
    why_multiple: ClassVar[str] = "five 2x2 poolings"

    batch_size: int = key(16, "images per training step", unit="images", ge=1, le=4096)
    base_width: int = key(
        128,
        "channels of the reconstruction network's first stage; smaller for demos",
        unit="channels",
        ge=4,
        le=512,
    )
    discriminator_width: int = key(64, "discriminator's first stage; smaller for demos", unit="channels", ge=4, le=512)
    in_channels: Literal[1, 3] = key(3, "network input: 3 repeats grey, 1 takes the mean of colour", unit="channels")
    anomaly_probability: float = key(
        0.5, "share of training images that get a synthetic fault", unit="fraction", ge=0, le=1
    )
    score_reduction: Literal["max", "top1pct_mean"] = key(
        "max", "image score from the anomaly map: its maximum, or the mean of its top 1 %"
    )
    sspcab: bool = key(False, "add the SSPCAB block to the reconstruction network")


class DraemConfig(_DraemFamily):
    """DRAEM (Zavrtanik et al., ICCV 2021)."""

    model_type: Literal["draem"] = key("draem", "the model")
    anomaly_source: str = key(
        "procedural_v1",
        "textures of the synthetic faults: procedural_v1 (seeded, offline), dtd:<folder> of images, or dtd:<name> that"
        " `crossad assets fetch --textures` pinned in the store",
        pattern=r"^(procedural_v1|dtd:.+)$",
    )


class DraemSevnetConfig(_DraemFamily):
    """DRAEM with a severity head on the discriminator's deepest features."""

    model_type: Literal["draem_sevnet"] = key("draem_sevnet", "the model")
    severity_head_mode: Literal["single_scale", "multi_scale"] = key(
        "single_scale", "features the head sees: the deepest map, or all five below the first"
    )
    severity_head_hidden_dim: int = key(128, "width of the head", unit="channels", ge=2, le=4096)
    severity_head_pooling_type: Literal["gap", "spatial_aware"] = key(
        "gap", "global average, or attention and a small grid"
    )
    severity_head_spatial_size: int | None = key(
        None, "grid side; only with spatial_aware, there 4 or what the map allows", unit="cells", ge=1, le=64
    )
    severity_head_use_spatial_attention: bool | None = key(
        None, "gate the features; only with spatial_aware, there true"
    )
    score_combination: Literal["simple_average", "weighted_average", "maximum"] = key(
        "simple_average", "how map score m and severity s become one: (m+s)/2, (1-w)m + ws, max(m, s)"
    )
    severity_weight_for_combination: float | None = key(
        None,
        "w of weighted_average; only there, default .5 (the simple average)",
        unit="fraction",
        ge=0,
        le=1,
    )
    severity_weight: float = key(0.5, "lambda of the severity loss", ge=0, le=100)
    severity_loss_type: Literal["mse", "smooth_l1"] = key(
        "mse", "loss on severity / severity_max; smooth_l1 has beta .1"
    )
    severity_max: float = key(1.0, "largest severity drawn in training", gt=0, le=50)
    fault_generator: Literal["bands_v1", "patches_v0"] = key(
        "bands_v1", "synthetic faults: wide bands one or two teeth high, or the seed's tall patches"
    )
    patch_width_range: PixelRange | None = key(None, "only with patches_v0, there [20, 80]", unit="pixels")
    patch_ratio_range: RatioRange | None = key(None, "height / width; only with patches_v0, there [2, 4]")
    patch_count: int | None = key(None, "patches per image; only with patches_v0, there 1", ge=1, le=64)

    _used_only_with: ClassVar[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
        ("severity_head_pooling_type", "spatial_aware",
         ("severity_head_spatial_size", "severity_head_use_spatial_attention")),
        ("score_combination", "weighted_average", ("severity_weight_for_combination",)),
        ("fault_generator", "patches_v0", ("patch_width_range", "patch_ratio_range", "patch_count")),
    )  # fmt: skip

    @classmethod
    def fill(cls, data: dict[str, Any]) -> None:
        """Add dependent defaults in place."""
        super().fill(data)
        if data.get("severity_head_pooling_type") == "spatial_aware":
            height, width = parse_size(data.get("image_size")) or (224, 224)
            _default(
                data,
                "severity_head_spatial_size",
                max(1, min(4, height // DRAEM_STRIDE, width // DRAEM_STRIDE)),
            )
            _default(data, "severity_head_use_spatial_attention", True)
        if data.get("score_combination") == "weighted_average":
            _default(data, "severity_weight_for_combination", 0.5)
        if data.get("fault_generator") == "patches_v0":
            _default(data, "patch_width_range", [20, 80])
            _default(data, "patch_ratio_range", [2.0, 4.0])
            _default(data, "patch_count", 1)

    def warnings(self, given: Mapping[str, Any]) -> Iterator[str]:
        """What is allowed but worth a word."""
        name = "severity_weight_for_combination"
        if self.score_combination == "weighted_average" and absent(given, name):
            yield f"score_combination weighted_average without {name}: .5, which is the simple average"

    @property
    def severity_map_size(self) -> tuple[int, int]:
        """(H, W) of the deepest feature map."""
        return self.image_size[0] // DRAEM_STRIDE, self.image_size[1] // DRAEM_STRIDE

    def problems(self) -> Iterator[Problem]:
        """Rules over several keys that this condition breaks."""
        yield from super().problems()
        for switch, value, dependents in self._used_only_with:
            if getattr(self, switch) == value:
                continue
            for name in dependents:
                if getattr(self, name) is not None:
                    yield Problem(name, f"not used: {switch} is {getattr(self, switch)}", f"only with {switch} {value}")
        if self.severity_head_spatial_size is not None and (
            self.severity_head_spatial_size > min(self.severity_map_size)
        ):
            height, width = self.severity_map_size
            yield Problem(
                "severity_head_spatial_size",
                "grid finer than the feature map it pools",
                f"1 to {min(height, width)}: the deepest map is {height}x{width} at this image_size",
            )


class DinomalyConfig(TrainedConfig):
    """Dinomaly (Guo et al., CVPR 2025): reconstruct a frozen ViT's features."""

    size_multiple: ClassVar[int] = 14
    why_multiple: ClassVar[str] = "ViT patches of 14 pixels"

    model_type: Literal["dinomaly"] = key("dinomaly", "the model")
    batch_size: int = key(8, "images per training step", unit="images", ge=1, le=4096)
    learning_rate: float = key(2e-3, "as written; absent: 0.002 for stable_adamw, 0.0001 for the others", gt=0, le=1)
    optimizer: Literal["adam", "adamw", "sgd", "stable_adamw"] = key(
        "stable_adamw", "adam: coupled L2; adamw, stable_adamw: decoupled decay; sgd: momentum .9"
    )
    gradient_clip_val: float = key(0.1, "largest gradient norm; 0: no clipping", ge=0)
    encoder_name: Annotated[str, *one_of("encoder", tuple(ENCODERS))] = key(
        "dinov2reg_vit_base_14", "the frozen encoder: the guide's names or timm's"
    )
    target_layers: EncoderLayers = key(
        (2, 3, 4, 5, 6, 7, 8, 9),
        "encoder blocks to reconstruct; absent with a large one: 4, 6, .. 18",
    )
    bottleneck_dropout: float = key(0.2, "dropout of the bottleneck", unit="fraction", ge=0, lt=1)
    decoder_depth: int = key(8, "decoder blocks", unit="blocks", ge=2, le=24)
    remove_class_token: bool = key(False, "keep the class and register tokens out of the decoder")
    pre_trained: bool = key(True, "false: random weights, saved with the checkpoint; such rows take no rank")

    @classmethod
    def fill(cls, data: dict[str, Any]) -> None:
        """Add dependent defaults in place."""
        super().fill(data)
        if not absent(data, "optimizer") and data["optimizer"] != "stable_adamw":
            _default(data, "learning_rate", 1e-4)
        if encoder_depth(data.get("encoder_name")) == 24:
            _default(data, "target_layers", list(range(4, 19, 2)))

    @property
    def warms_up(self) -> bool:
        """Dinomaly's own schedule starts with a warm-up, too."""
        return self.scheduler in (None, "warmup_cosine")

    def problems(self) -> Iterator[Problem]:
        """Rules over several keys that this condition breaks."""
        yield from super().problems()
        depth = encoder_depth(self.encoder_name)
        if depth is not None and max(self.target_layers) >= depth:
            yield Problem("target_layers", "block that the encoder does not have", f"0 to {depth - 1}")
        if list(self.target_layers) != sorted(self.target_layers):
            yield Problem("target_layers", "blocks out of order", "ascending block numbers")
        for name, count in (
            ("target_layers", len(self.target_layers)),
            ("decoder_depth", self.decoder_depth),
        ):
            if count % 2:
                yield Problem(name, "cannot be split into two equal groups", "an even number of blocks")


class PatchcoreConfig(CommonConfig):
    """PatchCore (Roth et al., CVPR 2022): a memory bank of pretrained patch features."""

    model_type: Literal["patchcore"] = key("patchcore", "the model")
    batch_size: int = key(32, "images per pass; changes no number", unit="images", role="execution", ge=1, le=4096)
    max_epochs: Literal[1] = key(1, "the bank is filled in one pass", unit="epochs")
    backbone: Annotated[str, *one_of("backbone", tuple(BACKBONES))] = key("wide_resnet50_2", "timm backbone")
    layers: LayerNames = key(("layer2", "layer3"), "stages whose features are used; the default follows the backbone")
    pre_trained: bool = key(True, "false: random weights, saved with the checkpoint; such rows take no rank")
    coreset_sampling_ratio: float = key(0.1, "share of patches kept in the bank", unit="fraction", gt=0, le=1)
    num_neighbors: int = key(9, "neighbours that re-weight an image's score", role="evaluation", ge=1, le=1000)

    @classmethod
    def fill(cls, data: dict[str, Any]) -> None:
        """Add dependent defaults in place."""
        super().fill(data)
        family = backbone_family(data.get("backbone"))
        if family is not None:
            _default(data, "layers", list(family.default_layers))

    def problems(self) -> Iterator[Problem]:
        """Rules over several keys that this condition breaks."""
        yield from super().problems()
        family = backbone_family(self.backbone)
        if family is None:
            return
        unknown = [name for name in self.layers if name not in family.layers]
        if unknown:
            yield Problem("layers", f"{self.backbone} has no stage {', '.join(unknown)}", ", ".join(family.layers))
        if any(side % family.size_multiple for side in self.image_size):
            yield Problem(
                "image_size",
                f"image size does not fit {self.backbone}",
                f"height and width divisible by {family.size_multiple} (ViT patches)",
            )


def _default(data: dict[str, Any], name: str, value: object) -> None:
    if absent(data, name):
        data[name] = value


Config = Annotated[
    DraemConfig | DinomalyConfig | PatchcoreConfig | DraemSevnetConfig, Field(discriminator="model_type")
]
MODELS: dict[str, type[CommonConfig]] = {
    "draem": DraemConfig,
    "dinomaly": DinomalyConfig,
    "patchcore": PatchcoreConfig,
    "draem_sevnet": DraemSevnetConfig,
}
