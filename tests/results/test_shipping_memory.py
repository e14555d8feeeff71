"""What an attempt ships and brings back goes through memory in pieces, however large it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from s3servers import Place

MIB = 2**20
LARGE, BOUND = 256 * MIB, 128 * MIB  # a state, and twice what the store's options allow: four parts of 16 MiB

TRAINER = """
import json, re, sys
from pathlib import Path

from crossad.results.home import BucketHome
from crossad.results.layout import RunPaths
from crossad.results.outbox import Sender
from crossad.results.shipping import BucketOutbox
from crossad.store.opening import open_bucket
from crossad.store.options import S3Options

uri, endpoint, folder, size = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
store = open_bucket(uri, S3Options(endpoint=endpoint, commit="conditional"))

def peak():  # not getrusage's, which knows what the process that started this one needed
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def outbox(name):
    home = BucketHome(store, folder / name)
    return BucketOutbox(home, Sender(name, "c", "c", "r", RunPaths(home.results, "r").condition("c")), print)

def sent(name, size):
    state = folder / f"{name}.safetensors"
    with state.open("wb") as handle:
        handle.truncate(size)
    with outbox(name) as box:
        box.checkpoint(name, "key", state, 7)

def brought(name):
    with outbox(f"heir of {name}".replace(" ", "-")) as box:
        box.resume(name, "key", folder / f"{name}-again.safetensors", -1)

sent("small", 2**20)  # what both ways need whatever the size: libraries, connections, threads
brought("small")
before = peak()
sent("large", size)
up = peak()
brought("large")
print(json.dumps({"up": up - before, "down": peak() - up}))
"""


@pytest.mark.timeout(600)
def test_a_large_state_is_sent_and_brought_back_in_bounded_memory(place: Place, tmp_path: Path) -> None:
    words = [sys.executable, "-c", TRAINER, place.uri, place.endpoint, str(tmp_path), str(LARGE)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "large-again.safetensors").stat().st_size == LARGE
    grown = json.loads(done.stdout)
    assert grown["up"] < BOUND
    assert grown["down"] < BOUND
