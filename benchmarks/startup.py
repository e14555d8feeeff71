"""P6: how long `crossad --help` takes, and what it imports.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 50

Each run is a process of its own, timed from the outside, after one that warms the disk cache. The bare interpreter
(`python -c pass`) is timed in turn with it: what is left is ours. Exit code 1: slower than the bar, or torch,
numpy or pydantic was imported.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from certificate import RESULTS, certificate

from crossad.files import write_json

RESULT = RESULTS / "startup.json"
BAR_SECONDS = 0.2
FORBIDDEN = {"torch", "numpy", "pydantic", "rich", "cv2", "scipy", "jinja2", "anomalib", "lightning", "timm"}
LOADED = """
import json, sys
before = set(sys.modules)
from crossad.cli import cli
cli.main(["--help"], standalone_mode=False)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def imports() -> list[str]:
    """Modules that `crossad --help` brings in."""
    shown = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    found: list[str] = json.loads(shown.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    program = [str(Path(sys.executable).with_name("crossad")), "--help"]
    empty = [sys.executable, "-c", "pass"]
    head = certificate("P6 start-up", ("click", "crossad"))
    seconds(program)
    pairs = [(seconds(program), seconds(empty)) for _ in range(arguments.runs)]
    helps, bare = zip(*pairs, strict=True)
    modules = imports()
    heavy = sorted({name.partition(".")[0] for name in modules} & FORBIDDEN)
    median = statistics.median(helps)
    write_json(
        arguments.out,
        {
            **head,
            "bar_seconds": BAR_SECONDS,
            "help_median_seconds": median,
            "interpreter_median_seconds": statistics.median(bare),
            "help_seconds": helps,
            "interpreter_seconds": bare,
            "modules_imported": len(modules),
            "heavy_modules": heavy,
            "modules": modules,
        },
    )
    print(f"crossad --help: median {median:.3f} s of {len(helps)} runs, bar {BAR_SECONDS} s; heavy imports: {heavy}")
    print(f"wrote {arguments.out}")
    if median >= BAR_SECONDS or heavy:
        sys.exit(1)


if __name__ == "__main__":
    main()
