"""The end of an attempt: predictions, record, manifest, commit; in that order, because only the commit counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import torch

from crossad.files import write_json
from crossad.metrics.evaluate import summarise
from crossad.results.advice import poor_transfer
from crossad.results.home import Kept
from crossad.results.outbox import Finished
from crossad.results.record import DomainResult, Failure, Record
from crossad.trainer import holdout, predictions
from crossad.trainer.context import FULL, Context
from crossad.trainer.detector import Detector
from crossad.trainer.evaluation import Evaluated
from crossad.trainer.provenance import peak_memory, provenance
from crossad.trainer.training import Trained
from crossad.trainer.visible import auroc_line

SELECTION = {"source_test": "selected on test", "holdout": f"selected on hold-out ({holdout.VERSION})"}


@dataclass
class Outcome:
    """What an attempt has achieved so far."""

    trained: Trained | None = None
    source: Evaluated | None = None
    targets: dict[str, Evaluated] = field(default_factory=dict)
    failed_targets: dict[str, Failure] = field(default_factory=dict)
    failure: Failure | None = None
    deviations: list[str] = field(default_factory=list)
    upsampled: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    pictures: dict[Path, Kept] = field(default_factory=dict)  # folder -> the archive of its pictures

    @property
    def status(self) -> Literal["success", "partial", "failed"]:
        """Partial: the training stands and some target could not be scored."""
        if self.failure is not None:
            return "failed"
        return "partial" if self.failed_targets else "success"


def finish(context: Context, outcome: Outcome, detector: Detector | None) -> Record:
    """Write everything the attempt leaves; commit the condition where nothing is missing."""
    paths, config = context.task.paths, context.config
    evaluated = [done for done in (outcome.source, *outcome.targets.values()) if done]
    if evaluated:
        predictions.write(paths.predictions, [row for done in evaluated for row in done.rows])
    record = make_record(context, outcome, detector)
    path = _free(context, datetime.fromisoformat(record.timestamp))
    write_json(path, record.model_dump(mode="json"))
    values = _metrics(record)
    if values:
        context.reporter.hyperparameters(config.model_dump(mode="json"), values)
    for line in record.summary:
        context.reporter.detail(line)
    for line in record.advice:
        context.reporter.fact(line, "WARNING")
    context.reporter.fact(_last_line(record))
    context.reporter.freeze()
    published = context.outbox.publish(Finished(path, _elsewhere(outcome), outcome.pictures))
    failures = ([outcome.failure] if outcome.failure else []) + list(outcome.failed_targets.values())
    if failures and context.ledger.committed("condition", context.attempt.condition_id, context.locks.condition):
        context.reporter.fact("another attempt committed this condition meanwhile; its result stands")
    elif failures:
        payload = {
            "run": context.task.run,
            "name": context.task.name,
            "failures": [failure.model_dump() for failure in failures],
            "record": published.record.model_dump(),
            "manifest": published.manifest.model_dump(),
        }
        context.ledger.record_failure(context.attempt.condition_id, context.attempt.id, payload)
    else:
        payload = {
            "attempt": context.attempt.id,
            "run": context.task.run,
            "record": published.record.model_dump(),
            "manifest": published.manifest.model_dump(),
            "summary": record.summary,
        }
        if not context.ledger.commit("condition", context.attempt.condition_id, payload, context.locks.condition):
            context.reporter.fact("another attempt committed this condition first; its result stands")
    return record


def _elsewhere(outcome: Outcome) -> dict[Path, Kept]:
    """Files of the condition that are durable already."""
    trained = outcome.trained
    return {trained.weights: trained.kept} if trained and trained.kept else {}


def exit_code(record: Record) -> int:
    """What the process ends with: 0, or the gravest of what is missing."""
    failures = [record.error, *(result.error for result in record.target_results.values())]
    return max((failure.exit_code for failure in failures if failure), default=0)


def _free(context: Context, ended: datetime) -> Path:
    """Where the record goes; two attempts that end within one second leave two records."""
    path = context.task.paths.record(ended.strftime("%Y%m%d_%H%M%S"))
    return path if not path.exists() else _free(context, ended + timedelta(seconds=1))


def make_record(context: Context, outcome: Outcome, detector: Detector | None) -> Record:
    """The record of what there is."""
    task, config, device = context.task, context.config, context.fabric.device
    source = outcome.source.result if outcome.source else None
    results = {domain: done.result for domain, done in outcome.targets.items()}
    for domain, failure in outcome.failed_targets.items():
        results[domain] = DomainResult(status="failed", error=failure)
    summary: dict[str, Any] = {}
    if outcome.source:
        summary = summarise(
            (outcome.source.scores, outcome.source.labels),
            {domain: (done.scores, done.labels) for domain, done in outcome.targets.items()},
            seed=config.seed,
        )
    trained = outcome.trained
    random = bool(detector and detector.backbone and detector.backbone.random)
    lines = [auroc_line("Source", config.source_domain, source)] if source else []
    lines += [auroc_line("Target", domain, result) for domain, result in sorted(results.items())]
    return Record(
        condition={
            "name": task.name,
            "description": task.description,
            "config": config.model_dump(mode="json"),
        },
        condition_id=context.attempt.condition_id,
        training_key=context.attempt.training_key,
        run=task.run,
        attempt=context.attempt.id,
        status=outcome.status,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        val_image_AUROC=source.test_image_AUROC if source else None,
        source_results=source,
        target_results=results,
        training_info=trained.info if trained else None,
        best_checkpoint=trained.weights.relative_to(task.results).as_posix() if trained else None,
        validation=config.validation,
        selection=SELECTION[config.validation],
        normalisation=config.normalisation,
        deviations=_deviations(outcome, random, task.precision),
        advice=poor_transfer(config.model_type, summary.get("transfer_ratio"), summary.get("skill_ratio")),
        random_weights=random,
        synthetic_data=any(result.synthetic for result in (source, *results.values()) if result),
        timings_seconds=outcome.timings | {"total": round(time.time() - context.attempt.started, 3)},
        peak_memory_bytes=peak_memory(),
        peak_device_memory_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        provenance=provenance(detector, device, config, precision=task.precision, data_lock=context.locks.condition),
        error=outcome.failure,
        summary=lines,
        **summary,
    )


def _deviations(outcome: Outcome, random: bool, precision: str) -> list[str]:
    found = [*outcome.deviations, *outcome.upsampled]
    if precision != FULL:
        found.append(f"precision {precision}")
    info = outcome.trained.info if outcome.trained else None
    if info and info.resumed_from_step is not None:
        found.append(f"resumed from step {info.resumed_from_step}")
    if random:
        found.append("random weights: no pretrained backbone")
    return found


def _metrics(record: Record) -> dict[str, float]:
    values = {"val_image_AUROC": record.val_image_AUROC, "avg_target_auroc": record.avg_target_auroc}
    values |= {
        f"test_image_AUROC/{domain}": result.test_image_AUROC for domain, result in record.target_results.items()
    }
    return {f"hparam/{name}": value for name, value in values.items() if value is not None}


def _last_line(record: Record) -> str:
    ratio = "undefined" if record.transfer_ratio is None else f"{record.transfer_ratio:.3f}"
    average = "undefined" if record.avg_target_auroc is None else f"{record.avg_target_auroc:.4f}"
    return (
        f"{'Ended' if record.error else 'Finished'}: {record.condition['name']} | {record.status}"
        f" | average target AUROC: {average}"
        f" over {record.n_targets} | transfer ratio: {ratio} | {record.timings_seconds['total']:.0f} s"
    )
