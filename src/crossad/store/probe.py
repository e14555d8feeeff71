"""What a store really does, found out by doing it: in a corner of its own, cleared away afterwards."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from crossad.errors import CrossadError, MissingInputError, UsageError
from crossad.store.base import Entry, Once, Store
from crossad.store.faults import ObjectMissing
from crossad.store.folder import FolderStore

Verdict = Literal["ok", "no", "failed", "skipped"]
Say = Callable[[str], None]
CORNER = "probe"
SKEW = 60.0  # seconds between two clocks that are worth a word


@dataclass(frozen=True)
class Finding:
    """One thing tried."""

    check: str
    verdict: Verdict  # no: the store lacks it and crossad does without; failed: crossad needs it
    told: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """All that was tried, and what follows."""

    uri: str
    server: str
    commit: str | None  # conditional, plain, link; None where nothing would work
    why: str
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether crossad can keep results here."""
        return self.commit is not None and all(finding.verdict != "failed" for finding in self.findings)


class Wrong(Exception):  # noqa: N818 - an answer, turned into a verdict in this room
    """The store answered, and the answer is not right."""


class Lacking(Exception):  # noqa: N818 - an answer, turned into a verdict in this room
    """The store does not have this, and need not."""


@dataclass
class Bench:
    """Where the checks work: a store, a corner of it, and what was found so far."""

    store: Store
    folder: Path  # of this machine, for files
    threads: int = 16
    rounds: int = 5
    say: Say = lambda _: None
    corner: str = field(default_factory=lambda: f"{CORNER}/{uuid.uuid4().hex}")
    findings: list[Finding] = field(default_factory=list)

    def key(self, name: str) -> str:
        """A key in the corner."""
        return f"{self.corner}/{name}"

    def try_(self, check: str, work: Callable[[Bench], str]) -> bool:
        """Do one check and note what came of it; True where it was right.

        Raises:
            CrossadError: there is nothing to probe: no such bucket, a bad option.
        """
        if self.broken:
            self.findings.append(Finding(check, "skipped", "the store cannot even be written to", 0.0))
            return False
        self.say(check)
        began = time.monotonic()
        verdict: Verdict = "ok"
        try:
            told = work(self)
        except Lacking as error:
            verdict, told = "no", str(error)
        except Wrong as error:
            verdict, told = "failed", str(error)
        except (UsageError, MissingInputError):
            if not self.findings:
                raise
            verdict, told = "failed", "what was just written is not there"
        except CrossadError as error:
            verdict, told = "failed", str(error).replace("\n", "; ")
        self.findings.append(Finding(check, verdict, told, round(time.monotonic() - began, 3)))
        return verdict == "ok"

    @property
    def broken(self) -> bool:
        """Whether the first check, a plain write, failed."""
        return bool(self.findings) and self.findings[0].verdict == "failed"


def probe(bench: Bench) -> Report:
    """Try everything, clear the corner, and say what follows."""
    root = bench.store.root if isinstance(bench.store, FolderStore) else None
    fresh = root is not None and not root.exists()
    try:
        for check, work in COMMON:
            bench.try_(check, work)
        if root is not None:
            return _folder_report(bench)
        from crossad.store.probe_s3 import report  # noqa: PLC0415 - only a bucket needs it

        return report(bench)
    finally:
        clear(bench)
        if root is not None and fresh:
            with suppress(OSError):
                root.rmdir()


def race(bench: Bench, create: Callable[[str, bytes], Once], rounds: int, name: str) -> str:
    """Many writers of one key at once, several times: exactly one may win, and its bytes stand."""
    for round_ in range(rounds):
        key, barrier = bench.key(f"{name}-{round_}"), threading.Barrier(bench.threads)

        def write(writer: int, key: str = key, barrier: threading.Barrier = barrier) -> Once:
            barrier.wait()
            return create(key, f"writer {writer}".encode())

        with ThreadPoolExecutor(bench.threads) as pool:
            outcomes = list(pool.map(write, range(bench.threads)))
        winners = [writer for writer, outcome in enumerate(outcomes) if outcome == "created"]
        if len(winners) != 1:
            raise Wrong(f"{len(winners)} of {bench.threads} writers won in round {round_ + 1}")
        if bench.store.get(key) != f"writer {winners[0]}".encode():
            raise Wrong(f"the bytes of another writer stand in round {round_ + 1}")
    return f"{bench.threads} writers x {rounds} rounds: one winner each"


