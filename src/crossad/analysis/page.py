"""What the page says and shows; the template only places it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jinja2

from crossad.analysis.collect import Collection, Entry
from crossad.analysis.exports import path_in
from crossad.analysis.judge import Group, verdict, warnings
from crossad.analysis.table import Table, guide_table
from crossad.analysis.wording import listed, model_name

SYNTHETIC = (
    "Synthetic data. A ranking on synthetic data says nothing about real gearboxes:"
    " it shows that the machinery works."
)
CIRCULAR = (
    "DRAEM-SevNet trains on faults that are bands, and the faults of the synthetic test images are bands too:"
    " its result here is circular."
)
MAX_COLUMNS = 24  # conditions side by side; of more, the best a model, and all of them in summary.csv


@dataclass(frozen=True)
class Page:
    """Everything the template asks for."""

    collection: Collection
    groups: Sequence[Group]

    @property
    def title(self) -> str:
        """What the page is about, with the normalisation where it is not the plain one."""
        return f"How well do models transfer?{self._adapted}"

    @property
    def _adapted(self) -> str:
        modes = sorted(
            {entry.record.normalisation for entry in self._recorded if entry.record} - {"as_stored"}
        )
        return f" (normalisation: {', '.join(modes)})" if modes else ""

    @cached_property
    def _recorded(self) -> list[Entry]:
        return [entry for entry in self.collection.entries if entry.record]

    @property
    def synthetic(self) -> bool:
        """True where any image was made, not measured."""
        return any(entry.record.synthetic_data for entry in self._recorded if entry.record)

    def said(self) -> list[str]:
        """What must be said before any number."""
        found = []
        if self.synthetic:
            found.append(SYNTHETIC)
            if any(entry.model == "draem_sevnet" for entry in self._recorded):
                found.append(CIRCULAR)
        modes = {entry.record.normalisation for entry in self._recorded if entry.record}
        if "domain_stats" in modes:
            found.append(
                "Normalised with each domain's own statistics: this is adaptation, not plain transfer."
            )
        if any(entry.record.validation == "source_test" for entry in self._recorded if entry.record):
            found.append(
                "Selected on test: the checkpoint was chosen on the source's test split, so the source AUROC"
                " is optimistic and the transfer ratio is biased low. Use validation: holdout to avoid it."
            )
        return [*found, *self._locks()]

    def _locks(self) -> list[str]:
        """Conditions of one source that saw other images must not be compared silently."""
        found = []
        for group in self.groups:
            seen: dict[tuple[str, ...], set[str]] = {}
            for entry in group.entries:
                lock = entry.record.provenance.data_lock if entry.record and entry.record.provenance else None
                if lock:
                    seen.setdefault(entry.targets, set()).add(lock)
            if any(len(locks) > 1 for locks in seen.values()):
                found.append(
                    f"Conditions with source {group.source} saw different data: their numbers do not compare."
                )
        return found

    @property
    def verdicts(self) -> list[dict[str, str]]:
        """One sentence a model and source, best first."""
        return [
            {
                "model": model_name(row.entry.model),
                "source": group.source,
                "text": verdict(row),
                "rank": row.rank,
            }
            for group in self.groups
            for row in group.best
        ]

    @property
    def progress(self) -> str:
        """How much of what was promised is there."""
        counts: dict[str, int] = {}
        for entry in self.collection.entries:
            counts[entry.state] = counts.get(entry.state, 0) + 1
        return ", ".join(f"{number} {state}" for state, number in counts.items())

    @property
    def heading(self) -> str:
        """Which runs."""
        runs = self.collection.runs
        return f"Run {runs[0]}" if len(runs) == 1 else f"Runs {listed(runs)}"

    def tables(self) -> list[Table]:
        """The guide's table, one a source."""
        return [
            guide_table(
                group,
                group.entries if len(group.entries) <= MAX_COLUMNS else [row.entry for row in group.best],
            )
            for group in self.groups
        ]

    @property
    def notes(self) -> list[tuple[str, list[str]]]:
        """Warnings by condition."""
        pairs = [(entry.name, warnings(entry)) for entry in self.collection.entries]
        return [(name, found) for name, found in pairs if found]

    @property
    def holes(self) -> list[Entry]:
        """Everything that is not done."""
        return [entry for entry in self.collection.entries if entry.state != "done"]

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Files that could not be used."""
        return [(path_in(self.collection, item.path), item.reason) for item in self.collection.unreadable]

    def figures(self) -> dict[str, str]:
        """SVG files by name."""
        return {}


def render(page: Page) -> str:
    """One HTML file that needs nothing beside it; every text from outside is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crossad.analysis"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style = environment.get_template("report.css").render()
    return environment.get_template("report.html").render(page=page, style=style, model_name=model_name)
