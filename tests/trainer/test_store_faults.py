"""A trainer, stopped once and continued elsewhere, while the store does what stores do; then as if nothing had been."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from bucketruns import KINDS, fetched, kept, keys, pinned
from faultproxy import Proxy

from crossad.errors import InterruptedRun
from crossad.results.home import BucketHome
from crossad.trainer.finish import exit_code
from crossad.trainer.run import run_condition

EVER = 10**6  # times


def storm(status: int, code: str, every: int = 2) -> Callable[[Proxy], object]:
    return lambda proxy: proxy.add("refuse", times=EVER, every=every, status=status, code=code)


def commits(kind: str, **more: object) -> Callable[[Proxy], object]:
    """A fault at the first of each two requests that would commit something."""
    return lambda proxy: proxy.add(kind, "PUT", "/commits/", times=EVER, every=2, **more)


def bodies(kind: str) -> Callable[[Proxy], object]:
    """A fault at every second answer with a body, listings included."""
    return lambda proxy: proxy.add(kind, "GET", times=EVER, every=2)


FAULTS: dict[str, Callable[[Proxy], object]] = {
    "a storm of 503": storm(503, "SlowDown"),
    "a storm of 500": storm(500, "InternalError"),
    "no connection for long": lambda proxy: proxy.add("cut", times=EVER, every=3),
    "time-outs": lambda proxy: proxy.add("mute", times=8, every=5),
    "requests cut in their bodies": lambda proxy: proxy.add("cut-request", "PUT", times=EVER, every=2),
    "answers cut": bodies("truncate"),
    "answers that stop half-way": lambda proxy: proxy.add("stall", "GET", times=6, every=3),
    "a damaged state": lambda proxy: proxy.add("corrupt", "GET", "/checkpoints/step-", times=EVER),
    "lost answers to commits": commits("lose"),
    "lost answers to everything": lambda proxy: proxy.add("lose", times=EVER, every=2),
    "conflicts at commits": commits("refuse", status=409, code="ConditionalRequestConflict"),
    "commits refused for what is not there": commits("refuse", status=412, code="PreconditionFailed"),
    "a slow link": lambda proxy: proxy.add("trickle", times=EVER),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_store_does_the_result_is_that_of_an_undisturbed_run(
    fault, task, on, place, proxy, store, quick, tmp_path
):
    undisturbed = task()
    run_condition(undisturbed)
    quick.steps.clear()
    pinned(BucketHome(store, tmp_path / "submitter"), undisturbed)

    FAULTS[fault](proxy)
    bucket = place.behind(proxy, read_timeout_seconds=1.0, patience_seconds=120.0)
    first = on("one", bucket=bucket)
    quick.on_step = lambda step: first.interrupt.request() if step == 2 else None
    with pytest.raises(InterruptedRun):
        run_condition(first)
    quick.on_step = lambda step: None
    record = run_condition(on("two", bucket=bucket))
    assert exit_code(record) == 0
    assert quick.steps == [0, 1, 2] + ([0, 1, 2, 3] if fault == "a damaged state" else [3])
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 4, 1]
    assert keys(store, "failures/") == keys(store, "withdrawn/") == []
    assert len(keys(store, "checkpoints/")) == 1, "the first attempt's, which only the janitor removes"
    assert store.bucket.uploads() == ([], "")
    assert fetched(BucketHome(bucket, tmp_path / "laptop"), "night", "tiny", tmp_path / "fetched") == kept(
        undisturbed.paths
    )


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_at_a_commit_at_once_one_wins_and_both_end_well(kind, task, on, place, proxy, store, quick, tmp_path):
    """The first one's request waits on the network until the second one is done with everything."""
    undisturbed = task()
    run_condition(undisturbed)
    pinned(BucketHome(store, tmp_path / "submitter"), undisturbed)
    reached, released = proxy.hold("PUT", f"/{kind}", seen=1)
    held: list[object] = []
    slow = on("slow", bucket=place.behind(proxy))
    thread = threading.Thread(target=lambda: held.append(run_condition(slow)))
    thread.start()
    try:
        assert reached.wait(60)
        quickly = run_condition(on("quick"))
    finally:
        released.set()
        thread.join(120)
    (slowly,) = held
    assert (exit_code(quickly), exit_code(slowly)) == (0, 0)
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 4, 1]
    assert keys(store, "failures/") == []
    assert fetched(on("laptop").place, "night", "tiny", tmp_path / "fetched") == kept(undisturbed.paths)
