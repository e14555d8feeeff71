"""SIGTERM: a safe point if one comes, exit 75 in time if none does."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from crossad.errors import InterruptedRun
from crossad.interrupt import Interrupt


def test_a_request_is_seen_at_the_next_safe_point() -> None:
    interrupt = Interrupt()
    interrupt.check()
    interrupt.request()
    with pytest.raises(InterruptedRun):
        interrupt.check()


@pytest.mark.parametrize("reaches_safe_point", [True, False])
def test_sigterm_ends_with_75_whether_or_not_a_safe_point_comes(reaches_safe_point: bool) -> None:
    program = textwrap.dedent(
        f"""
        import sys, time
        from crossad.interrupt import Interrupt
        with Interrupt(grace_seconds=0.5).serve() as interrupt:
            print("ready", flush=True)
            while not ({reaches_safe_point} and interrupt.requested):
                time.sleep(0.01)
        print("saved", flush=True)
        sys.exit(75)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
        assert child.wait(120) == 75
        assert rest == ("saved\n" if reaches_safe_point else "")


def test_a_process_that_was_held_for_a_while_goes_on_as_if_nothing_had_happened() -> None:
    """SIGSTOP and SIGCONT (a debugger, a queue that suspends) ask nobody to stop."""
    program = textwrap.dedent(
        """
        import os, signal, subprocess, sys
        from crossad.interrupt import Interrupt
        with Interrupt().serve() as interrupt:
            pid = os.getpid()
            subprocess.run(["sh", "-c", f"kill -STOP {pid}; sleep 1.5; kill -CONT {pid}"])
            assert not interrupt.event.wait(1)
            os.kill(pid, signal.SIGTERM)
            assert interrupt.event.wait(30)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupted_program_does_not_take_itself_apart() -> None:
    """On a node with little left that takes longer than the margin of the grace, and a kill counts as a crash."""
    program = textwrap.dedent(
        """
        import atexit, time
        from crossad import cli
        from crossad.errors import InterruptedRun
        def interrupted(**options):
            print("said")
            raise InterruptedRun("stopped", hint="again")
        cli.cli.main = interrupted
        atexit.register(time.sleep, 3600)
        cli.main()
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (75, "said\n")
    assert "error: stopped" in done.stderr
