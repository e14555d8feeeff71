"""The pretrained networks that conditions may name, and what is known of them without loading one."""

from __future__ import annotations

from dataclasses import dataclass

_DEPTHS = {"small": 12, "base": 12, "large": 24}

# name in a condition -> name in timm
ENCODERS = {
    **{f"dinov2reg_vit_{size}_14": f"vit_{size}_patch14_reg4_dinov2" for size in _DEPTHS},
    **{f"dinov2_vit_{size}_14": f"vit_{size}_patch14_dinov2" for size in _DEPTHS},
    **{name: name for size in _DEPTHS for name in (f"vit_{size}_patch14_reg4_dinov2", f"vit_{size}_patch14_dinov2")},
}


@dataclass(frozen=True)
class BackboneFamily:
    """What a PatchCore backbone offers."""

    layers: tuple[str, ...]
    default_layers: tuple[str, ...]
    size_multiple: int = 1


_RESNET = BackboneFamily(("layer1", "layer2", "layer3", "layer4"), ("layer2", "layer3"))
_VIT = BackboneFamily(tuple(f"blocks.{index}" for index in range(12)), ("blocks.8",), size_multiple=14)
# timm's features_only stages: strides 2, 4, 8, 16, 32 with 16, 24, 40, 112, 320 channels
_EFFICIENTNET_LITE0 = BackboneFamily(
    ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6"), ("blocks.1", "blocks.2")
)

BACKBONES = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2"), _RESNET),
    **dict.fromkeys(("vit_small_patch14_dinov2", "vit_base_patch14_dinov2"), _VIT),
    "tf_efficientnet_lite0": _EFFICIENTNET_LITE0,
}


def encoder_depth(name: object) -> int | None:
    """Transformer blocks of an encoder, or None for a name that is not known."""
    if not isinstance(name, str) or name not in ENCODERS:
        return None
    return next(depth for size, depth in _DEPTHS.items() if f"_{size}_" in name)


def backbone_family(name: object) -> BackboneFamily | None:
    """What a backbone offers, or None for a name that is not known."""
    return BACKBONES.get(name) if isinstance(name, str) else None
