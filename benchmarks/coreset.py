"""P1: our coreset selection beside the greedy reference, anomalib's KCenterGreedy, on the same features.

    python benchmarks/coreset.py                        N = 20,000 and 50,000, a tenth selected
    python benchmarks/coreset.py --sizes 50000 200000

Every measurement is a process of its own, because glibc reads its malloc settings at the start and because
peak memory is a process's: what the selection, projection included, adds to the kept features. The reference
is timed on its first 2 % of picks and extrapolated: a pick costs it the same from first to last. Those picks
must equal ours (fewer greedy picks are a prefix of more); at sizes up to --compare all of them are run and
compared. Exit code 1: picks differ.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from certificate import RESULTS, certificate

from crossad.files import write_json
from crossad.trainer.coreset import johnson_lindenstrauss, k_center_greedy, projection
from crossad.trainer.rows import Rows

RESULT = RESULTS / "coreset.json"
TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
WIDTH = 1536  # WideResNet-50 layers 2 and 3
FIRST = 7
SHARE = 0.02
BARS = {50_000: {"tuned": 8, "installed": 30}, 200_000: {"tuned": 15, "installed": 30}}
MEMORY_BAR = 1.3


def kept_features(rows: int) -> Rows:
    """Clusters of unequal spread, variances falling with the dimension, rectified as a network's are."""
    draw = torch.Generator().manual_seed(0)
    scale = torch.arange(1, WIDTH + 1) ** -0.7
    centres = 3 * torch.randn(200, WIDTH, generator=draw)
    kept = Rows()
    for start in range(0, rows, 2048):
        count = min(2048, rows - start)
        noise = torch.randn(count, WIDTH, generator=draw) * 2 * torch.rand(count, 1, generator=draw)
        kept.append(((centres[torch.randint(200, (count,), generator=draw)] + noise) * scale).relu_())
    return kept


def projected(kept: Rows) -> torch.Tensor:
    """The kept features (N, WIDTH) as the selection sees them, (N, d)."""
    matrix = projection(johnson_lindenstrauss(len(kept)), WIDTH, np.random.default_rng(0))
    reduced = torch.empty(len(kept), len(matrix))
    start = 0
    for block in kept.blocks():
        torch.mm(block, matrix.T, out=reduced[start : start + len(block)])
        start += len(block)
    return reduced


def memory(field: str) -> int:
    """Resident bytes of this process: now (VmRSS), or the most since the last reset (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def reset_peak() -> None:
    """Start VmHWM anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def ours(rows: int, count: int, picks_file: Path) -> dict[str, Any]:
    k_center_greedy(torch.randn(3000, 64), 300, 0)  # threads and kernels are there before the clock starts
    kept = kept_features(rows)
    reset_peak()
    before = memory("VmRSS")
    started = time.perf_counter()
    features = projected(kept)
    middle = time.perf_counter()
    picks = k_center_greedy(features, count, FIRST)
    ended = time.perf_counter()
    np.save(picks_file, picks.numpy())
    return {
        "seconds": ended - middle,
        "projection_seconds": middle - started,
        "peak_over_kept_features": 1 + (memory("VmHWM") - before) / (len(kept) * WIDTH * 4),
    }


def reference(rows: int, count: int, picks_file: Path, timed: int) -> dict[str, Any]:
    from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy  # noqa: PLC0415 - 10 s

    features = projected(kept_features(rows))
    sampler = KCenterGreedy(embedding=features, sampling_ratio=1.0)
    sampler.features = features
    index = torch.tensor(FIRST)
    # into one tensor: with tuned malloc a small one kept from each pick splits the free blocks,
    # and 2,000 picks of 20,000 rows then take more than 24 GB
    picks = torch.empty(timed, dtype=torch.long)
    picks[0] = index
    sampler.update_distances(cluster_center=index)  # the first pick allocates; the clock starts after it
    started = time.perf_counter()
    for step in range(1, timed):
        index = sampler.get_new_idx()
        sampler.min_distances.scatter_(0, index.view(1, 1), 0.0)
        picks[step] = index
        sampler.update_distances(cluster_center=index)
    seconds = time.perf_counter() - started
    np.save(picks_file, picks.numpy())
    per_pick = seconds / (timed - 1)
    return {
        "seconds_per_pick": per_pick,
        "picks_timed": timed,
        "seconds": per_pick * (count - 1),
        "peak_bytes": memory("VmHWM"),
    }


