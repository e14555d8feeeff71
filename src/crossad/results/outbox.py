"""What leaves an attempt for the store: nothing in a folder, where files lie where they are; uploads for a bucket.

The trainer says what is finished (`later`, `checkpoint`, `publish`) and never waits for a network but at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from crossad.errors import CrossadError
from crossad.results.beacons import Lamp
from crossad.results.home import Home, Kept
from crossad.results.layout import ConditionPaths
from crossad.results.manifest import Manifest, local_artifacts, write_manifest
from crossad.results.progress import read_progress

Job = Callable[[], None]


@dataclass(frozen=True)
class Sender:
    """Whose outbox it is."""

    attempt: str
    condition_id: str
    condition: str
    run: str
    paths: ConditionPaths
    lamp: Lamp | None = None  # that tells where the attempt stands


@dataclass(frozen=True)
class Finished:
    """What an attempt leaves, beside the files that simply lie in its folder."""

    record: Path
    elsewhere: Mapping[Path, Kept] = field(default_factory=dict)  # files that are durable already, under whatever name
    pictures: Mapping[Path, Kept] = field(default_factory=dict)  # folder of pictures -> their archive


@dataclass(frozen=True)
class Published:
    """What a commit (or a failure) points at."""

    record: Kept
    manifest: Kept


class Outbox(Protocol):
    """The way from a trainer to the store; a context manager, so that what is waiting goes out at every ending."""

    def __enter__(self) -> Outbox: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def later(self, job: Job) -> None:
        """Do this in the order of calls, beside the trainer's own work; its error is raised by `settle`."""

    def settle(self) -> None:
        """Wait until everything that was asked for `later` is done."""

    def resume(self, work: str, key: str, state: Path, step: int) -> None:
        """Bring the newest verified checkpoint of this work by any attempt, if it is newer than `step`.

        Args:
            work: the training, with its data lock.
            key: the training and its very images; a checkpoint of others does not count.
            state: where the checkpoint goes.
            step: that of the checkpoint that is there already; -1 without one.
        """

    def checkpoint(self, work: str, key: str, state: Path, step: int) -> None:
        """A new resumable state lies at `state`; it may be replaced at any time."""

    def trained(self, work: str) -> None:
        """The training is committed: its checkpoints are not needed any more."""

    def publish(self, finished: Finished) -> Published:
        """Make all of it durable, the manifest last."""


class FolderOutbox:
    """In a folder everything is where it belongs."""

    def __init__(self, home: Home, sender: Sender) -> None:
        """Take the home and the attempt."""
        self._home, self._sender = home, sender

    def __enter__(self) -> FolderOutbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shine()

    def later(self, job: Job) -> None:
        """Do it now."""
        job()

    def settle(self) -> None:
        """Nothing waits."""

    def resume(self, work: str, key: str, state: Path, step: int) -> None:
        """The state file itself is what an attempt continues from."""

    def checkpoint(self, work: str, key: str, state: Path, step: int) -> None:
        """It is where it belongs."""
        self._shine()

    def trained(self, work: str) -> None:
        """Nothing was sent."""

    def publish(self, finished: Finished) -> Published:
        """Write the manifest beside the files."""
        sender, paths = self._sender, self._sender.paths
        manifest = Manifest(
            attempt=sender.attempt,
            condition_id=sender.condition_id,
            condition=sender.condition,
            run=sender.run,
            artifacts=local_artifacts(paths),
        )
        write_manifest(paths, manifest)
        return Published(self._home.keep(finished.record, ""), self._home.keep(paths.manifest, ""))

    def _shine(self) -> None:
        """Note how long the attempt has lived, where somebody bounds that."""
        lamp, progress = self._sender.lamp, read_progress(self._sender.paths.progress)
        if lamp is not None and progress is not None:
            with suppress(CrossadError):  # a note: the attempt's own trouble with the disk is told by what matters
                lamp.light(progress)
