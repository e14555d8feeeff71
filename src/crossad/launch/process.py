"""One trainer process: started in a session of its own, recognised later, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

GUARD = Path(__file__).with_name("guard.py")
POLL_SECONDS = 0.05


class Mark(BaseModel):
    """What tells a process from a later one with the same number."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    started: int | None  # clock ticks since boot, as the kernel counts; None where it does not tell

    @property
    def alive(self) -> bool:
        """True while this very process runs (a zombie does not)."""
        if not Path("/proc/self/stat").exists():
            return _signalled(self.pid, 0)
        return self.started is not None and _start_ticks(self.pid) == self.started

    def terminate(self, grace_seconds: float) -> None:
        """End the process: SIGTERM, then SIGKILL for it and its group after the grace."""
        if not self.alive:
            return
        _signalled(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self.alive and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if self.alive:
            signal_group(self.pid, signal.SIGKILL)


def mark(pid: int) -> Mark:
    """The mark of a living process."""
    return Mark(pid=pid, started=_start_ticks(pid))


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)), or None where the process is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])


def _signalled(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Child:
    """A trainer that this process started."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        """Start it in a session of its own (Ctrl-C spares it); what it prints is appended to `output`."""
        output.parent.mkdir(parents=True, exist_ok=True)
        guarded = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command]
        with output.open("ab") as sink:
            self._process = subprocess.Popen(  # the process outlives this function
                guarded,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.mark = mark(self._process.pid)

    def poll(self) -> int | None:
        """The exit code once it ended, 128 + N for a death by signal N; what it left running is killed."""
        pid = self._process.pid
        if self._process.returncode is None:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            signal_group(pid, signal.SIGKILL)  # before reaping: until then nobody else can own this group number
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Ask the trainer to save and end; its own children are its business until then."""
        self._process.terminate()

    def kill(self) -> None:
        """End the whole group now."""
        signal_group(self._process.pid, signal.SIGKILL)
