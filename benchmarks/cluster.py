"""P4: a suite of 10,000 conditions: check and plan it, render it, create its Jobs, look at them.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --conditions 1000 --runs 1

The API server and etcd are those of the tests (`make cluster` builds them), started for this run alone and without
controllers, so that nothing else takes their time. The raw rate is what that server takes from as many threads that
send the same requests, to the byte, as ready-made bytes by libcurl on kept connections, and see nothing but the status.
A submission is all that `crossad submit` does with a plan until its Jobs are there: it pins plan and settings in the
store, reads them again, lists what is there, decides, makes the Jobs, creates them, and notes them. Half of the raw
creations come before it and half after it: the rate of a server falls as it fills.

The status is that of a run late in its night: so many Jobs as `control.maxActive` lets be unfinished have a pod that
waits, the others are complete. Beside it stands that of a suite which was applied as files, all at once: each Job has a
pod that waits; `render` warns of that way above 500 Jobs.

All of it is done three times, each with a server of its own, because a machine that others share is twice as fast in
one minute as in the next; of each figure the middle one counts. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from certificate import RESULTS, certificate
from clusterload import end_all_but, pods, raw
from msgspec.json import encode

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/cluster"), str(ROOT / "tests/servers")]

import clusterbuild  # noqa: E402 - after the path
import planeserver  # noqa: E402 - as above
from plane import Plane  # noqa: E402 - as above

from crossad.conditions.suite import load_suite  # noqa: E402 - as above
from crossad.control.creating import THREADS  # noqa: E402 - as above
from crossad.control.reconcile import Reconciler  # noqa: E402 - as above
from crossad.control.submission import pin  # noqa: E402 - as above
from crossad.files import write_json  # noqa: E402 - as above
from crossad.kube.cluster import open_cluster  # noqa: E402 - as above
from crossad.kube.resources import JOBS, PODS, SERVICE_ACCOUNTS  # noqa: E402 - as above
from crossad.kube.target import Target  # noqa: E402 - as above
from crossad.manifests.job import trainer_jobs  # noqa: E402 - as above
from crossad.manifests.load import parse_settings  # noqa: E402 - as above
from crossad.manifests.parts import Control  # noqa: E402 - as above
from crossad.manifests.planning import make_plan  # noqa: E402 - as above
from crossad.manifests.settings import Settings  # noqa: E402 - as above
from crossad.results.home import BucketHome, Home  # noqa: E402 - as above
from crossad.results.plan import Plan  # noqa: E402 - as above
from crossad.store.folder import FolderStore  # noqa: E402 - as above

RESULT = RESULTS / "cluster.json"
WARM = 200  # creations before anything is measured
RUN = "night1"
SUBMITTED, RAW, WARMING = "submitted", "raw-bytes", "warming"  # namespaces; the first two are equally long
BARS = {"plan_seconds": 5.0, "render_seconds": 10.0, "status_seconds": 3.0, "status_peak_bytes": 150e6}
LEAST_RATIO = 0.8
LOOK = """
import json, pathlib, sys, time, types
start = time.perf_counter()
from crossad.cli.cluster import Reach
from crossad.cli.images import Address
from crossad.cli.sight import Looker
from crossad.cli.standings import print_standings
from crossad.results.home import BucketHome
from crossad.store.folder import FolderStore
kubeconfig, run, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
place = types.SimpleNamespace(home=lambda: BucketHome(FolderStore(folder / "bucket"), folder / "work"))
with Looker(place, Reach(kubeconfig), (run,), Address()) as looker:
    sight = looker.look()
    print_standings(looker.plan, sight, everything=False)
seconds, told = time.perf_counter() - start, pathlib.Path("/proc/self/status").read_text()
peak = int(told.partition("VmHWM:")[2].split()[0]) * 1024  # not ru_maxrss: that is at least the parent's
found = {"jobs": sum(bool(row.job) for row in sight.rows), "processor_seconds": time.process_time()}
print(json.dumps({**found, "seconds": seconds, "peak_bytes": peak}))
"""
DIGEST = f"sha256:{'0' * 64}"
SETTINGS = {
    "images": {"trainer": f"registry.example/trainer@{DIGEST}", "controller": f"registry.example/slim@{DIGEST}"},
    "store": {"uri": "s3://bucket/prefix"},
    "data": {"claim": "hdmap", "domains": ["domain_A", "domain_B", "domain_C", "domain_D"]},
    "control": {"maxActive": 1_000_000},
}


def suite(conditions: int) -> dict[str, Any]:
    """The shipped suite's first condition, written out with a seed each: nothing is shared, nothing expanded."""
    first = json.loads((ROOT / "conditions/base.json").read_text())["experiment_conditions"][0]
    seeds = [
        {**first, "name": f"seed_{seed}", "config": {**first["config"], "seed": seed}} for seed in range(conditions)
    ]
    return {"suite": {"name": "many"}, "experiment_conditions": seeds}


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def used() -> float:
    """Processor seconds of the children that have ended: what a busy machine does not change much."""
    told = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime


