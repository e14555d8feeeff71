"""Builds the tools that tests check files with: see gobuild.

python tests/tools/toolbuild.py        prints the folder of kubeconform
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "servers")]  # a script's path holds its own folder only

from gobuild import Module  # noqa: E402 - after the path

KUBECONFORM = Module(
    HERE / "kubeconform",
    {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
    patience="a few seconds",
)

if __name__ == "__main__":
    print(KUBECONFORM.build())  # noqa: T201 - the answer
