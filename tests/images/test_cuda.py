"""The trainer's CUDA variants, as far as they can be tried without their indexes, which only some machines reach."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(os.environ.get("CACHE", ROOT / ".cache")).resolve() / "uv/bin/uv"  # as the Makefile has it
PAGE = (ROOT / "docs/images.md").read_text(encoding="utf-8")
EMPTY = """
[project]
name = "nothing"
version = "1"
[project.optional-dependencies]
train = []
s3 = []
report = []
"""
LOCK = re.compile(r"^COPY .*\brequirements/trainer\$\{CUDA:\+-\$CUDA\}\.txt", re.MULTILINE)


def line() -> str:
    """How the page makes a lock."""
    (found,) = re.findall(r"^uv pip compile .*$", PAGE, re.MULTILINE)
    return str(found)


def variants() -> list[str]:
    """The CUDA variants that uv knows, in its own words."""
    words = [UV, "pip", "compile", "--torch-backend", "none-of-them", "-"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    return re.findall(r"\bcu\d+\b", told)


def compiled(folder: Path, variant: str) -> subprocess.CompletedProcess[str]:
    """The page's line, literally but for the variant, for a project that needs no library: nothing is downloaded."""
    (folder / "pyproject.toml").write_text(EMPTY)
    (folder / "requirements").mkdir(exist_ok=True)
    words = line().replace("cu128", variant).split()
    return subprocess.run([UV, *words[1:], "--offline"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_page_s_line_makes_the_file_that_the_build_takes(tmp_path: Path) -> None:
    assert "--torch-backend cu128 " in line()
    known = variants()
    assert {"cu126", "cu128", "cu130"} <= set(known)
    for variant in known:
        done = compiled(tmp_path, variant)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "requirements").iterdir()} == {f"trainer-{one}.txt" for one in known}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert LOCK.search(dockerfile)
    assert "/opt/lock/install.sh /opt/lock/trainer${CUDA:+-$CUDA}.txt ${CUDA:+--torch-backend=$CUDA}" in dockerfile


@pytest.mark.parametrize("variant", ["cu999", "12.8"])
def test_a_variant_that_nobody_knows_is_refused(tmp_path: Path, variant: str) -> None:
    done = compiled(tmp_path, variant)
    assert done.returncode == 2
    assert f"invalid value '{variant}' for '--torch-backend" in done.stderr


def test_the_default_is_the_cuda_that_the_page_names() -> None:
    lock = (ROOT / "requirements/trainer.txt").read_text(encoding="utf-8")
    (runtime,) = re.findall(r"^nvidia-cuda-runtime==(\d+)\.", lock, re.MULTILINE)
    assert f"what PyPI has: CUDA {runtime}, " in PAGE


def test_other_locks_hold_what_their_names_say() -> None:
    """None is in the repository; one that is put there is of its variant."""
    for path in (ROOT / "requirements").glob("trainer-*.txt"):
        variant = path.stem.removeprefix("trainer-")
        assert variant in variants()
        assert re.search(rf"^torch==[\d.]+\+{variant}\b", path.read_text(encoding="utf-8"), re.MULTILINE), path
