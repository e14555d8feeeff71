"""The birth certificate of a number: versions, commit, device, threads."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

import torch

from crossad.conditions.model import Config
from crossad.results.record import Provenance
from crossad.supplies.textures import PREFIX, hash_textures
from crossad.surroundings import commit, cpu, libraries
from crossad.trainer.detector import Detector
from crossad.trainer.device import describe
from crossad.version import __version__

_COMMIT = commit()  # now: a checkout may move on while the code that was imported runs


def provenance(
    detector: Detector | None, device: torch.device, config: Config, *, precision: str, data_lock: str | None
) -> Provenance:
    """What it takes to repeat the numbers of this process."""
    backbone = detector.backbone if detector else None
    return Provenance(
        crossad_version=__version__,
        crossad_commit=os.environ.get("CROSSAD_COMMIT") or _COMMIT,
        libraries=libraries(),
        python=platform.python_version(),
        device=describe(device),
        threads=torch.get_num_threads(),
        cpu=cpu(),
        precision=precision,
        seed=config.seed,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        data_lock=data_lock,
        weights={backbone.name: backbone.sha256 or "random"} if backbone else {},
        image_digest=os.environ.get("CROSSAD_IMAGE_DIGEST"),
        textures=_textures(config, detector),
        command=sys.argv,
    )


def _textures(config: Config, detector: Detector | None) -> dict[str, str]:
    """A hash over the images of the texture folder that a condition names; nothing where it names none.

    Textures that came from a store lie in a folder that only the detector's config names.
    """
    named = getattr(config, "anomaly_source", "")
    folder = Path(getattr(getattr(detector, "config", config), "anomaly_source", named).removeprefix(PREFIX))
    return {named: hash_textures(folder)} if named.startswith(PREFIX) and folder.is_dir() else {}


def peak_memory() -> int:
    """Peak resident memory of this process, bytes (ru_maxrss is in kB on Linux, in bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
