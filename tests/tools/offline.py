"""Runs a Python module as a program that must not use a network: a try ends it with 99, and says where it wanted to go.

python offline.py MODULE [WORD]...
"""

from __future__ import annotations

import os
import runpy
import sys

OUTWARD = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
USED = 99  # no exception: a program may swallow one


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Look at what the interpreter is about to do."""
    if event in OUTWARD:
        os.write(2, f"a network was to be used: {event} {arguments}\n".encode())
        os._exit(USED)


sys.argv = sys.argv[1:]
sys.addaudithook(refuse)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
