"""Ties a trainer's life to its runner's, then becomes the trainer: python guard.py RUNNER_PID COMMAND...

If the runner dies without a word (SIGKILL, out of memory), the kernel sends SIGTERM to the trainer, which
saves and ends within its own grace (contracts: code 75). SIGTERM and not SIGKILL, so that nothing since the
last checkpoint is lost; a trainer deaf to it is killed by the next `crossad run`, which finds its mark.
prctl(2) is called here and not in a preexec_fn: code between fork and exec can deadlock in a process with
threads. The setting survives execve. Started by path with -I -S: 10 ms, and nothing of crossad is imported.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
RUNNER_GONE = 75  # interrupted: nothing has begun


def main(runner: int, command: list[str]) -> None:
    """Arm the signal, check that the runner did not die before that, and turn into the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != runner:
        sys.exit(RUNNER_GONE)
    os.execv(command[0], command)  # noqa: S606 - the runner's own list of arguments, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
