"""What an evaluation shows: its pictures in the condition's folder, and the line that the guide greps for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from crossad.results.record import DomainResult


def show(kept: Path, here: Path) -> None:
    """Hard-link an evaluation's pictures into a visible folder (copied where links cannot be)."""
    if here.exists():
        shutil.rmtree(here)  # links that an attempt left which died before its record
    for picture in sorted(kept.glob("*.jpg")):
        here.mkdir(parents=True, exist_ok=True)
        try:
            os.link(picture, here / picture.name)
        except OSError:
            shutil.copy2(picture, here / picture.name)


def auroc_line(role: str, domain: str, result: DomainResult) -> str:
    """The line that the guide greps for, with the interval; an undefined AUROC says why."""
    metric = "val_image_AUROC" if role == "Source" else "test_image_AUROC"
    if result.test_image_AUROC is None:
        reason = result.undefined.get("test_image_AUROC") or (result.error.message if result.error else "unknown")
        return f"{role} {domain} AUROC: undefined ({reason})"
    shown = f"{role} {domain} AUROC: {result.test_image_AUROC:.4f}"
    if result.interval:
        shown += f" [{result.interval.low:.4f}, {result.interval.high:.4f}]"
    return f"{shown} ({metric})"
