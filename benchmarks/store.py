"""The store: a run's way into a bucket and back against raw boto3, many commits, P5's aggregation, and memory.

    python benchmarks/store.py
    python benchmarks/store.py --parts transfers --runs 9

`transfers`: a run of 16 conditions (about 480 MiB) through the outbox and by `fetch`, in turn with boto3's own
`upload_file` and `download_file` of the same files with the same threads and parts. Off AWS an MD5 goes with what is
sent; raw boto3 sends a CRC32, and so does "upload, CRC32" (`--checksums when_supported`). `commits`: those of the
largest run, listed and read. `metadata`: `fetch --only records` of runs of 2,000 and 10,000 conditions, `status`, and
P5: the report of 10,000.

The server is versitygw on this machine, so client and server share its processors: ratios count. Every figure is of a
process of its own; the memory is its peak resident set. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from certificate import RESULTS, certificate
from storeload import RUN, make_many

from crossad.files import write_json

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))
from serverbuild import build

RESULT = RESULTS / "store.json"
BUCKET, ACCESS, SECRET = "benchmark", "benchmark", "not-a-secret-of-anyone"
RATIO_BAR, REPORT_SECONDS, REPORT_BYTES = 1.2, 60.0, 500e6
PARTS = ("transfers", "commits", "metadata")
WORK = Path(__file__).with_name("storework.py")
CLEARED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTP_PROXY", "http_proxy")


@contextlib.contextmanager
def server(folder: Path, *more: object) -> Iterator[str]:
    """A versitygw over an empty bucket, with more options if there are some; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    (folder / BUCKET).mkdir(parents=True)
    words = [
        build("versitygw"),
        "--port",
        f"127.0.0.1:{port}",
        "--access",
        ACCESS,
        "--secret",
        SECRET,
        "--quiet",
        "--keep-alive",
        *more,
    ]
    process = subprocess.Popen([*map(str, words), "posix", str(folder)], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
    return kept | {
        "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip


def child(*words: object, allowed: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """What a child process prints as JSON on its last line, and what it cost: wall time and peak memory."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([*map(str, words)], stdout=out, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read()
    if process.returncode not in allowed:
        sys.exit(f"{' '.join(map(str, words))} ended with {process.returncode}")
    told = printed.splitlines()[-1] if printed else ""
    facts: dict[str, Any] = json.loads(told) if told.startswith("{") else {}
    wall, load = time.perf_counter() - began, os.getloadavg()[0]
    return {
        "wall_seconds": wall, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024,
        "load": load, **facts,
    }  # fmt: skip


def work(name: str, *words: object) -> dict[str, Any]:
    return child(sys.executable, WORK, name, *words)


def transfers(endpoint: str, scratch: Path, runs: int) -> dict[str, Any]:
    """Both ways, ours and raw in turn, the first of each round changing."""
    work("make", scratch)  # a child inherits the peak of its parent, which must stay small
    uri, found = f"s3://{BUCKET}/run", dict[str, list[dict[str, Any]]]()
    pairs: dict[str, dict[str, tuple[object, ...]]] = {
        "upload": {
            "upload": ("upload", uri, endpoint, scratch),
            "upload, CRC32": ("upload", uri, endpoint, scratch, "when_supported"),
            "raw upload": ("raw-upload", f"{uri}-raw", endpoint, scratch),
        },
        "fetch": {
            "fetch": ("fetch", uri, endpoint, scratch / "here"),
            "raw fetch": ("raw-fetch", uri, endpoint, scratch / "raw"),
        },
    }
    for way, several in pairs.items():
        for turn in range(runs):
            for name in list(several)[:: 1 if turn % 2 == 0 else -1]:
                for left in (scratch / "here", scratch / "raw", scratch / "server" / BUCKET / "run-raw"):
                    shutil.rmtree(left, ignore_errors=True)
                if way == "upload":
                    shutil.rmtree(scratch / "server" / BUCKET / "run", ignore_errors=True)
                os.sync()  # what the one before left to write is not this one's
                found.setdefault(name, []).append(work(*several[name]))
                print(f"{name}: {found[name][-1]}", file=sys.stderr)
        if way == "upload":
            work(*several["upload"])  # for the fetch
    medians = {name: statistics.median(one["seconds"] for one in each) for name, each in found.items()}
    return {
        "bar_ratio": RATIO_BAR,
        "median_seconds": medians,
        "median_cpu_seconds": {
            name: statistics.median(one["cpu_seconds"] for one in each) for name, each in found.items()
        },
        "ratio": {
            name: medians[name] / medians[f"raw {name.partition(',')[0]}"] for name in medians if "raw" not in name
        },
        "peak_bytes": {name: max(one["peak_bytes"] for one in each) for name, each in found.items()},
        "runs": found,
    }


def many(endpoint: str, scratch: Path, parts: list[str], runs: int, counts: list[int]) -> dict[str, Any]:
    """What costs a request a condition, for runs of many conditions."""
    found: dict[str, Any] = {}
    for count in counts:
        uri, one = f"s3://{BUCKET}/many-{count}", found.setdefault(str(count), dict[str, Any]())
        make_many(scratch / "server" / BUCKET / f"many-{count}", count)
        if "commits" in parts and count == counts[-1]:
            one["commits"] = [work("commits", uri, endpoint, scratch / "many") for _ in range(runs)]
        if "metadata" in parts:
            here = scratch / f"here-{count}"
            one["fetch"] = work("fetch", uri, endpoint, here, "records")
            one["fetch again"] = work("fetch", uri, endpoint, here, "records")
            place = ("--store", uri, "--store-option", f"endpoint={endpoint}", "--results-dir", scratch / f"w-{count}")
            program = Path(sys.executable).with_name("crossad")
            one["status"] = child(program, "status", RUN, *place, allowed=(0, 3))
            one["report"] = child(program, "report", RUN, *place, allowed=(0, 3))
            one["report again"] = child(program, "report", RUN, *place, allowed=(0, 3))
        print(json.dumps(one), file=sys.stderr)
    return found


def missed(facts: dict[str, Any]) -> list[str]:
    """The bars that were not held."""
    wrong = []
    for way, ratio in facts.get("transfers", {}).get("ratio", {}).items():
        if ratio > RATIO_BAR:
            wrong.append(f"{way}: {ratio:.2f} times raw boto3, bar {RATIO_BAR}")
    report = facts.get("many", {}).get("10000", {}).get("report")
    if report and (report["wall_seconds"] > REPORT_SECONDS or report["peak_bytes"] > REPORT_BYTES):
        wrong.append(f"P5: {report['wall_seconds']:.0f} s, {report['peak_bytes'] / 1e6:.0f} MB")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="of: " + ", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--counts", default="2000,10000", help="conditions of the large runs")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    facts: dict[str, Any] = certificate("the store, and P5 aggregation", ("boto3", "botocore", "urllib3", "crossad"))
    facts |= {
        "server": build("versitygw").parent.name,
        "nice": os.nice(0),
        "bars": {"ratio": RATIO_BAR, "report_seconds": REPORT_SECONDS},
    }
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "server") as endpoint:
        scratch = Path(folder)
        if "transfers" in parts:
            facts["transfers"] = transfers(endpoint, scratch, arguments.runs)
        if {"commits", "metadata"} & set(parts):
            facts["many"] = many(endpoint, scratch, parts, arguments.runs, [*map(int, arguments.counts.split(","))])
    facts |= {"load_at_end": os.getloadavg(), "missed": missed(facts)}
    write_json(arguments.out, facts)
    print(f"missed: {facts['missed'] or 'nothing'}\nwrote {arguments.out}")
    if facts["missed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
