"""From one scoring pass to a domain's result: metrics, floors, predictions, pictures, and the evaluation's commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossad.data.layout import ImageFile
from crossad.metrics.evaluate import Pass, evaluate_domain
from crossad.metrics.threshold import threshold_at
from crossad.results.home import Kept
from crossad.results.layout import STATE, slug
from crossad.results.pictures import pack_pictures, unpack_pictures
from crossad.results.record import DomainResult
from crossad.trainer import predictions
from crossad.trainer.context import Context
from crossad.trainer.detector import Detector
from crossad.trainer.domains import Domains
from crossad.trainer.floors import Floors
from crossad.trainer.holdout import HoldoutSource
from crossad.trainer.loader import ImageSource
from crossad.trainer.pictures import Style, colour_range, draw_domain
from crossad.trainer.scoring import DomainScores, score_source
from crossad.trainer.visible import auroc_line, show

Role = Literal["source", "targets"]  # the folders of pictures are called so, too
TABLE, ARCHIVE = "predictions.parquet", "pictures.zip"


@dataclass(frozen=True)
class Yardstick:
    """What the source's scoring pass fixes for every target."""

    threshold: float | None
    by_construction: bool  # the threshold comes from the source's own test normals
    normals: NDArray[np.float64]  # raw scores of the source's test normals, (n,)
    low: float  # score range of the whole source test split
    high: float
    colours: tuple[float, float]


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation, fresh or reused."""

    result: DomainResult
    rows: list[predictions.Row]
    colours: tuple[float, float]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Raw scores, (N,)."""
        return np.array([row["score"] for row in self.rows], dtype=np.float64)

    @property
    def labels(self) -> NDArray[np.int64]:
        """0 good, 1 fault; (N,)."""
        return np.array([row["label"] for row in self.rows], dtype=np.int64)


