"""What the page says and shows; the template only places it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from crossad.analysis import details
from crossad.analysis.cautions import cautions
from crossad.analysis.collect import Collection, Entry
from crossad.analysis.details import Detail
from crossad.analysis.distributions import histograms, roc_curves
from crossad.analysis.exports import path_in
from crossad.analysis.figures import matrix, slope
from crossad.analysis.gallery import Picture, pictures
from crossad.analysis.judge import Group, Transfer
from crossad.analysis.scores import read_scores
from crossad.analysis.svg import Drawing
from crossad.analysis.table import Table, guide_table
from crossad.analysis.verdict import claim, overall
from crossad.analysis.wording import listed, model_name
from crossad.results.record import Record

SYNTHETIC = (
    "Synthetic data. A ranking on synthetic data says nothing about real gearboxes: it shows that the machinery works."
)
CIRCULAR = (
    "DRAEM-SevNet trains on faults that are bands, and the faults of the synthetic test images are bands too:"
    " its result here is circular."
)
MAX_DETAILED = 12  # conditions with figures, pictures and detail tables
MAX_ROWS = 200  # rows of any other list of the page, which says how many it leaves out


class _Kind(NamedTuple):
    """What decides which words stand beside a condition's numbers."""

    source: str
    targets: tuple[str, ...]
    normalisation: str
    validation: str
    synthetic: bool
    lock: str | None

    @classmethod
    def of(cls, entry: Entry, record: Record) -> _Kind:
        """That of a condition with a record."""
        lock = record.provenance.data_lock if record.provenance else None
        made = record.synthetic_data
        return cls(entry.source, entry.targets, record.normalisation, record.validation, made, lock)


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
        modes = sorted({kind.normalisation for kind in self._kinds} - {"as_stored"})
        return f" (normalisation: {', '.join(modes)})" if modes else ""

    @cached_property
    def _recorded(self) -> list[Entry]:
        return [entry for entry in self.collection.entries if entry.packed]

    @cached_property
    def _kinds(self) -> set[_Kind]:
        """The kinds of conditions that there are: few, however many conditions."""
        return {_Kind.of(entry, entry.record) for entry in self._recorded if entry.record}

    @property
    def synthetic(self) -> bool:
        """True where any image was made, not measured."""
        return any(kind.synthetic for kind in self._kinds)

    def said(self) -> list[str]:
        """What must be said beside any number."""
        return [*self.said_first, *self.said_then]

    @property
    def said_first(self) -> list[str]:
        """Said before any number: that the data are not real."""
        if not self.synthetic:
            return []
        return [
            SYNTHETIC,
            *([CIRCULAR] if any(entry.model == "draem_sevnet" for entry in self._recorded) else []),
        ]

    @property
    def said_then(self) -> list[str]:
        """Said with the verdicts: what the numbers are biased by."""
        found = []
        if any(kind.normalisation == "domain_stats" for kind in self._kinds):
            found.append("Normalised with each domain's own statistics: adaptation, not plain transfer.")
        if any(kind.validation == "source_test" for kind in self._kinds):
            found.append(
                "Selected on test: the checkpoint was chosen on the source's test split, so the source AUROC"
                " is optimistic and the transfer ratio is biased low. Use validation: holdout to avoid it."
            )
        return [*found, *self._locks()]

    def _locks(self) -> list[str]:
        """Conditions of one source that saw other images must not be compared silently."""
        seen: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        for kind in self._kinds:
            if kind.lock:
                seen.setdefault((kind.source, kind.targets), set()).add(kind.lock)
        sources = sorted({source for (source, _), locks in seen.items() if len(locks) > 1})
        return [f"Conditions with source {one} saw different data: their numbers do not compare." for one in sources]

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """One sentence a model and source, best first: the claim, and what it stands on."""
        return [claim(row) for row in self._best]

    @property
    def overall(self) -> list[tuple[str, str]]:
        """One sentence a model over all sources, where there are several."""
        if len(self.groups) < 2:
            return []
        models = dict.fromkeys(row.entry.model for row in self._best)
        return [overall([row for row in self._best if row.entry.model == model]) for model in models]

    @property
    def rankings(self) -> list[str]:
        """What may be said about the order of models."""
        return [group.ranking for group in self.groups if group.ranking]

    @cached_property
    def _best(self) -> list[Transfer]:
        return [row for group in self.groups for row in group.best]

    @cached_property
    def _shown(self) -> list[Entry]:
        """The conditions that get details: the best a model and source, as far as they have numbers."""
        return [row.entry for row in self._best if row.entry.record and row.entry.record.source_results][:MAX_DETAILED]

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
        return [guide_table(group) for group in self.groups]

    @cached_property
    def notes(self) -> list[tuple[str, list[str]]]:
        """Warnings by condition, as far as a page can list them."""
        pairs = ((entry.name, cautions(entry)) for entry in self._recorded)
        return list(islice(((name, found) for name, found in pairs if found), MAX_ROWS))

    @property
    def notes_cut(self) -> bool:
        """Whether there may be more warnings: they are all in summary.json."""
        return len(self.notes) == MAX_ROWS

    @property
    def holes(self) -> list[Entry]:
        """Everything that is not done, as far as a page can list it."""
        return self._holes[:MAX_ROWS]

    @property
    def more_holes(self) -> int:
        """How many holes the list leaves out."""
        return max(0, len(self._holes) - MAX_ROWS)

    @cached_property
    def _holes(self) -> list[Entry]:
        return [entry for entry in self.collection.entries if entry.state != "done"]

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Files that could not be used."""
        return [(path_in(self.collection, item.path), item.reason) for item in self.collection.unreadable]

    @cached_property
    def _drawings(self) -> list[Drawing]:
        found = [slope(group, synthetic=self.synthetic) for group in self.groups]
        models = dict.fromkeys(row.entry.model for row in self._best)
        for model in models:
            entries = [row.entry for row in self._best if row.entry.model == model and row.entry.record]
            found.append(matrix(model, entries, synthetic=self.synthetic))
        return [drawing for drawing in found if drawing]

    @cached_property
    def _distributions(self) -> list[tuple[str, list[Drawing]]]:
        found = []
        for entry in self._shown:
            scores = read_scores(entry)
            drawn = [
                histograms(entry, scores, synthetic=self.synthetic),
                roc_curves(entry, scores, synthetic=self.synthetic),
            ]
            if kept := [drawing for drawing in drawn if drawing]:
                found.append((self._label(entry), kept))
        return found

    def _label(self, entry: Entry) -> str:
        from_source = f", from {entry.source}" if len(self.groups) > 1 else ""
        return f"{model_name(entry.model)} ({entry.name}{from_source})"

    @property
    def overview(self) -> list[str]:
        """Slopes and matrices."""
        return [drawing.render() for drawing in self._drawings]

    @property
    def scored(self) -> list[tuple[str, list[str]]]:
        """Histograms and ROC curves by condition."""
        return [(name, [drawing.render() for drawing in drawings]) for name, drawings in self._distributions]

    def figures(self) -> dict[str, str]:
        """SVG files by name."""
        every = [*self._drawings, *(drawing for _, drawings in self._distributions for drawing in drawings)]
        return {drawing.name: drawing.render(standalone=True) for drawing in every}

    @cached_property
    def _pictures(self) -> tuple[list[Picture], int]:
        return pictures(self._shown)

    @property
    def gallery(self) -> list[tuple[str, list[Picture]]]:
        """Pictures by condition."""
        groups = [(entry, [one for one in self._pictures[0] if one.entry is entry]) for entry in self._shown]
        return [(self._label(entry), found) for entry, found in groups if found]

    @property
    def pictures_left_out(self) -> int:
        """How many pictures would have made the page too heavy."""
        return self._pictures[1]

    @property
    def models(self) -> Detail:
        """The best condition a model."""
        return details.models(self.groups)

    @property
    def seeds(self) -> Detail:
        """Spread over seeds."""
        return details.seeds(self._recorded, MAX_ROWS)

    @property
    def thresholds(self) -> Detail:
        """Threshold transfer."""
        return details.thresholds(self._shown)

    @property
    def strata(self) -> Detail:
        """Strata, sub-scores, severity."""
        return details.strata(self._shown)

    @property
    def costs(self) -> Detail:
        """What it took."""
        return details.costs(self._recorded, MAX_ROWS)

    @property
    def provenance(self) -> Detail:
        """Where the numbers come from."""
        return details.provenance(self._recorded, MAX_ROWS)

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The command line that started each run."""
        return [(plan.run, shlex.join(plan.command)) for plan in self.collection.plans if plan.command]
