"""`fetch`: look, list, bring, put together.

from crossad.fetch.session import fetch
from crossad.results.home import open_home

fetched = fetch(open_home("s3://lab/night"), "night1", Path("here"))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossad.errors import DataError
from crossad.fetch.bring import bring_all
from crossad.fetch.found import Found, choose, files_of, find_plan, look
from crossad.fetch.tree import earlier_manifest, newest_report, report_target, seal, write_run
from crossad.fetch.wanted import KINDS, Item, Kind, is_there, items
from crossad.results.home import Home
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan
from crossad.store.base import Expected

Advance = Callable[[str, int, int], None]  # (stage, how many more are done, of how many)
THREADS = 16


def _silent(stage: str, count: int, total: int) -> None:
    """Nobody watches."""


@dataclass
class Fetched:
    """What a fetch did."""

    run: str
    folder: Path
    done: list[str] = field(default_factory=list)  # names of conditions
    failed: list[str] = field(default_factory=list)  # with what a failed or partial one left
    open: list[str] = field(default_factory=list)  # nothing there yet
    damaged: dict[str, list[str]] = field(default_factory=dict)  # condition -> objects, with what is wrong
    files: int = 0  # brought now
    bytes: int = 0  # the same
    kept: int = 0  # here already


def fetch(
    home: Home,
    run: str,
    folder: Path,
    *,
    names: Sequence[str] = (),
    only: Collection[Kind] = KINDS,
    threads: int = THREADS,
    advance: Advance = _silent,
) -> Fetched:
    """Bring a run into `folder/<run>/`.

    Args:
        home: where it lives.
        run: its name.
        folder: a results folder, maybe of other runs, too.
        names: conditions by name or number; all where none is named.
        only: kinds of files.
        threads: transfers at once.
        advance: told of progress.

    Raises:
        MissingInputError: there is no such run.
        UsageError: a condition is not in its plan.
        StoreUnreachable: the store does not answer any more; the same call continues.
    """
    plan = find_plan(home, run)
    entries = choose(plan, names)
    found = look(home, entries, threads, lambda: advance("conditions", 1, len(entries)))
    paths, fetched = RunPaths(folder, run), Fetched(run, folder / run)
    wanted, owners = _list(found, paths, only, fetched)
    report = _report(home, plan, paths) if "reports" in only else []
    everything = [*wanted, *report]
    total = sum(item.size for item in everything)
    for item, why in bring_all(files_of(home), everything, threads, lambda size: advance("bytes", size, total)):
        name = owners[id(item)].entry.name if id(item) in owners else "report"
        fetched.damaged.setdefault(name, []).append(f"{item.pieces[0][0] if item.pieces else item.path}: {why}")
    _count(everything, owners, fetched)
    whole = [one for one in found if one.manifest is not None and one.entry.name not in fetched.damaged]
    for one in whole:
        seal(one, paths.condition(one.entry.name))
        (fetched.done if one.state == "done" else fetched.failed).append(one.entry.name)
    write_run(paths, plan, whole)
    return fetched


def _list(
    found: Sequence[Found], paths: RunPaths, only: Collection[Kind], fetched: Fetched
) -> tuple[list[Item], dict[int, Found]]:
    """What is missing, and whose it is; conditions that cannot be brought are noted."""
    wanted: list[Item] = []
    owners: dict[int, Found] = {}
    for one in found:
        if one.state == "damaged":
            fetched.damaged[one.entry.name] = [one.wrong]
        elif one.manifest is None:
            fetched.open.append(one.entry.name)
        else:
            condition = paths.condition(one.entry.name)
            try:
                listed = items(one, condition, only)
            except DataError as error:
                fetched.damaged[one.entry.name] = [error.message]
                continue
            before = earlier_manifest(condition)
            missing = [item for item in listed if not is_there(item, before)]
            fetched.kept += len(listed) - len(missing)
            wanted += missing
            owners |= {id(item): one for item in missing}
    return wanted, owners


def _report(home: Home, plan: Plan, paths: RunPaths) -> list[Item]:
    """The newest report; always brought again, it is small and has no hash to go by."""
    found = newest_report(home.state, plan.run)
    return [
        Item("file", relative, report_target(paths, relative), ((entry.key, Expected(entry.size)),))
        for entry, relative in found
    ]


def _count(everything: Sequence[Item], owners: dict[int, Found], fetched: Fetched) -> None:
    for item in everything:
        name = owners[id(item)].entry.name if id(item) in owners else "report"
        if name not in fetched.damaged:
            fetched.files += 1
            fetched.bytes += item.size
