"""The network of one node: a bridge that pods, API server and S3 server share, and that leads nowhere else.

The API server listens on the cluster's own address of it, which lies on the bridge: pods reach
`https://kubernetes.default` without a kube-proxy, with a valid certificate.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

BRIDGE = "crossad0"
NODE = "10.244.0.1"
API = "10.96.0.1"
PODS = "10.244.0.0/24"


@contextlib.contextmanager
def bridge() -> Iterator[None]:
    """The bridge with both addresses, gone on the way out."""
    _remove()
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{NODE}/24", "dev", BRIDGE)
        _ip("address", "add", f"{API}/32", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        yield
    finally:
        _remove()


def configuration(folder: Path) -> Path:
    """The folder in which the runtime finds what a pod's network is."""
    plugin = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS, "rangeStart": "10.244.0.10"}]]},
    }
    plugin["ipam"] |= {"routes": [{"dst": "0.0.0.0/0"}], "dataDir": str(folder / "addresses")}  # type: ignore[operator]
    place = folder / "cni"
    place.mkdir()
    (place / "10-crossad.conflist").write_text(
        json.dumps({"cniVersion": "0.4.0", "name": "crossad", "plugins": [plugin]})
    )
    return place


def _remove() -> None:
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
