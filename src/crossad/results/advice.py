"""What to change where a condition ran well and transfers badly (the guide's troubleshooting, item 4)."""

from __future__ import annotations

POOR_RATIO = 0.8
POOR_SKILL = 0.5  # a transfer that loses half of the skill above chance
_TRAINED = "early_stopping_patience (higher) or learning_rate (lower)"
_KEYS = {
    "patchcore": "layers, backbone or coreset_sampling_ratio",
    "dinomaly": f"{_TRAINED}, or bottleneck_dropout",
}


def poor_transfer(model_type: str, ratio: float | None, skill: float | None) -> list[str]:
    """One line that names the keys to change, or nothing where the transfer is fine or undefined."""
    if ratio is None or not (ratio < POOR_RATIO or (skill is not None and skill < POOR_SKILL)):
        return []
    keys = _KEYS.get(model_type, _TRAINED)
    return [f"poor transfer: target AUROC far below the source's, perhaps fitted to it too closely; change {keys}"]
