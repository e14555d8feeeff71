"""An image from buildah's store to containerd's without a copy: the same files, linked, under both.

Seven gigabytes pushed and imported the usual way are written four times over. Layers are never changed by either side,
so containerd's may be links to buildah's; what describes the image goes over as a small archive.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagebuild

Ctr = Callable[..., str]


@dataclass(frozen=True)
class Stored:
    """An image in buildah's store."""

    name: str
    manifest: str  # JSON, as its digest is made of
    config: str
    folders: tuple[Path, ...]  # of the layers, the lowest first

    @property
    def digest(self) -> str:
        """What a registry would call it by."""
        return _digest(self.manifest)

    @property
    def id(self) -> str:
        """What a runtime calls it by, beside its names."""
        return _digest(self.config)

    @property
    def chain(self) -> list[str]:
        """The names that containerd gives to the layers: each says what lies below."""
        found: list[str] = []
        for layer in json.loads(self.config)["rootfs"]["diff_ids"]:
            found.append(_digest(f"{found[-1]} {layer}") if found else layer)
        return found

    def archive(self) -> bytes:
        """What describes the image, without its layers (OCI image layout)."""
        kind = "application/vnd.oci.image.manifest.v1+json"
        named = {"io.containerd.image.name": self.name}
        entry = {"mediaType": kind, "digest": self.digest, "size": len(self.manifest.encode()), "annotations": named}
        files = {
            "oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}),
            "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}),
            **{f"blobs/{_digest(text).replace(':', '/')}": text for text in (self.manifest, self.config)},
        }
        target = io.BytesIO()
        with tarfile.open(mode="w", fileobj=target) as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        return target.getvalue()


def stored(name: str) -> Stored:
    """An image as buildah's store has it."""
    told = json.loads(imagebuild.buildah("inspect", "--type", "image", name))
    root = imagebuild.CACHE / "storage"
    images = json.loads((root / "overlay-images/images.json").read_bytes())
    parents = {one["id"]: one.get("parent") for one in json.loads((root / "overlay-layers/layers.json").read_bytes())}
    (layer,) = (one["layer"] for one in images if name in one.get("names", []))
    folders: list[Path] = []
    while layer:
        folders.insert(0, root / "overlay" / layer / "diff")
        layer = parents[layer]
    return Stored(name, told["Manifest"], told["Config"], tuple(folders))


def link(image: Stored, ctr: Ctr) -> None:
    """Make containerd's layers of an image, those that are not there yet, of links to the same files."""
    below = ""
    known = {line.split()[0] for line in ctr("snapshots", "ls").splitlines()[1:]}
    for name, folder in zip(image.chain, image.folders, strict=True):
        if name not in known:
            key = f"linking-{name}"
            if key in known:  # what an interrupted session left
                ctr("snapshots", "rm", key)
            ctr("snapshots", "prepare", key, *([below] if below else []))
            target = _upper(ctr("snapshots", "mounts", "/nowhere", key))
            subprocess.run(["cp", "-al", f"{folder}/.", f"{target}/"], check=True)
            ctr("snapshots", "commit", name, key)
        below = name


def _upper(told: str) -> Path:
    """The folder that a layer's mount command writes to: overlay's upper one, or that of the lowest layer alone."""
    words = told.split()
    options = dict(word.split("=", 1) for word in words[words.index("-o") + 1].split(",") if "=" in word)
    return Path(options["upperdir"] if "upperdir" in options else words[words.index("-t") + 2])


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
