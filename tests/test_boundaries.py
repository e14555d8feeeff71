"""What a bare `pip install crossad` must carry: everything light, with no third party beyond the four base packages."""

from __future__ import annotations

import functools
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from crossad.cli import EXTRAS, VERBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/crossad"
HEAVY = (
    "torch", "timm", "lightning", "anomalib", "kubernetes", "boto3", "cv2", "jinja2", "matplotlib", "pandas", "scipy",
    "pyarrow", "safetensors", "tensorboard", "yaml", "huggingface_hub",
)  # fmt: skip
BLOCK = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(HEAVY)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def bare(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A child interpreter in which the heavy packages do not exist."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "110"},
    )


def modules() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith("crossad.trainer.") and not name.endswith("__main__"):
            found.append(name)
    return found


@functools.cache
def command(verb: str) -> click.Command:
    found = importlib.import_module(f"crossad.cli.{verb}").command
    assert isinstance(found, click.Command)
    return found


def test_every_light_module_imports_on_a_bare_install() -> None:
    code = """
import importlib
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error.name)
"""
    done = bare(code, *modules())
    assert done.returncode == 0, done.stderr
    lacking = dict(line.split() for line in done.stdout.splitlines())
    beyond = {name: absent for name, absent in lacking.items() if absent not in ("cv2", "scipy")}
    assert beyond == {}
    rooms = {name.split(".")[1] for name in lacking}
    assert rooms <= {"data", "synth"}, "only rooms that touch images may need the extra `data`"


def test_importing_the_package_loads_no_third_party() -> None:
    done = bare("import crossad; print(sorted(set(sys.modules) & {'numpy', 'pydantic', 'rich', 'click'}))")
    assert done.stdout.strip() == "[]", done.stderr


def test_all_helps_work_on_a_bare_install_and_load_none_of_the_heavy() -> None:
    code = f"""
from crossad.cli import VERBS, cli
for words in [["--help"], *([verb, "--help"] for verb in VERBS)]:
    cli.main(words, standalone_mode=False)
print("loaded", sorted(set(sys.modules) & {set(HEAVY)!r}))
"""
    done = bare(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == len(VERBS) + 1
    assert "loaded []" in done.stdout


@pytest.mark.parametrize("words", ["", "validate", "plan", "status", "report", "run", "synth"])
def test_help_loads_neither_torch_nor_numpy_nor_pydantic(words: str) -> None:
    code = f"""
import sys
from crossad.cli import cli
cli.main([*{words.split()!r}, "--help"], standalone_mode=False)
print("loaded", sorted(set(sys.modules) & {{"torch", "numpy", "pydantic", "rich", "cv2"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "loaded []" in done.stdout, done.stdout + done.stderr


def test_a_package_that_is_not_there_is_told_with_the_extra_that_brings_it(tmp_path: Path) -> None:
    done = bare("from crossad.cli import main; main()", "synth", str(tmp_path / "hdmap"))
    assert done.returncode == 78
    assert done.stderr == "error: a package is not installed: cv2\nhint: pip install 'crossad[data]'\n"


def test_extras_named_in_hints_exist() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])
    base = {re.split("[><=]", one)[0] for one in project["dependencies"]}
    assert base == {"click", "numpy", "pydantic", "rich"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_the_same_line_everywhere_and_shows_an_example(verb: str) -> None:
    text = command(verb).help or ""
    assert text.split("\n", 1)[0] == VERBS[verb]
    assert f"crossad {verb} " in text.split("\n", 1)[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_words(verb: str) -> None:
    below = command(verb)
    commands = list(below.commands.values()) if isinstance(below, click.Group) else [below]
    for one in commands:
        assert one.help, one.name
        for option in one.params:
            assert not isinstance(option, click.Option) or option.help, (one.name, option.name)


def test_an_unknown_verb_is_answered_with_the_near_one() -> None:
    done = bare("from crossad.cli import main; main()", "stauts")
    assert (done.returncode, "Did you mean 'status'?" in done.stderr) == (64, True)


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout
