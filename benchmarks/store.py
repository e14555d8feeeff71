"""The store: a run's way into a bucket and back against raw boto3, and 10,000 commits listed and read.

    python benchmarks/store.py
    python benchmarks/store.py --runs 9

A run of 16 conditions (about 490 MiB) goes up through the outbox and comes back by `fetch`, in turn with boto3's own
`upload_file` and `download_file` of the same files with the same threads and parts; then the commits of a large run.
"upload" is what a user gets: a CRC32 with large bodies, as raw boto3 has it. "upload, MD5" is what servers get that do
not verify a CRC32; it has no bar. What raw boto3 does not do: hash every byte on both ways, sync files, unpack archives
of pictures, put the tree together. One pass of SHA-256 over the same bytes is measured beside it.

The server is versitygw on this machine, so client and server share its processors: ratios count, and on a loaded
machine those of the client's processor seconds more than those of wall time. The result says how busy it was. Every
figure is of one process after its imports; the memory is its peak resident set. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
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

from crossad.files import write_json

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))
from serverbuild import build

RESULT = RESULTS / "store.json"
BUCKET, ACCESS, SECRET = "benchmark", "benchmark", "not-a-secret-of-anyone"
RATIO_BAR = 1.2  # of the medians of wall time
QUIET = 0.5  # waiting processes a processor at the start, up to which wall times count
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


def measured(kinds: dict[str, tuple[object, ...]], runs: int, left: list[Path]) -> dict[str, Any]:
    """Several kinds of work in turn, the first of each round changing: what each run cost, and the medians."""
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(runs):
        for name in list(kinds)[:: 1 if turn % 2 == 0 else -1]:
            for folder in left:
                shutil.rmtree(folder, ignore_errors=True)
            os.sync()  # what the one before left to write is not this one's
            found.setdefault(name, []).append(work(*kinds[name]))
            print(f"{name}: {found[name][-1]}", file=sys.stderr)
    raw = next(name for name in kinds if name.startswith("raw"))

    def of(name: str, what: str) -> float:
        return statistics.median(one[what] for one in found[name])

    return {
        name: {
            "seconds": of(name, "seconds"),
            "cpu_seconds": of(name, "cpu_seconds"),
            "peak_bytes": max(one["peak_bytes"] for one in found[name]),
            **({} if name == raw else {"ratio": of(name, "seconds") / of(raw, "seconds")}),
            **({} if name == raw else {"cpu_ratio": of(name, "cpu_seconds") / of(raw, "cpu_seconds")}),
            "runs": found[name],
        }
        for name in kinds
    }


def transfers(endpoint: str, scratch: Path, runs: int) -> dict[str, Any]:
    """Both ways, ours and raw."""
    work("make", scratch)  # a child inherits the peak of its parent, which must stay small
    uri, behind = f"s3://{BUCKET}/run", scratch / "server" / BUCKET
    up: dict[str, tuple[object, ...]] = {
        "upload": ("upload", uri, endpoint, scratch),
        "upload, MD5": ("upload", uri, endpoint, scratch, "when_required"),
        "raw upload": ("raw-upload", f"{uri}-raw", endpoint, scratch),
    }
    down: dict[str, tuple[object, ...]] = {
        "fetch": ("fetch", uri, endpoint, scratch / "here"),
        "raw fetch": ("raw-fetch", uri, endpoint, scratch / "raw"),
    }
    facts = measured(up, runs, [behind / "run", behind / "run-raw"])
    shutil.rmtree(behind / "run", ignore_errors=True)
    work(*up["upload"])
    facts |= measured(down, runs, [scratch / "here", scratch / "raw"])
    return facts | {"one pass of SHA-256": work("hash", scratch)}


def commits(endpoint: str, scratch: Path, runs: int, count: int) -> dict[str, Any]:
    """All commits of a large run: listed and read."""
    uri = f"s3://{BUCKET}/many"
    work("make-commits", scratch / "server" / BUCKET / "many", count)
    kinds: dict[str, tuple[object, ...]] = {
        "list and read": ("commits", uri, endpoint, scratch / "many"),
        "raw list and read": ("raw-commits", uri, endpoint),
    }
    return {"commits": count, **measured(kinds, runs, [])}


def missed(transferred: dict[str, Any]) -> list[str]:
    """The bars that were not held."""
    ratios = {way: transferred[way]["ratio"] for way in ("upload", "fetch")}
    return [
        f"{way}: {ratio:.2f} times raw boto3, bar {RATIO_BAR}" for way, ratio in ratios.items() if ratio > RATIO_BAR
    ]


def line(name: str, one: dict[str, Any]) -> str:
    """A kind of work in words."""
    ratios = f"{one['ratio']:.2f} times raw boto3 (processor {one['cpu_ratio']:.2f})"
    return f"{name}: {one['seconds']:.2f} s, {ratios}, peak {one['peak_bytes'] / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends, too
    facts: dict[str, Any] = certificate("the store", ("boto3", "botocore", "urllib3", "crossad"))
    quiet = os.getloadavg()[0] <= QUIET * (os.cpu_count() or 1)
    facts |= {"server": build("versitygw").parent.name, "bar_ratio": RATIO_BAR, "quiet_at_start": quiet}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "server") as endpoint:
        facts["transfers"] = transfers(endpoint, Path(folder), arguments.runs)
        facts["commits"] = commits(endpoint, Path(folder), arguments.runs, arguments.commits)
    facts |= {"load_at_end": os.getloadavg(), "missed": missed(facts["transfers"])}
    write_json(arguments.out, facts)
    for name, one in [*facts["transfers"].items(), *facts["commits"].items()]:
        if isinstance(one, dict) and "ratio" in one:
            print(line(name, one))
    print(f"machine quiet at the start: {quiet}\nmissed: {facts['missed'] or 'nothing'}\nwrote {arguments.out}")
    if facts["missed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
