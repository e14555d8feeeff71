"""Trainer processes that note every write to the store, and that are struck by a signal at one of them.

Each is the real command line in a process forked from one that has imported torch and the trainer already. The model
is a quick one and the bootstrap draws less; all else is as in a pod.
"""

from __future__ import annotations

import fnmatch
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from crossad.results.home import BucketHome, FolderHome, Home
from crossad.results.ledger import Ledger
from crossad.results.steps import STEPS, Verb
from crossad.store.base import Once, Store
from crossad.store.folder import FolderStore

SECONDS = 240  # the longest that a trainer may take, stops included; then it is killed
Moment = Literal["before", "after"]
HEAVY = ["crossad.cli.train", "crossad.store.s3", "crossad.trainer.several", "torch.utils.tensorboard"]
_FORKED = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Strike:
    """A signal that a trainer gets at the n-th time that it takes a step, or puts a file of that name in its place."""

    step: str
    time: int
    moment: Moment
    signal: signal.Signals
    file: str = ""  # a pattern; then `step` says nothing, and the moment is before


@dataclass(frozen=True)
class Machine:
    """Where a trainer runs: a working folder before a bucket, or the folder that is the store itself."""

    work: Path
    bucket: Path | None = None  # a folder that plays a bucket
    s3: tuple[str, Mapping[str, Any]] | None = None  # address and options of a real one
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """What its trainers wrote, a line each."""
        return self.work.with_name(f"{self.work.name}.journal")

    @property
    def said(self) -> Path:
        """What its trainers printed."""
        return self.work.with_name(f"{self.work.name}.said")

    def home(self, watch: Watch | None = None) -> Home:
        """Where runs live, as this machine sees it."""
        if self.s3 is not None:
            return self._on_server(watch)
        if self.bucket is not None:
            store: Store = FolderStore(self.bucket)
            return BucketHome(watch.over(store) if watch else store, self.work)
        home = FolderHome(self.work)
        if watch:
            home.state = watch.over(home.state)
            home.ledger = Ledger(home.state)
        return home

    def _on_server(self, watch: Watch | None) -> Home:
        from crossad.results.home import open_home
        from crossad.store.options import S3Options

        assert self.s3
        if watch:
            watch.over_requests()
        return open_home(self.s3[0], self.work, S3Options.of(dict(self.s3[1])))


class Watch:
    """Notes writes, and strikes."""

    def __init__(self, journal: Path, strike: Strike | None, asked_to_stop: threading.Event) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._strike, self._asked_to_stop = strike, asked_to_stop
        self._step = next(step for step in STEPS if step.name == strike.step) if strike and not strike.file else None
        self._times = 0
        if strike and strike.file:
            sys.addaudithook(self._file)
        self._lock = threading.Lock()
        self.pointers = 0  # written so far

    def over(self, store: Store) -> Store:
        return Watched(store, self)

    def over_requests(self) -> None:
        """Watch the single requests to a server, so that the claims of the plain mode are seen."""
        from crossad.store.bucket import Bucket

        put, delete = Bucket.put, Bucket.delete

        def watched_put(bucket: Bucket, key: str, data: bytes, *, once: bool = False, **more: Any) -> None:
            with self.write("create" if once else "put", key):
                put(bucket, key, data, once=once, **more)

        def watched_delete(bucket: Bucket, key: str) -> None:
            with self.write("delete", key):
                delete(bucket, key)

        Bucket.put, Bucket.delete = watched_put, watched_delete  # type: ignore[method-assign]

    @contextmanager
    def write(self, verb: Verb, key: str) -> Iterator[None]:
        strike, mine = self._strike, False
        if strike and self._step and self._step.covers(verb, key):
            with self._lock:
                self._times += 1
                mine = self._times == strike.time
        if mine and strike and strike.moment == "before":
            self._hit(strike.signal)
        try:
            yield
            if verb == "put" and key.startswith("checkpoints/"):
                self.pointers += 1
        finally:  # what a server refuses (somebody created it first) was asked for, too
            os.write(self._journal, f"{verb} {key}\n".encode())
            if mine and strike and strike.moment == "after":
                self._hit(strike.signal)

    def _file(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Told of everything that Python does, before it does it."""
        strike = self._strike
        placed = strike and event in ("os.rename", "os.link")
        if strike and placed and fnmatch.fnmatchcase(os.fspath(arguments[1]), strike.file):
            self._times += 1
            if self._times == strike.time:
                self._hit(strike.signal)

    def _hit(self, number: signal.Signals) -> None:
        os.write(self._journal, f"struck {number.name}\n".encode())
        if number == signal.SIGSTOP:  # this very thread goes no step further; the others stop with it
            signal.pthread_kill(threading.get_ident(), number)
            return
        os.kill(os.getpid(), number)
        assert self._asked_to_stop.wait(SECONDS), "the signal was not taken"


class Watched:
    """A store whose writes are watched."""

    def __init__(self, store: Store, watch: Watch) -> None:
        self._store, self._watch = store, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        with self._watch.write("put", key):
            return self._store.put(key, source, content_type=content_type)

    def create_once(self, key: str, data: bytes) -> Once:
        with self._watch.write("create", key):
            return self._store.create_once(key, data)

    def delete(self, key: str, *, once: bool = True) -> None:
        with self._watch.write("delete", key):
            self._store.delete(key, once=once)


def start(machine: Machine, words: tuple[str, ...], strike: Strike | None = None) -> BaseProcess:
    """Start a trainer."""
    multiprocessing.set_forkserver_preload(HEAVY)
    process = _FORKED.Process(target=_train, args=(machine, words, strike), daemon=True)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """The exit code of a trainer; below zero the signal that ended it."""
    process.join(SECONDS + 30)
    assert process.exitcode is not None, "it has not ended"
    return process.exitcode


def wait_until_stopped(process: BaseProcess) -> None:
    """Wait for SIGSTOP to have its effect."""
    while process.exitcode is None:
        if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
        time.sleep(0.01)
    raise AssertionError(f"it ended with {process.exitcode} and was never stopped")


def _train(machine: Machine, words: tuple[str, ...], strike: Strike | None) -> None:
    """The command line, in a process of its own."""
    from quickdetector import build  # noqa: F401 - it can be imported, so `DETECTORS` can name it

    from crossad.cli import main, place
    from crossad.metrics import transfer
    from crossad.trainer import detectors, loop

    signal.alarm(SECONDS)
    said = os.open(machine.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    # a commit while the tests run is no difference between two trainers
    os.environ.update({"CROSSAD_COMMIT": "the same", **machine.environment})
    watches: list[Watch] = []

    def waiting_home(_: place.Place, gave_up: threading.Event) -> Home:
        watches.append(Watch(machine.journal, strike, gave_up))
        return machine.home(watches[0])

    place.Place.waiting_home = waiting_home  # type: ignore[method-assign]
    detectors.DETECTORS["draem"] = "quickdetector"
    transfer.area = functools.partial(transfer.area, resamples=20)  # type: ignore[assignment]
    if machine.bucket or machine.s3:
        _send_each_state(loop.Fitting, watches)
    sys.argv = ["crossad", *words, "--results-dir", str(machine.work)]
    main()


def _send_each_state(fitting: Any, watches: list[Watch]) -> None:
    """A fit this quick would be over before the interval; each of its states waits until it is sent."""
    save = fitting.save

    def patient(self: Any) -> None:
        before = watches[0].pointers
        save(self)
        while watches[0].pointers == before and not self.around.interrupt.requested:
            time.sleep(0.005)

    fitting.save = patient
