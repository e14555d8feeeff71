"""The child processes of benchmarks/store.py: each does one thing, and prints its seconds and requests as JSON.

Imports come before the clock starts: a trainer and a `fetch` have done them anyway, and raw boto3 needs its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3.session
import botocore.client
from boto3.s3.transfer import TransferConfig
from storeload import (
    DETAILS,
    DOMAINS,
    FACTS,
    RECORD,
    RUN,
    WEIGHTS_MIB,
    attempt_of,
    commit,
    id_of,
    log,
    make_commits,
    make_run,
    name_of,
    picture_folder,
    plan_of,
)  # fmt: skip

from crossad.crew import spread
from crossad.fetch.session import THREADS, fetch
from crossad.files import sha256_file
from crossad.results.home import BucketHome, Kept
from crossad.results.layout import RunPaths
from crossad.results.outbox import Finished, Sender
from crossad.results.shipping import FILES, BucketOutbox
from crossad.store.boto import Connection
from crossad.store.opening import open_store
from crossad.store.options import Checksums, S3Options

PART = S3Options().part_bytes
Facts = dict[str, Any]


def opened(uri: str, endpoint: str, results: Path, checksums: Checksums = "auto") -> BucketHome:
    options = S3Options(endpoint=endpoint, commit="conditional", checksums=checksums)
    return BucketHome(open_store(uri, options), results, options)


def upload(uri: str, endpoint: str, tree: str, checksums: Checksums = "auto") -> Facts:
    """All conditions of a run as trainers send them: weights and archives as they are finished, then the rest."""
    results = Path(tree) / "results"
    home = opened(uri, endpoint, results, checksums)
    for number in range(len(WEIGHTS_MIB)):
        paths = RunPaths(results, RUN).condition(name_of(number))
        sender = Sender(attempt_of(number), id_of(number), name_of(number), RUN, paths)
        for path in (paths.log, paths.detail_log, paths.manifest):
            path.unlink(missing_ok=True)
        elsewhere: dict[Path, Kept] = {}
        pictures: dict[Path, Kept] = {}
        with BucketOutbox(home, sender, print) as outbox:

            def keep(into: dict[Path, Kept], name: Path, path: Path, outbox: BucketOutbox = outbox) -> None:
                outbox.later(lambda: into.update({name: home.keep(path, outbox.key(path.name))}))

            paths.log.write_bytes(log(number, FACTS))
            paths.detail_log.write_bytes(log(number, DETAILS))
            weights = paths.root / f"tensorboard_logs/checkpoints/weights-{number}.safetensors"
            keep(elsewhere, weights, weights)
            for domain in DOMAINS:
                keep(pictures, picture_folder(paths.root, domain), Path(tree) / "packed" / f"{number}-{domain}.zip")
            outbox.settle()
            done = outbox.publish(Finished(paths.root / RECORD, elsewhere, pictures))
        commit(home, number, done.record, done.manifest)
    home.state.put(f"runs/{RUN}/plans/0001.json", plan_of(len(WEIGHTS_MIB)).model_dump_json().encode())
    return {}


def raw_client(endpoint: str, connections: int) -> Any:  # noqa: ANN401 - boto3's client
    settings = botocore.client.Config(max_pool_connections=connections, s3={"addressing_style": "path"})
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=settings)


def raw_upload(uri: str, endpoint: str, tree: str) -> Facts:
    """The same files by `upload_file`, in the same order: weights and archives one by one, then the others.

    As many files at once, the same parts, the same threads.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client, results = raw_client(endpoint, 4 * FILES), Path(tree) / "results"
    settings = TransferConfig(
        multipart_threshold=PART + 1, multipart_chunksize=PART, max_concurrency=S3Options().threads
    )
    with ThreadPoolExecutor(FILES) as pool:
        for number in range(len(WEIGHTS_MIB)):
            root, below = RunPaths(results, RUN).condition(name_of(number)).root, f"{prefix}/{attempt_of(number)}"

            def send(path: Path, below: str = below) -> None:
                client.upload_file(str(path), bucket, f"{below}/{path.parent.name}-{path.name}", Config=settings)

            weights = root / f"tensorboard_logs/checkpoints/weights-{number}.safetensors"
            first = [weights, *(Path(tree) / "packed" / f"{number}-{domain}.zip" for domain in DOMAINS)]
            for path in first:
                send(path)
            others = [path for path in root.rglob("*") if path.is_file() and "visualizations" not in path.parts]
            list(pool.map(send, [path for path in others if path not in first]))
    return {}


