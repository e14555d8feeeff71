"""Builds the control plane that tests talk to: see gobuild.

python tests/cluster/clusterbuild.py        prints the folders of the programs
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "servers")]  # a script's path holds its own folder only

from gobuild import Module  # noqa: E402 - after the path

KUBERNETES = "v1.35.4"
_STAMP = "k8s.io/component-base/version"
MODULES = (
    Module(HERE / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(HERE / "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Module(
        HERE / "kubernetes",
        {
            program: f"k8s.io/kubernetes/cmd/{program}"
            for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        stamps=(f"{_STAMP}.gitVersion={KUBERNETES}", f"{_STAMP}.gitMajor=1", f"{_STAMP}.gitMinor=35"),
        patience="about four minutes on two cores",
    ),
)


def missing() -> list[str]:
    """Programs that are not built yet."""
    return [program for module in MODULES if not module.built for program in module.packages]


def programs() -> dict[str, Path]:
    """All programs, built now unless the cache has them."""
    return {program: module.build() / program for module in MODULES for program in module.packages}


if __name__ == "__main__":
    print(*sorted({str(path.parent) for path in programs().values()}), sep="\n")  # noqa: T201 - the answer
