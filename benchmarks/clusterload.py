"""What the API server of `cluster.py` is filled with, by requests of ready-made bytes."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pycurl

sys.path[:0] = [str(Path(__file__).parents[1] / "tests/cluster")]

from plane import Plane  # noqa: E402 - after the path

from crossad.control.creating import THREADS  # noqa: E402 - as above
from crossad.kube.cluster import Cluster  # noqa: E402 - as above
from crossad.kube.connection import METADATA  # noqa: E402 - as above
from crossad.kube.resources import JOBS, PODS  # noqa: E402 - as above


def raw(plane: Plane, path: str, bodies: Sequence[bytes]) -> float:
    """Seconds to create objects of ready-made bytes."""
    path = f"{path}?fieldValidation=Strict&fieldManager=crossad"
    return send_all(plane, [("POST", path, body) for body in bodies], "application/json")


def send_all(plane: Plane, requests: Sequence[tuple[str, str, bytes]], kind: str) -> float:
    """Seconds for requests of ready-made bytes: threads, kept connections, nothing else."""
    left: queue.SimpleQueue[tuple[str, str, bytes]] = queue.SimpleQueue()
    for request in requests:
        left.put(request)
    headers = [f"Accept: {METADATA}", "User-Agent: raw", f"Content-Type: {kind}", "Expect:"]
    headers.append(f"Authorization: Bearer {plane.tokens['admin']}")
    bad: list[int] = []

    def send() -> None:
        curl = pycurl.Curl()
        curl.setopt(pycurl.CAINFO, str(plane.ca))
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.WRITEFUNCTION, lambda part: None)
        while True:
            try:
                method, path, body = left.get_nowait()
            except queue.Empty:
                return
            curl.setopt(pycurl.URL, plane.url + path)
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.CUSTOMREQUEST, method)
            curl.perform()
            if (status := curl.getinfo(pycurl.RESPONSE_CODE)) not in (200, 201):
                bad.append(status)

    threads = [threading.Thread(target=send) for _ in range(THREADS)]

    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if bad:
        raise SystemExit(f"the server refused {len(bad)} raw requests, such as with {bad[0]}")
    return seconds


def pods(cluster: Cluster) -> list[bytes]:
    """A pod for every Job, as the Job controller would make it."""

    def keep(job: dict[str, Any]) -> bytes:
        told, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": told["name"], "uid": told["uid"], "controller": True}
        metadata = {**template["metadata"], "name": f"{told['name']}-x", "ownerReferences": [owner]}
        return json.dumps({"metadata": metadata, "spec": template["spec"]}).encode()

    return cluster.gather(JOBS, keep)


def end_all_but(plane: Plane, cluster: Cluster, working: int) -> None:
    """All Jobs but some are complete, and their pods have ended with 0, as late in a night."""
    names = cluster.gather(JOBS, lambda job: str(job["metadata"]["name"]))[working:]
    when = "2026-11-26T00:00:00Z"
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": when} for kind in ("SuccessCriteriaMet", "Complete")
    ]
    done = {"startTime": when, "completionTime": when, "succeeded": 1, "uncountedTerminatedPods": {}}
    ended = json.dumps({"status": {**done, "conditions": conditions}}).encode()
    requests = [("PATCH", JOBS.path(cluster.place.namespace, name, "status"), ended) for name in names]
    over = json.dumps({"status": {"phase": "Succeeded"}}).encode()
    requests += [("PATCH", PODS.path(cluster.place.namespace, f"{name}-x", "status"), over) for name in names]
    send_all(plane, requests, "application/merge-patch+json")