def bring(uri: str, endpoint: str, folder: str) -> Facts:
    fetched = fetch(opened(uri, endpoint, Path(folder)), RUN, Path(folder))
    if fetched.damaged:
        raise SystemExit(f"damaged: {fetched.damaged}")
    return {"files": fetched.files, "bytes": fetched.bytes, "conditions": len(fetched.done)}


def raw_fetch(uri: str, endpoint: str, folder: str) -> Facts:
    """All objects of the attempts by `download_file`, with the same threads."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = raw_client(endpoint, THREADS)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/attempts/")
    found = sorted((item for page in pages for item in page["Contents"]), key=lambda item: -item["Size"])
    settings = TransferConfig(use_threads=False)

    def one(item: dict[str, Any]) -> None:
        target = Path(folder) / item["Key"]
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, item["Key"], str(target), Config=settings)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, found))
    return {"files": len(found), "bytes": sum(item["Size"] for item in found)}


def commits(uri: str, endpoint: str, folder: str) -> Facts:
    """List all commits of conditions, read each."""
    home = opened(uri, endpoint, Path(folder))
    began = time.perf_counter()
    names = [entry.key for entry in home.state.list("commits/condition-")]
    listed = time.perf_counter() - began
    with spread(home.ledger.read, names, THREADS) as read:
        bodies = sum(1 for _, body in read if body)
    return {"commits": bodies, "listing_seconds": listed}


def raw_commits(uri: str, endpoint: str) -> Facts:
    """The same by `list_objects_v2` and `get_object`, with the same threads."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = raw_client(endpoint, THREADS)
    began = time.perf_counter()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/commits/condition-")
    names = [item["Key"] for page in pages for item in page["Contents"]]
    listed = time.perf_counter() - began

    def read(name: str) -> bool:
        return bool(json.loads(client.get_object(Bucket=bucket, Key=name)["Body"].read()))

    with ThreadPoolExecutor(THREADS) as pool:
        return {"commits": sum(pool.map(read, names)), "listing_seconds": listed}


def hash_all(tree: str) -> Facts:
    """SHA-256 of all that is sent: what no verified transfer can do without."""
    folder = Path(tree)
    files = [path for path in [*folder.glob("results/**/*"), *folder.glob("packed/*")] if path.is_file()]
    sent = [path for path in files if "visualizations" not in path.parts]
    began = time.process_time()
    for path in sent:
        sha256_file(path)
    return {"hashing_cpu_seconds": time.process_time() - began, "bytes": sum(path.stat().st_size for path in sent)}


def make(tree: str) -> Facts:
    make_run(Path(tree) / "results")
    return {}


def make_many(folder: str, count: str) -> Facts:
    make_commits(Path(folder), int(count))
    return {}


WORK: dict[str, Callable[..., Facts]] = {
    "upload": upload, "raw-upload": raw_upload, "fetch": bring, "raw-fetch": raw_fetch, "commits": commits,
    "raw-commits": raw_commits, "hash": hash_all, "make": make, "make-commits": make_many,
}  # fmt: skip


def main() -> None:
    requests = 0
    call = Connection.call

    def counted(*arguments: Any, **parameters: Any) -> Any:  # noqa: ANN401 - as `call` has them
        nonlocal requests
        requests += 1
        return call(*arguments, **parameters)

    Connection.call = counted  # type: ignore[method-assign]
    began, used = time.perf_counter(), time.process_time()
    facts = WORK[sys.argv[1]](*sys.argv[2:])
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}
    print(json.dumps({**spent, "requests": requests, **facts}))


if __name__ == "__main__":
    main()
