"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
STARTUP_SECONDS = 90.0  # of a busy machine


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Program:
    """A process that can be ended, and started again as it was; what it says goes on in one file.

    Start it from the main thread: the kernel, which ends it with its parent, looks at the thread that started it.
    """

    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, for the first time or again."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )
        return self.process

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """Ask it to end; kill it where it does not."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file; ended on the way out, killed by the kernel if this process dies first."""
    with started(Program(command, log)) as process:
        yield process


@contextlib.contextmanager
def started(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """The same for a program that may be started again meanwhile."""
    try:
        yield program.start()
    finally:
        program.end()


def wait_for(what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Until something is ready; at once where its process has ended."""
    until = time.monotonic() + STARTUP_SECONDS
    while not ready():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: {process.args[0]} ended with {process.returncode}")  # type: ignore[index]
        if time.monotonic() > until:
            raise RuntimeError(f"{what}: not ready after {STARTUP_SECONDS:.0f} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a server says that it is well."""
    with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return False


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
