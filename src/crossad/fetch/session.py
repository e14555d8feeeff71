"""`fetch`: look, list, bring, put together.

from crossad.fetch.session import fetch
from crossad.results.home import open_home

fetched = fetch(open_home("s3://lab/night"), "night1", Path("here"))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossad.crew import spread
from crossad.errors import DataError
from crossad.fetch.bring import bring_all
from crossad.fetch.found import Found, files_of, find_plan, look, refused
from crossad.fetch.paths import check_target, printable
from crossad.fetch.present import is_there
from crossad.fetch.reports import Report, find_report
from crossad.fetch.tree import THREADS as WRITERS
from crossad.fetch.tree import held, seal, write_run
from crossad.fetch.wanted import KINDS, Item, Kind, items
from crossad.launch.control import choose
from crossad.results.home import Home
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan, PlanEntry

Advance = Callable[[str, int, int], None]  # (stage, how many more are done, of how many)
THREADS = 16
CHECKS = 8  # threads that hash files


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

    def wrong(self, name: str, what: str) -> None:
        """Note an object that could not be brought."""
        self.damaged.setdefault(name, []).append(printable(what))


@dataclass
class _Wanted:
    """A condition that has something, and what it lists."""

    found: Found
    items: list[Item]


REPORT = "the report"


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
        DataError: the plan is none, or the run's folder here is a link or a file.
        StoreUnreachable: the store does not answer any more; the same call continues.
    """
    plan = find_plan(home, run)
    paths, fetched = RunPaths(folder, run), Fetched(run, folder / run)
    entries = _chosen(plan, names, fetched)
    check_target(paths)
    with held(paths):
        found = look(home, entries, threads, lambda: advance("conditions", 1, len(entries)))
        conditions = _list(found, paths, only, fetched)
        report = find_report(home, paths) if "reports" in only else None
        _bring(home, conditions, report, fetched, threads, advance)
        whole = [one for one in conditions if one.found.label not in fetched.damaged]

        def sealed(one: _Wanted) -> None:
            seal(one.found, paths.condition(one.found.entry.name), one.items)

        with spread(sealed, whole, WRITERS) as ended:
            for _ in ended:
                pass
        for one in whole:
            (fetched.done if one.found.state == "done" else fetched.failed).append(one.found.label)
        write_run(paths, plan, [one.found for one in whole])
    return fetched


def _chosen(plan: Plan, names: Sequence[str], fetched: Fetched) -> list[PlanEntry]:
    """The conditions that are asked for, without those that no folder can hold: they are noted."""
    wanted = {id(entry) for entry in choose(plan, names)}
    wrong = refused(plan)
    for place, why in wrong.items():
        entry = plan.conditions[place]
        if id(entry) in wanted:
            fetched.wrong(f"{printable(entry.name)} (number {entry.experiment_id})", why)
    return [entry for place, entry in enumerate(plan.conditions) if place not in wrong and id(entry) in wanted]


def _list(found: Sequence[Found], paths: RunPaths, only: Collection[Kind], fetched: Fetched) -> list[_Wanted]:
    """What conditions list; those that cannot be brought are noted."""
    listed: list[_Wanted] = []
    for one in found:
        if one.state == "damaged":
            fetched.wrong(one.label, one.wrong)
        elif one.manifest is None:
            fetched.open.append(one.label)
        else:
            try:
                listed.append(_Wanted(one, items(one, paths.condition(one.entry.name), only)))
            except DataError as error:
                fetched.wrong(one.label, error.message)
    return listed


def _bring(
    home: Home,
    conditions: Sequence[_Wanted],
    report: Report | str | None,
    fetched: Fetched,
    threads: int,
    say: Advance,
) -> None:
    """Find out what is missing, and bring it."""
    owners = {id(item): one.found.label for one in conditions for item in one.items}
    everything = [item for one in conditions for item in one.items]
    missing: list[Item] = []
    with spread(is_there, everything, min(threads, CHECKS)) as ended:
        for item, there in ended:
            say("files checked", 1, len(everything))
            if not there:
                missing.append(item)
    if isinstance(report, str):
        fetched.wrong(REPORT, report)
    elif report is not None:
        asked = report.missing()
        missing += asked
        everything += report.items
    total = sum(item.size for item in missing)
    wrong = bring_all(files_of(home), missing, threads, lambda size: say("bytes", size, total))
    for item, why in wrong:
        key = item.pieces[0][0] if item.pieces else item.path
        fetched.wrong(owners.get(id(item), REPORT), why if key in why else f"{key}: {why}")
    if isinstance(report, Report) and REPORT not in fetched.damaged:
        report.note()
    bad = {id(item) for item, _ in wrong}
    brought = [item for item in missing if id(item) not in bad]
    fetched.files, fetched.bytes = len(brought), sum(item.size for item in brought)
    fetched.kept = len(everything) - len(missing)
