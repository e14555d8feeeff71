"""What no API server shows: one that says nothing, and one that is not there."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest
from kubernetes.client import Configuration

from crossad.kube.wire import Wire, WireError


def test_ctrl_c_ends_the_wait_for_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = Wire(Configuration(host=f"http://127.0.0.1:{server.getsockname()[1]}"))
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            wire.send("GET", "/version", [], None)
        assert time.monotonic() - start < 30  # half of the patience with a silent server
        timer.join()
        wire.close()


def test_a_name_that_nobody_knows_was_asked_for_nothing() -> None:
    wire = Wire(Configuration(host="http://nobody.invalid"))
    with pytest.raises(WireError) as caught:
        wire.send("GET", "/version", [], None)
    assert not caught.value.sent
    wire.close()
