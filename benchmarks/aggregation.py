"""P5: the report of 10,000 conditions from an S3 server, and how long its page takes to open.

    python benchmarks/aggregation.py
    python benchmarks/aggregation.py --conditions 2000

Fills a store with committed conditions by the project's own writers (no trainer runs), then aggregates it as a user
does, `crossad report RUN --store s3://...` in a process of its own, timed from outside; its requests are those of the
server's own log. Then a headless Chromium opens the page, each time anew: until its first words are on the screen, and
until it is whole. The server is versitygw on this machine and shares its processors. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aggregationload import RUN
from certificate import RESULTS, certificate

from crossad.files import write_json
from store import BUCKET, build, child, environment, server

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))
from browser import Browser

RESULT = RESULTS / "aggregation.json"
BARS = {"report_seconds": 60.0, "report_bytes": 500e6, "page_seconds": 2.0}
LOAD = Path(__file__).with_name("aggregationload.py")
# milliseconds from the beginning of the navigation
PAINTED = """new Promise(done => new PerformanceObserver(list => done(list.getEntriesByName(
  'first-contentful-paint')[0].startTime)).observe({type: 'paint', buffered: true}))"""
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
OPERATION = re.compile(rb" s3_([A-Z][A-Za-z0-9]+) ")


def fill(uri: str, endpoint: str, conditions: int, processes: int) -> float:
    """Write all conditions, in processes; the seconds it took."""
    began = time.perf_counter()
    words = [sys.executable, str(LOAD), uri, endpoint, str(conditions)]
    running = [subprocess.Popen([*words, str(first), str(processes)], env=environment()) for first in range(processes)]
    ended = [process.wait() for process in running]
    if any(ended):
        sys.exit("the store could not be filled")
    return time.perf_counter() - began


def reported(uri: str, endpoint: str, work: Path, log: Path) -> dict[str, Any]:
    """One report as a user makes it: its cost, the server's requests, the files it wrote."""
    before = log.stat().st_size
    place = ("--store", uri, "--store-option", f"endpoint={endpoint}", "--results-dir", work)
    facts = child(Path(sys.executable).with_name("crossad"), "report", RUN, *place)
    with log.open("rb") as lines:
        lines.seek(before)
        asked = Counter(found[1].decode() for line in lines if (found := OPERATION.search(line)))
    files = {path.name: path.stat().st_size for path in sorted((work / RUN / "report").iterdir()) if path.is_file()}
    return facts | {"requests": dict(asked), "files_bytes": files}


def opened(page: Path, runs: int) -> dict[str, Any]:
    """How long the page takes in a browser."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("no chromium here: apt-get install chromium, or make browser")
    painted, loaded = [], []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        for _ in range(runs):
            browser.open(page)
            painted.append(browser.ask(PAINTED) / 1000)
            loaded.append(browser.ask(LOADED) / 1000)
        elements = browser.ask("document.querySelectorAll('*').length")
        version = browser.call("Browser.getVersion")["product"]
        browser.close()
    return {
        "browser": version, "elements": elements, "first_paint_seconds": painted, "whole_seconds": loaded,
        "median_first_paint_seconds": statistics.median(painted), "median_whole_seconds": statistics.median(loaded),
    }  # fmt: skip


def missed(facts: dict[str, Any]) -> list[str]:
    """The bars that were not held; they are those of 10,000 conditions."""
    worst = {
        "report_seconds": max(one["wall_seconds"] for one in facts["reports"]),
        "report_bytes": max(one["peak_bytes"] for one in facts["reports"]),
        "page_seconds": facts["page"]["median_whole_seconds"],
    }
    return [f"{name}: {value:.4g}, bar {BARS[name]:g}" for name, value in worst.items() if value >= BARS[name]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=2, help="reports; the page is opened five times")
    parser.add_argument("--fillers", type=int, default=os.cpu_count() or 1, help="processes that fill the store")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    facts: dict[str, Any] = certificate("P5 aggregation", ("boto3", "botocore", "urllib3", "pydantic", "crossad"))
    facts |= {"server": build("versitygw").parent.name, "conditions": arguments.conditions, "bars": BARS}
    with tempfile.TemporaryDirectory() as folder:
        scratch, log = Path(folder), Path(folder) / "access.log"
        with server(scratch / "server", "--access-log", log) as endpoint:
            uri = f"s3://{BUCKET}/many"
            facts["fill_seconds"] = fill(uri, endpoint, arguments.conditions, arguments.fillers)
            # each on a machine that has seen nothing of the run, as the aggregation Job is
            works = [scratch / f"work-{run}" for run in range(arguments.runs)]
            facts["reports"] = [reported(uri, endpoint, work, log) for work in works]
        facts["page"] = opened(works[-1] / RUN / "report" / "index.html", 5)
    facts |= {"load_at_end": os.getloadavg(), "missed": missed(facts)}
    write_json(arguments.out, facts)
    for one in facts["reports"]:
        print(f"report: {one['wall_seconds']:.1f} s, CPU {one['cpu_seconds']:.1f} s, {one['peak_bytes'] / 1e6:.0f} MB")
    page = facts["page"]
    print(
        f"page: {page['median_first_paint_seconds']:.2f} s to first paint, {page['median_whole_seconds']:.2f} s whole"
    )
    print(f"missed: {facts['missed'] or 'nothing'}\nwrote {arguments.out}")
    if facts["missed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
