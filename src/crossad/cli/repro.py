"""`crossad repro`: the exact command and hashes behind the numbers of a record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli import VERBS
from crossad.cli.bad_input import bad_input
from crossad.cli.images import Address, data_options
from crossad.cli.operate import json_option, words_argument
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.results.recipe import Difference
    from crossad.results.record import Record

_HELP = f"""{VERBS["repro"]}

\b
crossad repro night1 draem_base
crossad repro night1 draem_base -o again.json --check --data data/hdmap
crossad repro results/night1/draem_base_night1/tensorboard_logs/result_20260101_000000.json --json

Shown are the numbers, what they were made from (seed, hashes of data, weights and textures, versions, device, threads),
and the command that does the same work again from a condition file, which -o writes. It works in a folder of its own,
so that nothing finished is reused; equal bits need equal versions, threads and processors.

--check compares with here and now: whether this version means the same by the condition, the lock of --data, the
pretrained weights, the installed packages.

Exit codes: 0 shown (with --check: nothing differs that decides numbers or digits), 1 something does, 2 bad input.
"""
AGAIN = "repro"  # a results folder that is not there yet


@click.command(help=_HELP)
@words_argument("RECORD | [RUN] CONDITION")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the condition file.")
@click.option("--check", is_flag=True, help="Compare with here and now.")
@place_options
@data_options("as recorded")
@click.option("--weights", type=click.Path(path_type=Path, file_okay=False), help="Folder with pretrained weights.")
@json_option
def command(
    words: tuple[str, ...],
    out: Path | None,
    check: bool,
    place: Place,
    data: Address,
    weights: Path | None,
    as_json: bool,
) -> None:
    """Find the record, tell, compare."""
    from crossad.results.recipe import command_line, differences, facts, suite_text

    with bad_input():
        record = _record(words, place)
        text = suite_text(record)
        line = command_line(record, str(out or "repro.json"), _named(data), AGAIN)
        found = differences(record, _now(record, data, weights)) if check else []
        if out is not None:
            _write(out, text)
    if as_json:
        told = {"command": line, "suite": json.loads(text), "facts": facts(record), "summary": record.summary}
        told |= {"deviations": record.deviations, "differences": [asdict(one) for one in found] if check else None}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(record, line, found if check else None)
    if out is None:
        click.echo(f"next: crossad repro {' '.join(words)} -o repro.json, then the command", err=True)
    if any(one.decides != "none" for one in found):
        raise SystemExit(1)


def _record(words: Sequence[str], place: Place) -> Record:
    """Of a file, or of a condition of a run."""
    from crossad.errors import MissingInputError, UsageError
    from crossad.launch.control import choose, split_words
    from crossad.results.past import read_kept
    from crossad.results.recipe import parse_record, read_record

    if len(words) == 1 and (words[0].endswith(".json") or Path(words[0]).is_file()):
        return read_record(Path(words[0]))
    home = place.home()
    plan, names = split_words(home, words)
    if len(names) != 1:
        raise UsageError(
            f"got {len(names)} conditions, allowed: one", hint="crossad repro RUN CONDITION, or a result_*.json"
        )
    (entry,) = choose(plan, names)
    commit = home.ledger.committed("condition", entry.condition_id)
    body = None if commit is None else read_kept(home, commit.get("record"))
    if body is None:
        what = "is not done" if commit is None else "is done, and its record is gone or changed"
        raise MissingInputError(
            f"condition {entry.name} of run {plan.run} {what}", hint=f"crossad explain {plan.run} {entry.name}"
        )
    return parse_record(body, f"{home.uri}: {entry.name}")


def _named(data: Address) -> list[str]:
    options = [word for option in data.options for word in ("--data-option", option)]
    return ["--data", data.text, *options] if data.text else []


def _now(record: Record, data: Address, weights: Path | None) -> Any:  # noqa: ANN401 - a Now, whose module loads here
    import platform

    from crossad.conditions.plan import condition_parts
    from crossad.conditions.suite import parse_config
    from crossad.results.recipe import Now
    from crossad.surroundings import commit, cpu, libraries
    from crossad.version import __version__

    lock = None
    if data.text is not None:
        lock = data.open("").lock_part(condition_parts(parse_config(record.condition["config"]))) or "no lock"
    named = record.provenance.weights if record.provenance else {}
    hashes = {name: _hash(name, weights) for name in named}
    return Now(__version__, commit(), platform.python_version(), cpu(), libraries(), lock, hashes)


def _hash(name: str, folder: Path | None) -> str | None:
    """Of pretrained weights as they are here; None where they are nowhere."""
    from crossad.assets import hash_tensors, locate
    from crossad.errors import MissingInputError

    try:
        found = locate(name, folder)
    except MissingInputError:
        return None
    return found.package.sha256 if found.package else hash_tensors(found.path)


def _write(out: Path, text: str) -> None:
    from crossad.errors import UsageError
    from crossad.files import create_once

    if not create_once(out, text) and out.read_text(encoding="utf-8") != text:
        raise UsageError(f"{out} is there already, and holds something else", hint="name another file with -o")


def _print(record: Record, line: str, found: Sequence[Difference] | None) -> None:
    from crossad.results.recipe import facts

    click.echo(f"{record.condition['name']} of run {record.run}: {record.status}")
    for told in [*record.summary, *(f"deviation: {one}" for one in record.deviations)]:
        click.echo(f"  {told}")
    known = {name: value for name, value in facts(record).items() if value is not None}
    width = max(map(len, known))
    for name, value in known.items():
        click.echo(f"{name:<{width}}  {value}")
    click.echo(f"\n{line}")
    for one in found or []:
        effect = {"numbers": "other numbers", "digits": "the last digits may differ", "none": "no effect on numbers"}
        click.echo(f"differs: {one.what}: {one.then} then, {one.now} now ({effect[one.decides]})")
    if found is not None and not found:
        click.echo("nothing differs here and now")