def crossad(*words: str, folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of one process of the program."""
    program, before = str(Path(sys.executable).with_name("crossad")), used()
    seconds = timed(lambda: subprocess.run([program, *words], cwd=folder, stdout=subprocess.DEVNULL, check=True))
    return seconds, used() - before


def bodies(plan: Plan, settings: Settings, namespace: str) -> Iterator[bytes]:
    """The Jobs of a plan as bytes, in a namespace of their own."""
    for job in trainer_jobs(plan, settings.model_copy(update={"namespace": namespace})):
        yield encode(job)


def rates(plane: Plane, plan: Plan, settings: Settings, home: Home) -> dict[str, Any]:
    """Raw creations, a submission, and raw creations again."""
    ready = list(bodies(plan, settings, RAW))
    half = len(ready) // 2
    cluster = open_cluster(Target(str(plane.kubeconfig(None, SUBMITTED))), lambda text: None)

    def submit() -> None:
        pin(home, plan, settings, ("crossad", "submit"))
        Reconciler(cluster, home, RUN, lambda text: None).once()

    phases = {
        "raw_before": lambda: raw(plane, JOBS.path(RAW), ready[:half]),
        "submit": submit,
        "raw_after": lambda: raw(plane, JOBS.path(RAW), ready[half:]),
    }
    raw(plane, JOBS.path(WARMING), list(islice(bodies(plan, settings, WARMING), WARM)))
    seconds, client = {}, {}
    for name, work in phases.items():
        before = time.process_time()
        seconds[name] = timed(work)
        client[name] = time.process_time() - before
    cluster.close()
    there = len(open_cluster(Target(str(plane.kubeconfig(None, SUBMITTED))), print).gather(JOBS, lambda job: None))
    if there != len(ready):
        raise SystemExit(f"the submission made {there} Jobs of {len(ready)}")
    raw_rate = len(ready) / (seconds["raw_before"] + seconds["raw_after"])
    submit_rate = len(ready) / seconds["submit"]
    return {
        "job_bytes": sum(map(len, ready)) // len(ready),
        "seconds": seconds,
        "client_processor_seconds": client,
        "raw_per_second": raw_rate,
        "submit_per_second": submit_rate,
        "submit_of_raw": submit_rate / raw_rate,
    }


def looked(plane: Plane, folder: Path) -> dict[str, Any]:
    """What a process of its own says that shows the run's status once: plan, Jobs, store, table; imports included."""
    command = [sys.executable, "-c", LOOK, str(plane.kubeconfig(None, SUBMITTED)), RUN, str(folder)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def measure(conditions: int, folder: Path) -> dict[str, Any]:
    """Every number of the record."""
    file, cluster_file = folder / "suite.json", folder / "settings.json"
    file.write_text(json.dumps(suite(conditions)))
    cluster_file.write_text(json.dumps({**SETTINGS, "namespace": SUBMITTED}))
    rendered = ("render", str(file), "-o", str(folder / "out"), "--settings", str(cluster_file))
    verbs = {"validate": ("validate", str(file)), "outlook": ("plan", str(file)), "render": rendered}
    found: dict[str, Any] = {}
    for name, words in verbs.items():
        found[f"{name}_seconds"], found[f"{name}_processor_seconds"] = crossad(*words, folder=folder)
    found["plan_seconds"] = found["validate_seconds"] + found["outlook_seconds"]
    settings = parse_settings("settings.json", cluster_file.read_text())
    plan = make_plan("many", load_suite(file).conditions, settings, RUN)
    (folder / "plane").mkdir()
    with planeserver.serving(folder / "plane", alone=True) as plane:
        for name in (SUBMITTED, RAW, WARMING):
            plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        # what a controller would make; without it no pod is admitted
        plane.request("POST", SERVICE_ACCOUNTS.path(SUBMITTED), {"metadata": {"name": "default"}})
        found |= rates(plane, plan, settings, BucketHome(FolderStore(folder / "bucket"), folder / "work"))
        submitted = open_cluster(Target(str(plane.kubeconfig(None, SUBMITTED))), print)
        raw(plane, PODS.path(SUBMITTED), pods(submitted))
        found["status_all_wait"] = looked(plane, folder)
        end_all_but(plane, submitted, Control().max_active)
        found["status"] = looked(plane, folder)
    found["status_seconds"], found["status_peak_bytes"] = found["status"]["seconds"], found["status"]["peak_bytes"]
    found["status_all_wait_seconds"] = found["status_all_wait"]["seconds"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    head = certificate("P4 cluster", ("crossad", "kubernetes", "pycurl", "pydantic", "msgspec"))
    runs = []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(measure(arguments.conditions, Path(folder)))
    shown = (*BARS, "status_all_wait_seconds", "raw_per_second", "submit_per_second", "submit_of_raw")
    found = {name: statistics.median(run[name] for run in runs) for name in shown}
    missed = [name for name, bar in BARS.items() if found[name] >= bar]
    missed += ["submit_of_raw"] if found["submit_of_raw"] < LEAST_RATIO else []
    bars = {**BARS, "submit_of_raw": LEAST_RATIO}
    told = {
        **head,
        "conditions": arguments.conditions,
        "threads": THREADS,
        "bars": bars,
        "missed": missed,
        **found,
        "runs": runs,
    }
    told["versions"]["kubernetes server"] = clusterbuild.KUBERNETES
    write_json(arguments.out, {**told, "load_at_end": list(os.getloadavg())})
    for name in shown:
        print(f"{name:<20} {found[name]:>14,.2f}{'  bar ' + format(bars[name], ',.1f') if name in bars else ''}")
    print(f"wrote {arguments.out}; missed: {', '.join(missed) or 'nothing'}")
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
