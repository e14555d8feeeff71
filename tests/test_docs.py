"""What people read is true: links resolve, and every block that can run is run."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossad.cli import VERBS

ROOT = Path(__file__).parents[1]
STAND_IN = ROOT / "tests/documents/command_line.py"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "conditions").glob("*.md")],
    key=lambda path: path.as_posix(),
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
FENCE = re.compile(r"^```(\w*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = 'no-test="run with real'  # blocks that a test of their own runs, without stand-ins
SKIPPED = 6  # blocks that say why they cannot run: `make` in two READMEs, a GPU, .mat files, a registry, an index


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    info: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("bash", "python") and not self.info


def blocks_of(name: str) -> list[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(name, *found) for found in FENCE.findall(text)]


BLOCKS = [block for name in NAMES for block in blocks_of(name)]
# their commands need a cluster, and run in tests/documents/test_cluster_pages.py
ON_A_CLUSTER = ("docs/cluster-guide.md", "docs/kubernetes.md")
SHELL_PAGES = [
    name
    for name in NAMES
    if name not in ("README.ko.md", *ON_A_CLUSTER)  # its commands are those of README.md: see below
    and any(block.runs and block.language == "bash" for block in blocks_of(name))
]


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped conditions, where `crossad` is the real one with simulated trainers."""
    root = tmp_path_factory.mktemp("desk")
    tools = root / ".tools"
    tools.mkdir()
    executable(tools / "crossad", f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    # a document follows a file that grows; here it has grown
    executable(tools / "tail", f'#!/bin/sh\n[ "$1" = -f ] && shift\nexec {shutil.which("tail")} "$@"\n')
    shutil.copytree(ROOT / "conditions", root / "conditions")
    return root


def run(desk: Path, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copytree(desk, folder, dirs_exist_ok=True)
    path = f"{folder / '.tools'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_pages_that_messages_send_people_to_are_there() -> None:
    texts = (path.read_text() for path in (ROOT / "src").rglob("*.py"))
    named = {page for text in texts for page in re.findall(r"\bdocs/[\w.-]+\.md", text)}
    assert "docs/settings.md" in named
    assert sorted(page for page in named if not (ROOT / page).is_file()) == []


@pytest.mark.parametrize("name", SHELL_PAGES)
def test_the_shell_blocks_of_a_page_run_in_their_order(name: str, desk: Path, tmp_path: Path) -> None:
    texts = [block.text for block in blocks_of(name) if block.runs and block.language == "bash"]
    script = "\nwait\n".join(["set -eo pipefail", *texts, ""])
    done = run(desk, ["bash", "-c", script], tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr


def test_the_python_blocks_run(desk: Path, tmp_path: Path) -> None:
    """In one process, because torch loads once; the trainers of a queue are simulated, the call's own is real."""
    texts = dict.fromkeys(block.text for block in BLOCKS if block.runs and block.language == "python")
    assert len(texts) == 2
    made = run(desk, ["crossad", "synth", "data/hdmap", "--size", "64x64"], tmp_path)
    assert made.returncode == 0, made.stderr
    code = "import importlib.util\n"
    code += f"spec = importlib.util.spec_from_file_location('stand_in', {str(STAND_IN)!r})\n"
    code += "stand_in = importlib.util.module_from_spec(spec); spec.loader.exec_module(stand_in); stand_in.patch()\n"
    done = run(desk, [sys.executable, "-P", "-c", code + "\n".join(texts)], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'dinomaly_plumbing') ()" in done.stdout  # run_suite: all done, none failed


def test_blocks_say_what_they_are_and_the_few_that_do_not_run_say_why() -> None:
    for block in BLOCKS:
        assert block.language in ("bash", "python", "text", "json", "yaml"), (block.page, block.text[:60])
        assert not block.info or re.fullmatch('no-test="[^"]{20,}"', block.info), (block.page, block.info)
    skipped = [block for block in BLOCKS if block.info and not block.info.startswith(ELSEWHERE)]
    assert len(skipped) == SKIPPED


def test_links_resolve() -> None:
    broken = []
    for page in PAGES:
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
            path, _, anchor = target.partition("#")
            if re.match("[a-z]+:", target):
                continue
            there = page if not path else page.parent / path
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append((page.name, target))
    assert broken == []


def anchors(page: Path) -> set[str]:
    heads = re.findall("^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_verb_that_a_page_names_exists() -> None:
    for name in set(NAMES) - {"docs/cli.md"}:
        for verb in re.findall(r"(?:`|&& |nohup )crossad ([a-z]+)", (ROOT / name).read_text(encoding="utf-8")):
            assert verb in VERBS, (name, verb)


def test_the_korean_readme_says_the_same() -> None:
    english, korean = (ROOT / name for name in ("README.md", "README.ko.md"))
    pair = [path.read_text(encoding="utf-8") for path in (english, korean)]
    heads = [re.findall("^(#+) ", text, re.MULTILINE) for text in pair]
    assert heads[0] == heads[1]
    links = [sorted(set(LINK.findall(text)) - {"README.md", "README.ko.md"}) for text in pair]
    assert links[0] == links[1]
    code = [
        [strip(block.text) for block in blocks_of(path.name) if block.language != "text"] for path in (english, korean)
    ]
    assert code[0] == code[1]
    rows = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in pair]
    assert rows[0] == rows[1]


def strip(text: str) -> list[str]:
    """A block's commands without their comments."""
    return [re.sub(r"\s*#.*", "", line) for line in text.splitlines()]


def test_all_verbs_are_in_the_readme() -> None:
    for name in ("README.md", "README.ko.md"):
        table = (ROOT / name).read_text(encoding="utf-8")
        assert [verb for verb in VERBS if f"`{verb}`" not in table] == []