def clear(bench: Bench) -> None:
    """Remove all that the checks wrote; what cannot be removed is named by the check of deleting."""
    with suppress(CrossadError):
        for entry in [*bench.store.list(f"{bench.corner}/"), *bench.store.list(f"claims/{bench.corner}/")]:
            bench.store.delete(entry.key)


def _write(bench: Bench) -> str:
    bench.store.put(bench.key("a"), b"first")
    return "5 bytes"


def _read(bench: Bench) -> str:
    if bench.store.get(bench.key("a")) != b"first":
        raise Wrong("other bytes came back")
    for number in range(bench.rounds):
        bench.store.put(bench.key(f"read-{number}"), str(number).encode())
        if bench.store.get(bench.key(f"read-{number}")) != str(number).encode():
            raise Wrong("other bytes came back")
    return f"{bench.rounds + 1} objects, each at once"


def _head(bench: Bench) -> str:
    found = _entry(bench.store.stat(bench.key("a")))
    if found.size != 5:
        raise Wrong(f"size: got {found.size}, expected 5")
    if bench.store.stat(bench.key("none")) is not None:
        raise Wrong("an object that was never written is there")
    return "size, time, etag; a missing object is told apart"


def _list(bench: Bench) -> str:
    for number in range(bench.rounds):
        key = bench.key(f"list/ö {number}")
        bench.store.put(key, b"x")
        if key not in [entry.key for entry in bench.store.list(bench.key("list/"))]:
            raise Wrong("an object just written is not listed")
    return f"{bench.rounds} objects, each at once"


def _overwrite(bench: Bench) -> str:
    before = _entry(bench.store.stat(bench.key("a")))
    bench.store.put(bench.key("a"), b"second")
    if bench.store.get(bench.key("a")) != b"second":
        raise Wrong("the old bytes came back")
    if _entry(bench.store.stat(bench.key("a"))).etag == before.etag:
        raise Wrong("other bytes, same etag")
    return "the new bytes at once"


def _delete(bench: Bench) -> str:
    key = bench.key("gone")
    bench.store.put(key, b"x")
    bench.store.delete(key)
    bench.store.delete(key)
    with suppress(ObjectMissing):
        bench.store.get(key)
        raise Wrong("a deleted object came back")
    if list(bench.store.list(key)):
        raise Wrong("a deleted object is listed")
    return "gone at once, twice is once"


def _clock(bench: Bench) -> str:
    ahead = (bench.store.now() - datetime.now(UTC)).total_seconds()
    told = f"the store's is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) > SKEW:
        raise Wrong(f"{told}, allowed {SKEW:.0f}: set this machine's or the server's clock (NTP)")
    return told


COMMON: Sequence[tuple[str, Callable[[Bench], str]]] = (
    ("write", _write),
    ("read after write", _read),
    ("head", _head),
    ("list after write", _list),
    ("overwrite", _overwrite),
    ("delete", _delete),
    ("clock", _clock),
)


def _entry(found: Entry | None) -> Entry:
    if found is None:
        raise Wrong("an object just written is not there")
    return found


def _folder_report(bench: Bench) -> Report:
    """A folder creates once by link(2), which some network shares do not have."""
    linked = bench.try_("create once", lambda b: race(b, b.store.create_once, b.rounds, "once"))
    why = "link(2) lets one of many writers win" if linked else "this file system has no atomic link(2); take another"
    if bench.broken:
        why = bench.findings[0].told
    return Report(bench.store.uri, "a folder", "link" if linked else None, why, tuple(bench.findings))


def scratch() -> TemporaryDirectory[str]:
    """A folder of this machine for the files of the checks."""
    return TemporaryDirectory(prefix="crossad-probe-")
