"""One condition from images to record, the visible sequence (spec: contracts, "Protocol of a multi-domain condition").

fit on the source -> restore the best weights -> commit the training -> score the source's test split -> score every
target's -> predictions, pictures, record, manifest -> commit the condition. A target that cannot be scored is failed
with its reason; what is finished stands, and the same command later does only what is missing.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from types import TracebackType

import torch

from crossad.conditions.identity import condition_id, resolve, training_key
from crossad.data.layout import ImageFile, list_domains
from crossad.errors import CrossadError, InterruptedRun
from crossad.files import sha256_file
from crossad.metrics.auroc import Undefined, auroc
from crossad.results.ledger import Ledger
from crossad.results.record import Record
from crossad.seeds import derive
from crossad.trainer.context import Attempt, Context, Task
from crossad.trainer.detector import Detector
from crossad.trainer.detectors import build
from crossad.trainer.device import set_up
from crossad.trainer.domains import Domains
from crossad.trainer.evaluation import Evaluator
from crossad.trainer.failures import as_failure, translate
from crossad.trainer.finish import Outcome, exit_code, finish
from crossad.trainer.folder import work_in
from crossad.trainer.holdout import HoldoutSource
from crossad.trainer.loader import ImageSource
from crossad.trainer.locks import Locks
from crossad.trainer.loop import Surroundings
from crossad.trainer.reporter import Reporter
from crossad.trainer.scoring import score_source
from crossad.trainer.training import Trained, commit_training, fit, names_hash, reuse


def run_condition(task: Task) -> Record:
    """Run one condition to its record, or return the record that is already committed.

    Raises:
        CrossadError: the condition failed as a whole; its record and the ledger say why, and the error's exit code
            is the process's.
        InterruptedRun: a stop was requested; the same call continues.
    """
    task = replace(task, config=resolve(task.config, list_domains(task.data)))
    ledger, locks = Ledger(task.results), Locks(task.data, task.config)
    attempt = Attempt(task.keyed(condition_id(task.config)), task.keyed(training_key(task.config)))
    done = committed_record(ledger, attempt.condition_id, locks.condition)
    if done is not None:
        return done
    fabric = set_up(task.gpu_id, precision=task.precision)
    with (
        work_in(task.paths),
        Reporter(task.paths, echo=task.echo) as reporter,
        _Work(Context(task, attempt, ledger, locks, reporter, fabric)) as work,
    ):
        return work.run()


def committed_record(ledger: Ledger, condition: str, lock: str | None) -> Record | None:
    """The record of a condition that is done; a commit whose record is gone or changed is set aside."""
    commit = ledger.committed("condition", condition, lock)
    if commit is None:
        return None
    path = ledger.root.parent / commit["record"]
    if path.is_file() and sha256_file(path) == commit["record_sha256"]:
        return Record.model_validate_json(path.read_bytes())
    ledger.withdraw("condition", condition, commit["data_lock"])
    return None


class _Work:
    """One attempt at one condition; as a context manager it sees to it that the record tells every ending."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.domains = Domains(context.task.data, context.config)
        self.outcome = Outcome(deviations=list(context.task.deviations))
        self.detector: Detector | None = None
        self.step = "starting"

    def __enter__(self) -> _Work:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if not isinstance(error, Exception) or isinstance(error, InterruptedRun) or self._stopping:
            self._interrupted(error)
            return
        self._failed(error)
        known = translate(error, self.context.config.model_type)
        if known is not None and known is not error:
            raise known from error

    @property
    def _stopping(self) -> bool:
        return self.context.task.interrupt.requested

    def run(self) -> Record:
        """The whole sequence."""
        context, config = self.context, self.context.config
        context.reporter.fact(
            f"Started: {context.task.name} | model {config.model_type} | source {config.source_domain}"
            f" | targets {', '.join(config.target_domains or ()) or 'none'} | device {context.fabric.device}"
        )
        with self._timed("build"):
            torch.manual_seed(derive(config.seed, "init"))
            self.detector = detector = build(config, weights_dir=context.task.weights_dir)
        with self._timed("fit"):
            self.outcome.trained = self._train(detector)
        with self._timed("score"):
            self._evaluate(detector)
        with self._timed("finish"):
            record = finish(context, self.outcome, detector)
        context.reporter.finish("done", exit_code(record))
        return record

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self.step, started = step, time.monotonic()
        yield
        self.outcome.timings[step] = round(time.monotonic() - started, 3)

    def _train(self, detector: Detector) -> Trained:
        """Committed weights where there are any, else a fit and its commit."""
        context, task = self.context, self.context.task
        key, lock = context.attempt.training_key, context.locks.training
        there = reuse(detector, context.ledger, key, lock, exclude=task.paths.root)
        if there is not None:
            context.reporter.fact(f"Training: reused, {there.weights.relative_to(task.results)}")
            return there
        context.reporter.phase("loading")
        files, held_out = self.domains.training_files()
        work = f"{key}@{Ledger.short(lock)}" if lock else key
        state = task.paths.checkpoints / "state" / f"{work}.safetensors"
        # the file's key tells other data apart, too: a state is never continued on images that it does not know
        around = Surroundings(
            context.fabric,
            context.reporter,
            task.interrupt,
            state,
            f"{work}/{names_hash(files)}",
            task.checkpoint_seconds,
        )
        with (
            closing(self.domains.open(files, task.config.source_domain)) as images,
            closing(self._validation(held_out)) as validation,
        ):
            info, save = fit(detector, images, task.config, lambda: self._auroc(detector, validation), around)
        trained = Trained(task.paths.checkpoints / f"weights-{work}.safetensors", info)
        save(trained.weights)
        commit_training(context.ledger, key, lock, trained, context.attempt.id)
        state.unlink(missing_ok=True)
        with suppress(OSError):  # absent where the fit never saved, not empty where another training waits there
            state.parent.rmdir()
        context.reporter.fact(
            f"Training: {info.total_steps} steps on {info.training_images} images, weights {info.weights_sha256}"
        )
        return trained

    def _validation(self, held_out: tuple[ImageFile, ...]) -> ImageSource | HoldoutSource:
        config = self.context.config
        if held_out:
            return HoldoutSource(self.domains.open(held_out, config.source_domain), config.seed)
        return self.domains.open(self.domains.files(config.source_domain, "test"), config.source_domain)

    def _auroc(self, detector: Detector, images: ImageSource | HoldoutSource) -> float | None:
        """Validation AUROC of the current weights; None where one class is missing."""
        context = self.context
        scores = score_source(detector, images, context.fabric, batch_size=context.config.batch_size)
        try:
            return auroc(scores.image, scores.labels)
        except Undefined:
            return None

    def _evaluate(self, detector: Detector) -> None:
        """Score the source, then every target; a target's failure is its own."""
        context, outcome = self.context, self.outcome
        context.fabric.to_device(detector)
        stamps = ("RANDOM WEIGHTS",) if detector.backbone and detector.backbone.random else ()
        evaluator = Evaluator(context, detector, self.domains, stamps)
        source = context.config.source_domain
        self.step = f"score {source}"
        outcome.source = evaluator.source()
        for domain in context.config.target_domains or ():
            context.task.interrupt.check()
            self.step = f"score {domain}"
            try:
                outcome.targets[domain] = evaluator.target(domain)
            except InterruptedRun:
                raise
            except CrossadError as error:
                outcome.failed_targets[domain] = as_failure(error, self.step)
                context.reporter.fact(f"Target {domain} failed: {error.message} | next: {error.hint}", "ERROR")
        outcome.deviations += self.domains.upsampled((source, *outcome.targets))

    def _interrupted(self, error: BaseException) -> None:
        """Say so; state, trainings and evaluations that are finished lie safe already."""
        context = self.context
        with suppress(OSError):
            if not isinstance(error, InterruptedRun):
                context.reporter.detail(f"{self.step}: {type(error).__name__}: {error}")
            context.reporter.fact(f"Interrupted: {context.task.name} at {self.step}; progress is saved", "WARNING")
            context.reporter.finish("interrupted", InterruptedRun.exit_code)

    def _failed(self, error: Exception) -> None:
        """Leave a failed record, a ledger entry and a last line, as far as the disk takes them."""
        reporter, model = self.context.reporter, self.context.config.model_type
        failure = self.outcome.failure = as_failure(error, self.step, model)
        with suppress(OSError):
            finish(self.context, self.outcome, self.detector)
        with suppress(OSError):
            reporter.fact(
                f"Failed: {self.context.task.name} at {self.step}: {failure.message}"
                + (f" | next: {failure.hint}" if failure.hint else ""),
                "ERROR",
            )
            if failure.kind == "crash":
                reporter.detail("".join(traceback.format_exception(error)))
            reporter.finish("failed", failure.exit_code)
