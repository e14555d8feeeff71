"""The store is away for long while a trainer works: by a clock that moves when the trainer does a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from bucketruns import KINDS, fetched, kept, keys, pinned
from faultproxy import Fault, Proxy
from s3servers import Place
from tinydraem import TINY_DRAEM

from crossad.errors import InterruptedRun
from crossad.results.home import BucketHome
from crossad.results.layout import RunPaths
from crossad.results.record import Record
from crossad.store.faults import StoreUnreachable
from crossad.store.opening import open_bucket
from crossad.store.patience import Patience
from crossad.store.s3 import S3Store
from crossad.trainer.run import run_condition

MINUTE = 60.0
PATIENCE = 60 * MINUTE
LONG = {"max_epochs": 20, "early_stopping_patience": 20}  # 40 steps


class Outage:
    """Takes the store away, and is the clock by which everybody waits for it."""

    def __init__(self, proxy: Proxy) -> None:
        self.now, self.free = 0.0, False  # free: nobody moves the clock, so whoever waits does
        self.ends: float | None = None
        self.left = lambda: None  # called when the store is back
        self.proxy, self.fault = proxy, proxy.add("refuse", times=0)
        self._moved = threading.Condition()

    def open(self, place: Place) -> S3Store:
        """The store, as the trainer has it."""
        options = place.options(
            endpoint=self.proxy.endpoint, attempts=1, commit="conditional", patience_seconds=PATIENCE
        )
        return open_bucket(place.uri, options, Patience(PATIENCE, clock=lambda: self.now, sleep=self.sleep))

    def begin(self, seconds: float) -> None:
        """No answers from now on, until so many seconds have passed."""
        self.ends = self.now + seconds
        self.fault.times = 10**6

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        with self._moved:
            self._to(self.now + seconds)

    def let_go(self) -> None:
        """From now on time passes as fast as somebody waits for it."""
        with self._moved:
            self.free = True
            self._moved.notify_all()

    def sleep(self, seconds: float) -> None:
        with self._moved:
            until = self.now + seconds
            while self.now < until:
                if self.free:
                    self._to(until)
                else:
                    self._moved.wait()

    def _to(self, now: float) -> None:
        self.now = now
        if self.ends is not None and now >= self.ends:
            self.ends, self.fault.times = None, 0
            self.left()
        self._moved.notify_all()


@pytest.fixture
def outage(proxy) -> Outage:
    return Outage(proxy)


def await_(fault: Fault, count: int, seconds: float = 60) -> None:
    """Until so many requests have met it."""
    until = time.monotonic() + seconds
    while fault.met < count:
        assert time.monotonic() < until, "nobody asked"
        time.sleep(0.01)


def test_training_goes_on_while_the_store_is_away_for_half_an_hour_and_then_all_arrives(
    task, on, place, outage, store, quick, tmp_path
):
    undisturbed = task(**LONG)
    run_condition(undisturbed)
    steps = len(quick.steps)
    quick.steps.clear()
    pinned(BucketHome(store, tmp_path / "submitter"), undisturbed)
    before: list[str] = []
    back: list[tuple[int, list[str]]] = []
    outage.left = lambda: back.append((len(quick.steps), keys(store)))

    def work(step: int) -> None:
        if step == 2:
            outage.begin(30 * MINUTE)
        if step == 3:
            await_(outage.fault, 1)  # the one thread that sends meanwhile has met it
            before.extend(keys(store))
        outage.pass_(MINUTE)
        if step == steps - 1:
            outage.let_go()

    quick.on_step = work
    record = run_condition(
        on("pod", bucket=outage.open(place), where={"ship_seconds": 0.01, "checkpoint_seconds": 0.0}, **LONG)
    )
    ((done, there),) = back
    assert done == 2 + 30, "a step a minute, none of them waited"
    assert there == before, "nothing arrived meanwhile"
    assert outage.fault.met > 1, "it was asked again"
    assert record.status == "success"
    assert quick.steps == list(range(steps))
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 4, 1]
    assert keys(store, "failures/") == []
    assert fetched(on("laptop").place, "night", "tiny", tmp_path / "fetched") == kept(undisturbed.paths)


def test_a_patience_that_is_spent_is_75_and_no_failure_and_another_machine_continues(
    task, on, place, outage, store, quick, tmp_path
):
    undisturbed = task()
    run_condition(undisturbed)
    quick.steps.clear()
    pinned(BucketHome(store, tmp_path / "submitter"), undisturbed)

    def work(step: int) -> None:
        if step == 2:
            until = time.monotonic() + 60
            while not keys(store, "checkpoints/"):
                assert time.monotonic() < until, "no state was sent"
                time.sleep(0.01)
            outage.begin(10**9)
            outage.let_go()

    quick.on_step = work
    pod = on("pod", bucket=outage.open(place), where={"ship_seconds": 0.01, "checkpoint_seconds": 0.0})
    with pytest.raises(StoreUnreachable, match=r"waited 3[56]\d\d s") as caught:
        run_condition(pod)
    assert caught.value.exit_code == 75
    assert quick.steps == [0, 1, 2, 3]
    assert "progress is saved" in pod.paths.log.read_text().splitlines()[-1]
    assert outage.now < PATIENCE + 10 * MINUTE, "it is waited for once"
    assert keys(store, "failures/") == keys(store, "commits/") == []

    outage.fault.times = 0
    quick.on_step = lambda step: None
    quick.steps.clear()
    record = run_condition(on("another"))
    assert record.training_info.resumed_from_step >= 1
    assert quick.steps == list(range(record.training_info.resumed_from_step, 4))
    assert fetched(on("laptop").place, "night", "tiny", tmp_path / "fetched") == kept(undisturbed.paths)


def test_on_the_same_machine_no_step_is_done_twice_after_a_spent_patience(on, place, outage, store, quick):
    def work(step: int) -> None:
        if step == 2:
            outage.begin(10**9)
            outage.let_go()

    quick.on_step = work
    pod = on("pod", bucket=outage.open(place))
    with pytest.raises(StoreUnreachable):
        run_condition(pod)
    outage.fault.times = 0
    quick.on_step = lambda step: None
    quick.steps.clear()
    assert run_condition(on("pod")).status == "success"
    assert quick.steps == []


def test_a_stop_during_the_wait_ends_it_and_what_was_reached_is_there(on, place, outage, store, quick):
    stopped = threading.Event()
    bucket = outage.open(place)
    bucket = open_bucket(place.uri, bucket.options, bucket.patience.until(stopped))
    pod = on("pod", bucket=bucket, where={"ship_seconds": 0.01, "checkpoint_seconds": 0.0})

    def work(step: int) -> None:
        if step == 2:
            outage.begin(10**9)
            await_(outage.fault, 1)
            pod.interrupt.request()  # as SIGTERM does: both are one event on a command line
            stopped.set()
            outage.let_go()

    quick.on_step = work
    with pytest.raises(InterruptedRun):
        run_condition(pod)
    assert outage.now < MINUTE
    assert keys(store, "failures/") == []
    outage.fault.times = 0
    quick.on_step = lambda step: None
    quick.steps.clear()
    assert run_condition(on("pod")).status == "success"
    assert quick.steps == [3]


def test_sigterm_while_a_pod_waits_for_the_store_is_75_at_once_and_the_next_pod_trains_no_step(
    domains, place, proxy, store, tmp_path
):
    suite = tmp_path / "suite.json"
    config = {**TINY_DRAEM, "target_domains": ["domain_B"], "max_epochs": 1, "num_workers": 0}
    suite.write_text(json.dumps({"experiment_conditions": [{"name": "tiny", "config": config}]}))

    def pod(name: str) -> subprocess.Popen[str]:
        words = ["train", "--config", suite, "--experiment-id", "0", "--run", "night", "--gpu-id", "cpu"]
        words += ["--data", domains, "--results-dir", tmp_path / name, "--store", place.uri]
        words += ["--store-option", f"endpoint={proxy.endpoint}", "--store-option", "attempts=1"]
        words += ["--store-option", "commit=conditional", "--ship-seconds", "0.2", "--checkpoint-seconds", "0"]
        words += [
            "--grace-seconds",
            "300",
        ]  # at its end the process would be ended in a harder way, without a last line
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "crossad", *map(str, words)], env=environment, stderr=subprocess.PIPE, text=True
        )

    away = proxy.add("refuse", "PUT", "/commits/", times=10**6)
    first = pod("one")
    await_(away, 2, 240)
    first.terminate()
    _, said = first.communicate(timeout=240)
    assert first.returncode == 75, said
    assert "Traceback" not in said
    log = RunPaths(tmp_path / "one", "night").condition("tiny").log.read_text()
    assert "Interrupted: tiny" in log.splitlines()[-1]
    assert keys(store, "failures/") == keys(store, "commits/") == []

    away.times = 0
    second = pod("two")
    _, said = second.communicate(timeout=240)
    assert second.returncode == 0, said
    (path,) = RunPaths(tmp_path / "two", "night").condition("tiny").records()
    info = Record.model_validate_json(path.read_bytes()).training_info
    assert info.resumed_from_step == info.total_steps
