"""The session of docs/runs-in-a-bucket.md, as a user types it: real trainers, a real server, a folder that is gone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/runs-in-a-bucket.md"
BLOCK = re.compile(r"^```bash[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OWN = "s3://lab/experiments"  # as the page calls it


def test_the_session_runs_and_what_was_fetched_equals_a_local_run(versitygw, tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 4
    shutil.copytree(ROOT / "conditions", tmp_path / "conditions")
    commands = "\n".join(["set -exo pipefail", *blocks]).replace(OWN, versitygw.uri)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AWS_ENDPOINT_URL_S3": versitygw.endpoint,
        "AWS_REGION": "us-east-1",
    }
    done = subprocess.run(
        ["bash", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:]
    assert "Traceback" not in told
    assert "equal predictions" in done.stdout
    assert "equal weights" in done.stdout
    assert "nothing to do: done in run night1" in told
    assert re.search(r"1 conditions: 0 new, 1 done", told)
    assert (tmp_path / "elsewhere/night1/report/index.html").is_file()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("words", [["--only", "recrods"], ["--condition", "nobody"]], ids=["kind", "condition"])
def test_a_typing_error_is_told_in_one_message(words: list[str], versitygw, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crossad", "fetch", "night1", "x", "--store", versitygw.uri, *words]
    command += ["--store-option", f"endpoint={versitygw.endpoint}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