class Evaluator:
    """Scores domains with one fitted detector."""

    def __init__(
        self,
        context: Context,
        detector: Detector,
        domains: Domains,
        stamps: tuple[str, ...],
        stands: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the fitted detector, on its device.

        Args:
            context: the attempt and its surroundings.
            detector: the fitted detector.
            domains: the data.
            stamps: said on every picture.
            stands: asked before a commit: whether the weights are still those that count.
        """
        self.context, self.detector, self.domains, self.stamps = context, detector, domains, stamps
        self.pictures: dict[Path, Kept | None] = {}  # visible folder -> the archive of its pictures, in a bucket
        self._stands = stands
        self._lost: list[tuple[str, Role]] = []
        self._yardstick: Yardstick | None = None
        self._floors = Floors(domains)

    def source(self) -> Evaluated:
        """Evaluate the source's test split and fix the yardstick for the targets."""
        domain = self.context.config.source_domain
        done = self._committed(domain, "source") or self._evaluate(domain, "source")
        self._yardstick = self._yardstick or self._yardstick_of(done)
        self._say("Source", domain, done.result)
        return done

    def target(self, domain: str) -> Evaluated:
        """Evaluate a target's test split.

        Raises:
            MissingInputError: the domain is not there.
            DataError: it has no images, or one that cannot be read or scored.
        """
        done = self._committed(domain, "targets") or self._evaluate(domain, "targets")
        self._say("Target", domain, done.result)
        return done

    def _say(self, role: str, domain: str, result: DomainResult) -> None:
        self.context.reporter.auroc[domain] = result.test_image_AUROC
        name = "val_image_AUROC" if role == "Source" else f"test_image_AUROC/{domain}"
        self.context.reporter.scalar(f"result/{name}", result.test_image_AUROC, 0)
        self.context.reporter.fact(auroc_line(role, domain, result))

    def _evaluate(self, domain: str, role: Role) -> Evaluated:
        context, config = self.context, self.context.config
        with closing(self.domains.open(self.domains.files(domain, "test"), domain)) as images:
            context.reporter.phase("scoring", len(images), "image", domain)
            scores = score_source(
                self.detector,
                images,
                context.fabric,
                batch_size=config.batch_size,
                keep_maps=config.max_visualizations != 0,
                advance=self._advance,
            )
            if role == "source":
                self._yardstick = self._measure(scores)
            yardstick = self._yardstick
            assert yardstick is not None  # noqa: S101 - source() runs before any target()
            result = self._result(domain, scores, yardstick, self._floors.scores(images), role)
            done = Evaluated(result, predictions.rows(scores, yardstick.threshold), yardstick.colours)
            context.reporter.phase("saving", detail=domain)
            self._draw(domain, scores, images, yardstick)
        self._commit(domain, role, done)
        return done

    def _advance(self, count: int) -> None:
        """Count images, and stop between two batches where that was asked for: no evaluation is half done."""
        self.context.reporter.advance(count)
        self.context.stop.check()

    def _measure(self, scores: DomainScores) -> Yardstick:
        """Threshold (conformal 95 % quantile of normals), score range and colour scale from the source."""
        _, held_out = self.domains.training_files()
        normals = scores.normals
        if held_out:
            source = self.context.config.source_domain
            with closing(HoldoutSource(self.domains.open(held_out, source), self.context.config.seed)) as holdout:
                normals = score_source(
                    self.detector, holdout, self.context.fabric, batch_size=self.context.config.batch_size
                ).normals
        return Yardstick(
            threshold=threshold_at(normals) if len(normals) else None,
            by_construction=not held_out,
            normals=scores.normals,
            low=float(scores.image.min()),
            high=float(scores.image.max()),
            colours=colour_range(scores),
        )

    def _yardstick_of(self, source: Evaluated) -> Yardstick:
        scores, transfer = source.scores, source.result.threshold
        return Yardstick(
            threshold=transfer.threshold if transfer else None,
            by_construction=bool(transfer and transfer.by_construction),
            normals=scores[source.labels == 0],
            low=float(scores.min()),
            high=float(scores.max()),
            colours=source.colours,
        )

    def _result(
        self,
        domain: str,
        scores: DomainScores,
        yardstick: Yardstick,
        floors: dict[str, NDArray[np.float64]],
        role: Role,
    ) -> DomainResult:
        facts = self.domains.facts(domain)
        measured = evaluate_domain(
            Pass(
                scores.image,
                scores.labels,
                threshold=yardstick.threshold,
                by_construction=yardstick.by_construction and role == "source",
                source_normals=yardstick.normals,
                source_range=(yardstick.low, yardstick.high),
                parts=scores.parts,
                floors=floors,
                strata=_column([file.stratum for file in scores.files]),
                severities=_severities(scores.files),
            )
        )
        return DomainResult(
            status="ok",
            images_per_second=round(len(scores.image) / scores.seconds, 3) if scores.seconds else None,
            synthetic=facts.synthetic,
            sensor=facts.sensor,
            operating_class=facts.operating_class,
            **measured,
        )

    def _draw(self, domain: str, scores: DomainScores, images: ImageSource, yardstick: Yardstick) -> None:
        stamps = (*self.stamps, *(("SYNTHETIC DATA",) if self.domains.facts(domain).synthetic else ()))
        config = self.context.config
        title = f"{config.model_type}, fitted on {config.source_domain}"
        style = Style(*yardstick.colours, yardstick.threshold, stamps, config.max_visualizations, title)
        draw_domain(self._kept(domain), scores, images, style)

    def _kept(self, domain: str) -> Path:
        """Where this attempt keeps an evaluation: beside the commits, so that no visible folder is needed for it."""
        context = self.context
        return context.task.results / STATE / "evaluations" / f"{context.evaluation_key(domain)}-{context.attempt.id}"

    def _commit(self, domain: str, role: Role, done: Evaluated) -> None:
        """Make the evaluation count: its rows and pictures first, then one create-once object that names them."""
        context, kept = self.context, self._kept(domain)
        predictions.write(kept / TABLE, done.rows)
        show(kept, context.task.paths.visualizations(role, domain))
        context.outbox.later(lambda: self._send(domain, role, done))

    def _send(self, domain: str, role: Role, done: Evaluated) -> None:
        """The commit itself, beside the scoring of the next domain where the store is a bucket."""
        context, kept, place = self.context, self._kept(domain), f"evaluations/{slug(domain)}"
        if not self._stands():
            return
        table = context.home.keep(kept / TABLE, context.attempt.key(f"{place}/{TABLE}"))
        archive = pack_pictures(kept, kept / ARCHIVE) if context.home.remote else None
        pictures = context.home.keep(archive, context.attempt.key(f"{place}/{ARCHIVE}")) if archive else None
        payload = {
            "attempt": context.attempt.id,
            "domain": domain,
            "predictions": table.model_dump(),
            "pictures": pictures.model_dump() if pictures else None,
            "colours": list(done.colours),
            "result": done.result.model_dump(mode="json"),
        }
        key, lock = context.evaluation_key(domain), context.locks.evaluation(domain)
        if context.ledger.commit("evaluation", key, payload, lock):
            self.pictures[context.task.paths.visualizations(role, domain)] = pictures
        else:
            self._lost.append((domain, role))

    def theirs(self) -> Iterator[tuple[str, Evaluated]]:
        """Evaluations that another attempt committed while this one worked on the same: those stand."""
        while self._lost:
            domain, role = self._lost.pop()
            if (done := self._committed(domain, role)) is not None:
                yield domain, done

    def _committed(self, domain: str, role: Role) -> Evaluated | None:
        """An evaluation that somebody finished before: no image is scored again, its pictures are linked here."""
        context = self.context
        key, lock = context.evaluation_key(domain), context.locks.evaluation(domain)
        commit: dict[str, Any] | None = context.ledger.committed("evaluation", key, lock)
        if commit is None:
            return None
        kept = context.task.results / STATE / "evaluations" / f"{key}-{commit['attempt']}"
        table = context.home.bring(Kept.model_validate(commit["predictions"]), kept / TABLE)
        archive = Kept.model_validate(commit["pictures"]) if commit["pictures"] else None
        packed = context.home.bring(archive, kept / ARCHIVE) if archive else None
        if table is None or (archive and packed is None):
            context.ledger.withdraw("evaluation", key, commit["data_lock"], seen=commit)
            return None
        if packed:
            unpack_pictures(packed, kept)
        folder = context.task.paths.visualizations(role, domain)
        show(table.parent, folder)
        self.pictures[folder] = archive
        context.reporter.detail(f"{domain}: evaluation reused from attempt {commit['attempt']}")
        low, high = commit["colours"]
        return Evaluated(DomainResult.model_validate(commit["result"]), predictions.read(table), (low, high))


def _column(values: list[str | None]) -> list[str | None] | None:
    return values if any(values) else None


def _severities(files: tuple[ImageFile, ...]) -> NDArray[np.float64] | None:
    if all(file.severity is None for file in files):
        return None
    return np.array([np.nan if file.severity is None else file.severity for file in files], dtype=np.float64)
