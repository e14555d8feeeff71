from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossad.results.home import FolderHome
from crossad.results.plan import Plan, PlanEntry, pin_plan

PROGRAM = Path(sys.executable).with_name("crossad")
ASK = """
eval "$({program} completion bash)"
complete -p crossad >&2
COMP_WORDS=({words}) COMP_CWORD={last}
_crossad_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = {"model_type": "patchcore", "source_domain": "domain_A"}
    entries = tuple(
        PlanEntry(experiment_id=number, name=name, config=config, condition_id=name, training_key=name)
        for number, name in enumerate(("A_to_B", "A_to_C"))
    )
    plan = Plan(run="night1", suite="s", created="2026-01-01T00:00:00Z", data="data", conditions=entries)
    pin_plan(FolderHome(tmp_path / "results"), plan)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("crossad st", ["status", "store"]),
        ("crossad re", ["render", "retry", "report", "repro"]),
        ("crossad run --fr", ["--fresh"]),
        ("crossad data ch", ["check"]),
        ("crossad schema --format m", ["markdown"]),
        ("crossad explain night1 A_to_", ["A_to_B", "A_to_C"]),
    ],
)
def test_bash_completes_what_was_typed(folder: Path, typed: str, offered: list[str]) -> None:
    script = ASK.format(program=PROGRAM, words=typed, last=len(typed.split()) - 1)
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered
    assert "-F _crossad_completion crossad" in done.stderr


@pytest.mark.parametrize(("shell", "hook"), [("zsh", "compdef _crossad_completion crossad"), ("fish", "--command cro")])
def test_the_other_shells_get_their_script_and_an_answer(folder: Path, shell: str, hook: str) -> None:
    script = subprocess.run([PROGRAM, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert hook in script
    words = {"COMP_WORDS": "crossad status", "COMP_CWORD": "2" if shell == "zsh" else ""}
    asked = {**os.environ, **words, "_CROSSAD_COMPLETE": f"{shell}_complete"}
    done = subprocess.run([PROGRAM], cwd=folder, env=asked, capture_output=True, text=True, check=True)
    assert "night1" in done.stdout, json.dumps(done.stdout)


def test_another_shell_is_refused_with_those_there_are() -> None:
    done = subprocess.run([PROGRAM, "completion", "tcsh"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "'bash', 'zsh', 'fish'" in done.stderr
