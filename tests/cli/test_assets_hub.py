"""`crossad assets fetch --from-hub` with the hub's real client, and a hub of one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import faultproxy
import hubserver
import numpy as np
import pytest
from faultproxy import Proxy
from safetensors.numpy import save

from crossad.assets import ASSETS, WEIGHTS, hash_tensors

NAME = "resnet18"
BODY = save({"weight": np.arange(50_000, dtype=np.float32)})


@pytest.fixture
def hub() -> Iterator[Proxy]:
    """The hub's address, and what happens on the way to it."""
    with (
        hubserver.serving(ASSETS[NAME].repository, WEIGHTS, BODY) as server,
        faultproxy.serving(server.endpoint) as way,
    ):
        yield way


def fetch(hub: Proxy, home: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the client reads its address when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    there = {**kept, "HOME": str(home), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-m", "crossad", "assets", "fetch", *map(str, words)]
    return subprocess.run(command, env=there, capture_output=True, text=True, check=False)


def test_weights_come_from_the_hub_once_and_are_pinned(hub: Proxy, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    done = fetch(hub, tmp_path, NAME, "--weights", weights, "--from-hub", "--json")
    assert done.returncode == 0, done.stderr
    (fact,) = json.loads(done.stdout)
    assert fact["source"] == f"hub {ASSETS[NAME].repository}"
    assert (weights / f"{NAME}.safetensors").read_bytes() == BODY
    pinned = json.loads((weights / "assets.json").read_text())["assets"][NAME]["sha256"]
    assert pinned == fact["sha256"] == hash_tensors(weights / f"{NAME}.safetensors")
    asked = len(hub.seen)
    again = fetch(hub, tmp_path, NAME, "--store", tmp_path / "results", "--from-hub", "--json")
    assert again.returncode == 0, again.stderr
    (kept,) = json.loads(again.stdout)
    assert (kept["content"], kept["source"]) == (pinned, f"hub cache {ASSETS[NAME].repository}")
    assert len(hub.seen) == asked, "it is on this machine"


def test_a_cut_download_is_asked_for_again_and_is_whole(hub: Proxy, tmp_path: Path) -> None:
    hub.add("truncate", "GET", WEIGHTS)
    done = fetch(hub, tmp_path, NAME, "--store", tmp_path / "results", "--from-hub", "--json")
    assert done.returncode == 0, done.stderr
    assert hub.count("GET", WEIGHTS) == 2
    (path,) = (tmp_path / "results").rglob("*.safetensors")
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("kind", "method", "more"),
    [
        ("refuse", "HEAD", {"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}),
        ("refuse", "GET", {"status": 403}),
        ("cut", "HEAD", {}),
        ("cut", "GET", {}),
    ],
    ids=["not there", "forbidden", "no answer", "no bytes"],
)
def test_a_hub_that_gives_nothing_is_one_message(
    kind: faultproxy.Kind, method: str, more: dict[str, object], hub: Proxy, tmp_path: Path
) -> None:
    hub.add(kind, method, WEIGHTS, times=99, **more)
    done = fetch(hub, tmp_path, NAME, "--weights", tmp_path / "weights", "--from-hub")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert f"error: cannot download {ASSETS[NAME].repository}: " in done.stderr
    assert f"crossad assets fetch {NAME} --weights DIR --from-hub" in done.stderr
    assert not (tmp_path / "weights").exists()
