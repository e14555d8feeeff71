"""A controller that is killed anywhere, and started again, ends where an undisturbed one does.

It is killed after each of its writes in turn: what it did between two writes is in its memory alone, so a kill there is
the same as one right after the write before.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from crossad.control.aggregation import Ended
from crossad.kube.connection import Connection, Reply
from crossad.kube.target import Target
from crossad.manifests import words
from crossad.results.home import BucketHome
from crossad.store.base import Once

from .conftest import RUN, Lab, Store, ids, make_plan

# writes of an undisturbed controller on this run: how many notes it makes depends on how fast its Jobs end
LEAST, MOST = 11, 15


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


@dataclass
class Fuse:
    """Kills its controller after so many writes; the dead write nothing more."""

    left: int
    burnt: int = 0

    def write(self) -> None:
        """A write was done."""
        self.burnt += 1
        self.left -= 1
        self.check()

    def check(self) -> None:
        """Nothing is asked or written by the dead."""
        if self.left <= 0:
            raise Killed


class FusedConnection(Connection):
    """Every POST and DELETE is a write."""

    fuse: Fuse

    def request(self, method: str, *arguments: Any, **more: Any) -> Reply:
        self.fuse.check()
        reply = super().request(method, *arguments, **more)
        if method != "GET":
            self.fuse.write()
        return reply


class FusedStore(Store):
    """Every object that was not there is a write."""

    fuse: Fuse

    def create_once(self, key: str, data: bytes) -> Once:
        self.fuse.check()
        new = self.read_once(key) is None
        done = super().create_once(key, data)
        if new:
            self.fuse.write()
        return done


def controller(lab: Lab, fuse: Fuse) -> Any:
    """A controller of a process of its own: nothing in its memory, and it may die."""
    cluster = lab.cluster()
    connection = FusedConnection(Target(kubeconfig=str(lab.plane.kubeconfig(None, lab.namespace))), {})
    connection.fuse = fuse
    cluster._connection = connection
    store = FusedStore(lab.folder / "bucket")
    store.fuse = fuse
    living, lab.home = lab.home, BucketHome(store, lab.folder / "work")
    worker = lab.reconciler(RUN, cluster, threads=1)
    lab.home = living
    return worker


def asked_for(lab: Lab) -> None:
    """Four Jobs, two at a time: one fails, one commits nothing, two share a training; one waits to be removed."""
    lab.trainers.codes = {"a": [66] * 9}
    lab.trainers.silent = {"b"}
    lab.pin(make_plan("a", "b", "c/t", "d/t", "e"), **{"control.maxActive": 2})


def work(lab: Lab, fuse: Fuse) -> Ended:
    left = iter(range(400))

    def wait(seconds: float) -> bool:
        lab.trainers.step()
        return next(left, None) is None

    found = controller(lab, fuse).work(wait)
    assert isinstance(found, Ended)
    return found


def end_state(lab: Lab) -> tuple[object, ...]:
    verdicts = {one: found and (found.kind, found.exit_code) for one in "abcde" for found in [lab.verdict(one)]}
    commits = sorted(lab.home.ledger.commits("condition"))
    return verdicts, commits, ids(lab.jobs()), len(lab.jobs(words.REPORT)), lab.trainers.reports


EXPECTED = (
    {"a": ("failed", 66), "b": ("failed", 0), "c": None, "d": None, "e": None},
    ["c", "d", "e"],
    [["a"], ["b"], ["c", "d"], ["e"]],
    1,
    [3],
)


def test_an_undisturbed_one(lab: Lab) -> None:
    asked_for(lab)
    fuse = Fuse(10_000)
    assert work(lab, fuse).exit_code == 3
    assert end_state(lab) == EXPECTED
    assert LEAST <= fuse.burnt <= MOST, "mend the numbers: it is to be killed after every write"


@pytest.mark.parametrize("write", range(1, MOST + 1))
def test_killed_after_each_write(lab: Lab, write: int) -> None:
    asked_for(lab)
    fuse = Fuse(write)
    with contextlib.suppress(Killed):
        work(lab, fuse)
    assert fuse.left <= 0 or write > LEAST, "it was not killed"
    assert work(lab, Fuse(10_000)).exit_code == 3
    assert end_state(lab) == EXPECTED


def test_killed_after_every_single_write_of_all(lab: Lab) -> None:
    """No controller lives for more than one write, and still the run ends."""
    asked_for(lab)
    codes = []
    for _ in range(5 * MOST):
        with contextlib.suppress(Killed):
            codes.append(work(lab, Fuse(1)).exit_code)
            break
    assert codes == [3]
    assert end_state(lab) == EXPECTED
