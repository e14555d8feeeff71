"""An attempt's way into a bucket: one thread carries finished work in order, another logs and checkpoints.

Memory is bounded by the store's upload parts, however many files are on their way: files are streamed, log chunks are a
few megabytes, and of checkpoints that wait only the newest is kept.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from crossad.crew import spread
from crossad.errors import CrossadError
from crossad.results.checkpoints import Checkpoint, newest_checkpoint, pointer_key
from crossad.results.home import Home, Kept
from crossad.results.layout import attempt_key
from crossad.results.logship import LogShipper
from crossad.results.manifest import Archive, Artifact, Log, Manifest, finished_files, write_manifest
from crossad.results.outbox import Finished, Job, Published, Sender
from crossad.results.progress import read_progress
from crossad.store.faults import StoreUnreachable

SHIP_SECONDS = 30.0
FILES = 4  # on their way at once, when all that is finished goes out
Say = Callable[[str], None]
_Unsent = tuple[str, str, Path, int]  # of a checkpoint: work, key, a link to its bytes, step


class BucketOutbox:
    """Uploads beside the trainer's work; nothing of it counts before a commit names it."""

    def __init__(self, home: Home, sender: Sender, say: Say, *, ship_seconds: float = SHIP_SECONDS) -> None:
        """Take the home, the attempt, and where to tell that the store does not answer."""
        self._home, self._sender, self._say = home, sender, say
        self._every = ship_seconds
        self._logs = LogShipper(home.state, sender.attempt, sender.paths)
        self._carrier = ThreadPoolExecutor(1, thread_name_prefix="crossad-carrier")
        self._last: Future[None] | None = None  # of the line
        self._changing = threading.Lock()  # of `_last` and `_waiting`
        self._closing = threading.Event()
        self._waiting: _Unsent | None = None  # the newest checkpoint that is not sent yet
        self._sent: tuple[str, Checkpoint] | None = None  # the work, and what its pointer says
        self._sending = threading.Lock()
        self._parents: tuple[str, ...] = ()
        self._pump = threading.Thread(target=self._pump_on, name="crossad-logs", daemon=True)

    def __enter__(self) -> BucketOutbox:
        self._pump.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what waits; where work has failed already, its own error is the one to tell."""
        self._closing.set()
        self._carrier.shutdown()
        if isinstance(error, StoreUnreachable):  # the patience is spent: nobody begins it anew, or waits for the pump's
            self._say("not sent: the store does not answer")
            return
        self._pump.join()
        try:
            self._ship()
            self._name_last_pieces()
        except CrossadError as fault:
            if error is None:
                raise
            self._say(f"not sent: {fault.message}")

    def later(self, job: Job) -> None:
        """Line it up; after an error the rest of the line is let go, for nothing may count without what failed."""
        with self._changing:
            before = self._last

            def then() -> None:
                if before is not None:
                    before.result()
                job()

            self._last = self._carrier.submit(then)

    def settle(self) -> None:
        """Wait for the line to be empty, what its jobs line up included; an error of one is raised here."""
        done = None
        while (last := self._last) is not done and last is not None:
            last.result()
            done = last

    def resume(self, work: str, key: str, state: Path, step: int) -> None:
        """The newest checkpoint that is what its pointer says, of whatever attempt."""
        found = newest_checkpoint(self._home, work, key, state, step)
        if found is not None:
            self._parents = (*found.parents, found.attempt)
            self._logs.continue_from(found.logs)

    def checkpoint(self, work: str, key: str, state: Path, step: int) -> None:
        """Remember it by a link, which keeps its bytes when the next one replaces the file; the pump sends it."""
        link = state.with_name(f".{state.name}.{step}.ship")
        link.unlink(missing_ok=True)
        try:
            link.hardlink_to(state)
        except OSError:  # a file system without links
            shutil.copyfile(state, link)
        unsent = self._swap((work, key, link, step))
        if unsent is not None and unsent[2] != link:
            unsent[2].unlink(missing_ok=True)

    def trained(self, work: str) -> None:
        """Remove this attempt's own checkpoints."""
        unsent = self._swap(None)
        if unsent is not None:
            unsent[2].unlink(missing_ok=True)
        self.later(lambda: self._prune(work))

    def publish(self, finished: Finished) -> Published:
        """Files, then the rest of the logs, then the manifest."""
        self.settle()
        sender, paths = self._sender, self._sender.paths
        kept = dict(finished.elsewhere)
        apart, places = {*kept, *self._logs.files.values()}, (paths.root, paths.tensorboard)
        # not below: pictures travel packed, and an earlier attempt that worked here has sent its own files
        mine = [path for path in finished_files(paths) if path not in apart and path.parent in places]
        with spread(lambda path: self._home.keep(path, self.key(_inside(path, paths.root))), mine, FILES) as ended:
            kept.update(ended)
        self._logs.ship()
        manifest = Manifest(
            attempt=sender.attempt,
            condition_id=sender.condition_id,
            condition=sender.condition,
            run=sender.run,
            parents=self._parents,
            artifacts=tuple(Artifact(**told) for told in _told(kept, paths.root)),
            archives=tuple(Archive(**told) for told in _told(finished.pictures, paths.root)),
            logs=tuple(
                Log(path=_inside(path, paths.root), chunks=self._logs.chunks(name))
                for name, path in self._logs.files.items()
            ),
        )
        write_manifest(paths, manifest)
        return Published(kept[finished.record], self._home.keep(paths.manifest, self.key("manifest.json")))

    def key(self, name: str) -> str:
        """An object of this attempt."""
        return attempt_key(self._sender.attempt, name)

    def _pump_on(self) -> None:
        """The pump: logs, the beacon and the newest checkpoint, at an interval, until the attempt ends."""
        while not self._closing.wait(self._every):
            try:
                self._ship()
            except CrossadError as fault:  # told, and tried again: the attempt's end decides whether it matters
                if not self._closing.is_set():  # afterwards nobody may be there to hear it
                    self._say(f"the store does not take logs or checkpoints: {fault.message}")

    def _ship(self) -> None:
        self._logs.ship()
        self._shine()
        waiting = self._swap(None)
        if waiting is not None:
            with self._sending:
                self._send(*waiting)

    def _swap(self, newer: _Unsent | None) -> _Unsent | None:
        """Put another checkpoint in the place of the one that waits."""
        with self._changing:
            older, self._waiting = self._waiting, newer
        return older

    def _shine(self) -> None:
        """Say where the trainer stands, at every interval: silence means that it is gone."""
        lamp, progress = self._sender.lamp, read_progress(self._sender.paths.progress)
        if lamp is not None and progress is not None:
            lamp.light(progress)

    def _send(self, work: str, key: str, link: Path, step: int) -> None:
        """Upload a checkpoint, point at it, drop the one before."""
        try:
            kept = self._home.keep(link, self.key(f"checkpoints/step-{step:09d}.safetensors"))
        finally:
            link.unlink(missing_ok=True)
        found = Checkpoint(
            key=key,
            step=step,
            checkpoint=kept,
            attempt=self._sender.attempt,
            parents=self._parents,
            logs=self._pieces(),
        )
        before = self._sent
        self._point(work, found)
        if before is not None and before[1].checkpoint.ref != kept.ref:
            self._home.state.delete(before[1].checkpoint.ref)

    def _point(self, work: str, found: Checkpoint) -> None:
        """Lead whoever continues to a checkpoint."""
        self._home.state.put(pointer_key(work, self._sender.attempt), found.model_dump_json().encode())
        self._sent = work, found

    def _name_last_pieces(self) -> None:
        """What was logged after the newest state, such as why the attempt ended, is joined by whoever continues it."""
        with self._sending:
            if self._sent is not None and self._sent[1].logs != (pieces := self._pieces()):
                work, found = self._sent
                self._point(work, found.model_copy(update={"logs": pieces}))

    def _pieces(self) -> dict[str, tuple[Kept, ...]]:
        """The pieces of each log so far."""
        return {name: self._logs.chunks(name) for name in self._logs.files}

    def _prune(self, work: str) -> None:
        with self._sending:
            sent, self._sent = self._sent, None
            if sent is not None:
                self._home.state.delete(pointer_key(work, self._sender.attempt))
                self._home.state.delete(sent[1].checkpoint.ref)


def _told(kept: Mapping[Path, Kept], root: Path) -> list[dict[str, Any]]:
    """Files or archives as a manifest has them, in the order of their paths."""
    found = [
        {"path": _inside(path, root), "key": one.ref, "bytes": one.bytes, "sha256": one.sha256}
        for path, one in kept.items()
    ]
    return sorted(found, key=lambda told: str(told["path"]))


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
