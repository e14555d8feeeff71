"""`crossad fetch` as a user types it: what it prints, how it ends, and what is left when it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from faultproxy import Proxy
from fetchworld import RECORD, RUN, WEIGHTS, World, local_night
from s3servers import Place

from crossad.cli import VERBS
from crossad.cli.compare import command as compare
from crossad.cli.fetch import command
from crossad.cli.report import command as report
from crossad.cli.status import command as status
from crossad.results.home import BucketHome

PROGRAM = Path(sys.executable).with_name("crossad")


@pytest.fixture
def night(place: Place, tmp_path: Path) -> World:
    """A whole run in a bucket."""
    world = World(BucketHome(place.open(), tmp_path / "work"), tmp_path / "scratch")
    world.night()
    return world


def words(place: Place, here: Path, *more: str, endpoint: str = "") -> list[str]:
    return [RUN, str(here), "--store", place.uri, "--store-option", f"endpoint={endpoint or place.endpoint}", *more]


def call(verb: object, *more: object) -> Result:
    done = CliRunner().invoke(verb, [str(word) for word in more])  # type: ignore[arg-type]
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return done


def test_what_came_is_told_and_the_next_call_has_nothing_to_do(night: World, place: Place, tmp_path: Path) -> None:
    done = call(command, *words(place, tmp_path / "here"))
    assert done.exit_code == 0
    assert "3 done, 1 failed or partial, with what they left, 1 not there yet" in done.stdout
    assert f"next: crossad report {RUN}" in done.stderr
    again = call(command, *words(place, tmp_path / "here"))
    assert again.stdout.startswith("nothing to do: ")


def test_facts_for_machines(night: World, place: Place, tmp_path: Path) -> None:
    night.store.put(f"attempts/att-resumed/{WEIGHTS}", b"other")
    done = call(command, *words(place, tmp_path / "here", "--json"))
    assert done.exit_code == 3
    facts = json.loads(done.stdout)
    assert facts["done"] == ["one", "shared"]
    assert list(facts["damaged"]) == ["resumed"]
    assert facts["folder"] == str(tmp_path / "here" / RUN)


def test_the_fetched_run_is_a_run_for_every_verb(night: World, place: Place, tmp_path: Path) -> None:
    here = tmp_path / "here"
    call(command, *words(place, here))
    shown = call(report, RUN, "--results-dir", here)
    assert shown.exit_code == 3  # one has not begun, one is partial
    assert (here / RUN / "report" / "index.html").stat().st_size > 1000
    shown = call(status, RUN, "--results-dir", here)
    assert "3 done" in shown.stdout
    shown = call(compare, "one", "shared", "--results-dir", here)
    assert shown.exit_code == 0, shown.output
    assert "A: " in shown.stdout


def test_from_a_folder_and_never_into_itself(tmp_path: Path) -> None:
    local_night(tmp_path / "there")
    done = call(command, RUN, tmp_path / "here", "--results-dir", tmp_path / "there")
    assert done.exit_code == 0
    assert (tmp_path / "here" / RUN / f"one_{RUN}" / RECORD).is_file()
    assert call(command, RUN, tmp_path / "again", "--store", tmp_path / "there").exit_code == 0
    done = call(command, RUN, tmp_path / "there", "--results-dir", tmp_path / "there")
    assert (done.exit_code, "is where the run lives" in done.stderr) == (2, True)


@pytest.mark.parametrize("more", [("--only", "record"), ("--only", ""), ("--condition", "onne")], ids=str)
def test_bad_input_is_one_message_and_2(night: World, place: Place, more: tuple[str, ...], tmp_path: Path) -> None:
    done = call(command, *words(place, tmp_path / "here", *more))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr


def begun(place: Place, proxy: Proxy, here: Path, *more: str) -> subprocess.Popen[str]:
    options = words(place, here, "--store-option", "attempts=1", *more, endpoint=proxy.endpoint)
    return subprocess.Popen([PROGRAM, "fetch", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_store_that_does_not_answer_is_one_message_and_75(
    night: World, place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.add("refuse", "GET", WEIGHTS, times=10**6)
    with begun(place, proxy, tmp_path / "here", "--store-option", "patience_seconds=0.5") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 75
    assert sum(line.startswith("error: ") for line in err.splitlines()) == 1
    assert "Traceback" not in err


def test_help_begins_with_the_verbs_line() -> None:
    assert command.help
    assert command.help.splitlines()[0] == VERBS["fetch"]
