"""The newest report of a run, as far as it is not here already."""

from __future__ import annotations

import json
from typing import Any

from crossad.errors import DataError
from crossad.fetch.paths import check_apart, inside
from crossad.fetch.wanted import Item
from crossad.files import sha256_file, write_json
from crossad.results.home import Home
from crossad.results.layout import STATE, RunPaths, run_key
from crossad.store.base import Entry, Expected, Store
from crossad.store.folder import FolderStore


def report_folder(run: str) -> str:
    """How the keys of all reports of a run begin; a part of its own for each report follows."""
    return run_key(run, "reports/")


class Report:
    """The files of a run's newest report. They have no hashes, so a note here says what was brought."""

    def __init__(self, home: Home, paths: RunPaths) -> None:
        """Look for it.

        Raises:
            DataError: its keys lead out of its folder, or something here is in its way.
        """
        self._folder = paths.report
        self._note = paths.results / STATE / "runs" / paths.run / "report.json"
        if home.remote:
            listed = _newest(home.state, paths.run)
        else:
            below = f"{paths.run}/report/"
            listed = [(one, one.key.removeprefix(below)) for one in FolderStore(home.results).list(below)]
        check_apart(relative for _, relative in listed)
        self._etags = {relative: f"{entry.key} {entry.etag} {entry.size}" for entry, relative in listed}
        self.items = [
            Item("file", relative, inside(paths.report, relative), ((entry.key, Expected(entry.size)),))
            for entry, relative in listed
        ]

    def missing(self) -> list[Item]:
        """What is not here as it was brought."""
        before = self._before()
        return [item for item in self.items if before.get(item.path) != self._fact(item)]

    def note(self) -> None:
        """Write down what is here now, and clear away what a killed call left unfinished."""
        if self.items:
            for left in self._folder.rglob(".*.part"):  # without a hash nothing continues them
                left.unlink(missing_ok=True)
            write_json(self._note, {item.path: self._fact(item) for item in self.items})

    def _fact(self, item: Item) -> list[str]:
        return [self._etags[item.path], sha256_file(item.target) if item.target.is_file() else ""]

    def _before(self) -> dict[str, Any]:
        try:
            found = json.loads(self._note.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def find_report(home: Home, paths: RunPaths) -> Report | str:
    """The newest report, or what is wrong with it."""
    try:
        return Report(home, paths)
    except DataError as error:
        return error.message


def _newest(store: Store, run: str) -> list[tuple[Entry, str]]:
    """The objects of a run's newest report with their paths below `report/`."""
    below = report_folder(run)
    reports: dict[str, list[Entry]] = {}
    for entry in store.list(below):
        name, slash, _ = entry.key.removeprefix(below).partition("/")
        if slash:
            reports.setdefault(name, []).append(entry)
    pages = {
        name: next((one.modified for one in entries if one.key == f"{below}{name}/index.html"), None)
        for name, entries in reports.items()
    }
    whole = [(modified, name) for name, modified in pages.items() if modified is not None]
    if not whole:
        return []
    _, name = max(whole)
    return [(entry, entry.key.removeprefix(f"{below}{name}/")) for entry in reports[name]]
