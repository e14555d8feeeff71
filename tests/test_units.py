"""How test processes share the work, seen in a session of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = """
from conftest_of_all import pytest_collection_modifyitems, pytest_xdist_make_scheduler
"""
TEST = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    with pathlib.Path({log!r}).open("a") as log:
        print(os.environ["PYTEST_XDIST_WORKER"], pathlib.Path(__file__).name, file=log)
"""


def test_what_needs_the_node_is_done_first_and_by_one_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    files = {"conditions/test_many.py": 9, "node/test_a.py": 3, "node/test_b.py": 3, "store/test_some.py": 5}
    for name, tests in files.items():
        path = tmp_path / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEST.format(tests=tests, log=str(log)))
    (tmp_path / "conftest_of_all.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (tmp_path / "tests/conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = . {Path(__file__).with_name('shared')}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = subprocess.run([*command, "tests"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line.split() for line in log.read_text().splitlines()]
    assert len(ran) == sum(files.values())
    (process,) = {worker for worker, file in ran if file in ("test_a.py", "test_b.py")}
    assert [file for worker, file in ran if worker == process][:6] == ["test_a.py"] * 3 + ["test_b.py"] * 3
