"""Builds the control plane that tests talk to, the kubelet of a real node, and helm: see gobuild.

python tests/cluster/clusterbuild.py [PROGRAM]...        prints the folders of the programs
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "servers")]  # a script's path holds its own folder only

from gobuild import Module  # noqa: E402 - after the path

KUBERNETES = "v1.35.4"
_STAMP = "k8s.io/component-base/version"
_STAMPS = (f"{_STAMP}.gitVersion={KUBERNETES}", f"{_STAMP}.gitMajor=1", f"{_STAMP}.gitMinor=35")
MODULES = (
    Module(HERE / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(HERE / "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Module(
        HERE / "kubernetes",
        {
            program: f"k8s.io/kubernetes/cmd/{program}"
            for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        stamps=_STAMPS,
        patience="about four minutes on two cores",
    ),
)
# a lock each: their dependencies disagree, and the control plane needs neither
KUBELET = Module(HERE / "kubelet", {"kubelet": "k8s.io/kubernetes/cmd/kubelet"}, stamps=_STAMPS)
HELM = Module(HERE / "helm", {"helm": "helm.sh/helm/v4/cmd/helm"})


def missing() -> list[str]:
    """Programs that are not built yet."""
    return [program for module in MODULES if not module.built for program in module.packages]


def programs() -> dict[str, Path]:
    """All programs, built now unless the cache has them."""
    return {program: module.build() / program for module in MODULES for program in module.packages}


if __name__ == "__main__":
    wanted = [
        module for module in (*MODULES, KUBELET, HELM) if not sys.argv[1:] or set(sys.argv[1:]) & set(module.packages)
    ]
    print(*sorted(str(module.build()) for module in wanted), sep="\n")  # noqa: T201 - the answer
