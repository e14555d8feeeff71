"""Builds the servers that tests talk to: see gobuild.

python tests/servers/serverbuild.py versitygw        prints the path of the program
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gobuild import Module

HERE = Path(__file__).parent
MODULES = {"versitygw": Module(HERE / "versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"})}


def build(name: str) -> Path:
    """The program, built now unless the cache has it."""
    return MODULES[name].build() / name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build a server that tests talk to.")
    parser.add_argument("name", choices=sorted(MODULES))
    print(build(parser.parse_args().name))  # noqa: T201 - the answer
