"""A `crossad fetch` that is ended while its link is silent: nothing half-written counts, the next call goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faultproxy import Proxy
from fetchworld import RUN, WEIGHTS, World, entry, files, unfinished
from s3servers import Place

from crossad.results.home import BucketHome, Kept
from crossad.store.landing import BLOCK

PROGRAM = Path(sys.executable).with_name("crossad")
BIG = "attempts/att-big/big.safetensors"  # no other object's name begins so: only this one stalls
SIZE = 4 * BLOCK + 100
ARRIVED = 2 * BLOCK  # of the half that the proxy lets through: whole blocks


@pytest.fixture
def big(versitygw: Place, tmp_path: Path) -> Kept:
    """A run of one condition with large weights, and those."""
    world = World(BucketHome(versitygw.open(), tmp_path / "work"), tmp_path / "scratch")
    weights = world.kept(BIG, bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256))
    world.plan(entry(0, "one"))
    world.done("one", "att-one", weights)
    return weights


def begun(place: Place, proxy: Proxy, here: Path) -> subprocess.Popen[str]:
    options = ["--store-option", f"endpoint={proxy.endpoint}", "--store-option", "attempts=1"]
    command = [PROGRAM, "fetch", RUN, here, "--store", place.uri, *options]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def part_of(here: Path) -> Path | None:
    folder = (here / RUN / f"one_{RUN}" / WEIGHTS).parent  # no other: folders come and go while a fetch runs
    return next(iter(folder.glob(".weights-*.part")), None)


def wait_for_half(process: subprocess.Popen[str], here: Path) -> None:
    """Until all whole blocks of what the proxy let through are in the unfinished file, and everything else is here."""
    while process.poll() is None:
        part = part_of(here)
        if part is not None and part.stat().st_size >= ARRIVED:
            return
        time.sleep(0.05)
    pytest.fail(f"fetch ended with {process.returncode}: {process.communicate()}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_fetch_ended_on_a_stalling_link_leaves_nothing_that_counts_and_the_next_goes_on(
    big: Kept, versitygw: Place, proxy: Proxy, tmp_path: Path, number: signal.Signals
) -> None:
    here, weights = tmp_path / "here", tmp_path / "here" / RUN / f"one_{RUN}" / WEIGHTS
    stalled = proxy.add("stall", "GET", BIG)
    with begun(versitygw, proxy, here) as process:
        wait_for_half(process, here)
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    assert stalled.times == 0
    assert process.returncode == {signal.SIGKILL: -9}.get(number, 130), told
    assert "Traceback" not in told
    assert not weights.exists()
    assert not list(here.rglob("manifest.json")), "a condition counts once all of it is here"
    assert not list(here.rglob("commits/*"))
    seen = len(proxy.seen)
    with begun(versitygw, proxy, here) as process:
        _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    asked = [headers.get("range") for method, path, headers in proxy.seen[seen:] if method == "GET" and BIG in path]
    assert asked == [f"bytes={ARRIVED}-"]
    assert weights.stat().st_size == SIZE
    assert files(here)[weights.relative_to(here).as_posix()] == big.sha256
    assert unfinished(here) == []
    assert list(here.rglob("manifest.json"))