def start(kind: str, rows: int, count: int, timed: int, *, tuned: bool) -> tuple[dict[str, Any], np.ndarray]:
    """One measurement in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key not in TUNED} | (TUNED if tuned else {})
    with tempfile.TemporaryDirectory() as folder:
        picks = Path(folder) / "picks.npy"
        words = [sys.executable, __file__, "--worker", kind, str(rows), str(count), str(timed), str(picks)]
        done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.splitlines()[-1]), np.load(picks)


def measure(rows: int, ratio: float, repeats: int, compare: int) -> dict[str, Any]:
    """All figures at one size."""
    count = int(rows * ratio)
    timed = count if rows <= compare else max(20, int(count * SHARE))
    found: dict[str, Any] = {"rows": rows, "width": johnson_lindenstrauss(rows), "picks": count}
    for name, tuned in (("tuned", True), ("installed", False)):
        runs = [start("ours", rows, count, timed, tuned=tuned) for _ in range(repeats)]
        plain, expected = start("reference", rows, count, timed, tuned=tuned)
        seconds = statistics.median(run["seconds"] for run, _ in runs)
        ratio_found = plain["seconds"] / seconds
        bar = BARS.get(rows, {}).get(name)
        found[name] = {
            "ours": [run for run, _ in runs],
            "reference": plain,
            "ratio": ratio_found,
            "bar": bar,
            "bar_met": None if bar is None else ratio_found >= bar,
            "picks_compared": len(expected),
            "picks_equal": all(np.array_equal(picks[: len(expected)], expected) for _, picks in runs),
        }
        peak = max(run["peak_over_kept_features"] for run, _ in runs)
        found[name] |= {"peak_over_kept_features": peak, "memory_bar_met": peak <= MEMORY_BAR}
        same = "equal" if found[name]["picks_equal"] else "DIFFERENT"
        print(
            f"N {rows:>7,} {name:>9}: ours {seconds:7.2f} s, reference {plain['seconds']:8.1f} s"
            f" (from {timed} picks, {same}), ratio {ratio_found:5.1f} (bar {bar}),"
            f" peak {peak:.2f} x kept features",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 50_000], metavar="N")
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours at each setting; the median counts")
    parser.add_argument("--compare", type=int, default=20_000, metavar="N", help="run the whole reference up to N")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, (rows, count, timed), picks = (
            arguments.worker[0],
            map(int, arguments.worker[1:4]),
            arguments.worker[4],
        )
        target = Path(picks)
        done = ours(rows, count, target) if kind == "ours" else reference(rows, count, target, timed)
        print(json.dumps(done))
        return
    head = certificate("P1 coreset", ("torch", "numpy", "anomalib"))
    figures = [measure(rows, arguments.ratio, arguments.repeats, arguments.compare) for rows in arguments.sizes]
    write_json(
        arguments.out,
        {
            **head,
            "threads": torch.get_num_threads(),
            "reference": "anomalib 2.7.0 KCenterGreedy on the same projected features, first 2 % of picks"
            " extrapolated (all of them where picks_compared equals picks)",
            "cuda": "never run",
            "sizes": figures,
        },
    )
    print(f"wrote {arguments.out}")
    if not all(size[name]["picks_equal"] for size in figures for name in ("tuned", "installed")):
        sys.exit(1)


if __name__ == "__main__":
    main()
