"""One condition from images to record, the visible sequence (spec: contracts, "Protocol of a multi-domain condition").

fit on the source -> restore the best weights -> commit the training -> score the source's test split -> score every
target's -> predictions, pictures, record, manifest -> commit the condition. A target that cannot be scored is failed
with its reason; what is finished stands, and the same command later does only what is missing.
"""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import torch

from crossad.conditions.identity import condition_id, resolve, training_key
from crossad.data.layout import ImageFile, list_domains
from crossad.errors import CrossadError, InterruptedRun
from crossad.metrics.auroc import Undefined, auroc
from crossad.results.home import Home, Kept
from crossad.results.ledger import Ledger
from crossad.results.outbox import FolderOutbox, Outbox, Sender
from crossad.results.record import Record
from crossad.results.shipping import BucketOutbox
from crossad.seeds import derive
from crossad.store.faults import StoreBroken, StoreDenied, StoreMissing, StoreUnreachable
from crossad.trainer.checkpoint import saved_step
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
    home, locks = task.place, Locks(task.data, task.config)
    attempt = Attempt(task.keyed(condition_id(task.config)), task.keyed(training_key(task.config)))
    done = committed_record(home, attempt.condition_id, locks.condition)
    if done is not None:
        return done
    fabric = set_up(task.gpu_id, precision=task.precision)
    with (
        work_in(task.paths),
        Reporter(task.paths, echo=task.echo) as reporter,
        _outbox(task, attempt, reporter) as outbox,
        _Work(Context(task, attempt, home, outbox, locks, reporter, fabric)) as work,
    ):
        return work.run()


def _outbox(task: Task, attempt: Attempt, reporter: Reporter) -> Outbox:
    """The way of this attempt's results to where runs live."""
    sender = Sender(attempt.id, attempt.condition_id, task.name, task.run, task.paths)
    if not task.place.remote:
        return FolderOutbox(task.place, sender)
    return BucketOutbox(task.place, sender, reporter.detail, ship_seconds=task.ship_seconds)


def committed_record(home: Home, condition: str, lock: str | None) -> Record | None:
    """The record of a condition that is done; a commit whose record is gone or changed is set aside."""
    commit = home.ledger.committed("condition", condition, lock)
    if commit is None:
        return None
    with tempfile.TemporaryDirectory(prefix="crossad-") as folder:
        path = home.bring(Kept.model_validate(commit["record"]), Path(folder) / "record.json")
        if path is not None:
            return Record.model_validate_json(path.read_bytes())
    home.ledger.withdraw("condition", condition, commit["data_lock"])
    return None


class _Work:
    """One attempt at one condition; as a context manager it sees to it that the record tells every ending."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.domains = Domains(context.task.data, context.config, context.bring)
        self.outcome = Outcome(deviations=list(context.task.deviations))
        self.detector: Detector | None = None
        self.step = "starting"
        self._stands = True  # False once another attempt's training was committed before this one's

    def __enter__(self) -> _Work:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        waiting = isinstance(error, InterruptedRun | StoreUnreachable)  # neither says anything about the condition
        if not isinstance(error, Exception) or waiting or self._stopping:
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
            self._train(detector)
        with self._timed("score"):
            self._score(detector)
        with self._timed("finish"):
            record = finish(context, self.outcome, detector)
        context.reporter.finish("done", exit_code(record))
        return record

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self.step, started = step, time.monotonic()
        yield
        self.outcome.timings[step] = round(time.monotonic() - started, 3)

    def _train(self, detector: Detector) -> None:
        """Committed weights where there are any, else a fit and its commit."""
        context, task = self.context, self.context.task
        there = reuse(detector, context)
        if there is not None:
            self.outcome.trained = there
            context.reporter.fact(f"Training: reused, {there.weights.relative_to(task.results)}")
            return
        context.reporter.phase("loading")
        files, held_out = self.domains.training_files()
        work = self._work
        state = task.paths.checkpoints / "state" / f"{work}.safetensors"
        # the file's key tells other data apart, too: a state is never continued on images that it does not know
        key = f"{work}/{names_hash(files)}"
        context.outbox.resume(work, key, state, saved_step(state, key))
        around = Surroundings(
            context.fabric,
            context.reporter,
            task.interrupt,
            state,
            key,
            task.checkpoint_seconds,
            lambda step: context.outbox.checkpoint(work, key, state, step),
        )
        with (
            closing(self.domains.open(files, task.config.source_domain)) as images,
            closing(self._validation(held_out)) as validation,
        ):
            info, save = fit(detector, images, task.config, lambda: self._auroc(detector, validation), around)
        self.outcome.trained = trained = Trained(task.paths.checkpoints / f"weights-{work}.safetensors", info)
        save(trained.weights)
        context.outbox.later(lambda: self._commit(trained))
        state.unlink(missing_ok=True)
        with suppress(OSError):  # absent where the fit never saved, not empty where another training waits there
            state.parent.rmdir()
        context.reporter.fact(
            f"Training: {info.total_steps} steps on {info.training_images} images, weights {info.weights_sha256}"
        )

    @property
    def _work(self) -> str:
        """The training and the data it was made with, as files and objects are called."""
        context = self.context
        lock = context.locks.training
        return f"{context.attempt.training_key}@{Ledger.short(lock)}" if lock else context.attempt.training_key

    def _commit(self, trained: Trained) -> None:
        """Commit the training; where another attempt was first with other weights, those stand."""
        committed = commit_training(self.context, trained)
        if committed is None:
            self._stands = False
        else:
            self.outcome.trained = committed
        self.context.outbox.trained(self._work)

    def _score(self, detector: Detector) -> None:
        """Score everything with the weights that count, even if another attempt's turn out to be those."""
        self._evaluate(detector)
        if self._stands:
            return
        self._stands = True
        theirs = reuse(detector, self.context)
        if theirs is None:  # their weights are gone, and their commit was set aside
            assert self.outcome.trained is not None  # noqa: S101 - set by run()
            self._commit(self.outcome.trained)
        else:
            self.outcome.trained = theirs
            self.context.reporter.fact("another attempt committed this training first; scoring with its weights")
        self.outcome.targets, self.outcome.failed_targets = {}, {}
        self._evaluate(detector)

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
        evaluator = Evaluator(context, detector, self.domains, stamps, lambda: self._stands)
        source = context.config.source_domain
        self.step = f"score {source}"
        outcome.source = evaluator.source()
        for domain in context.config.target_domains or ():
            context.task.interrupt.check()
            self.step = f"score {domain}"
            try:
                outcome.targets[domain] = evaluator.target(domain)
            except (InterruptedRun, StoreUnreachable, StoreDenied, StoreBroken, StoreMissing):
                raise  # says nothing about the target
            except CrossadError as error:
                outcome.failed_targets[domain] = as_failure(error, self.step)
                context.reporter.fact(f"Target {domain} failed: {error.message} | next: {error.hint}", "ERROR")
        context.outbox.settle()
        for domain, done in evaluator.theirs():
            if domain == source:
                outcome.source = done
            else:
                outcome.targets[domain] = done
        outcome.pictures = {folder: kept for folder, kept in evaluator.pictures.items() if kept is not None}
        outcome.upsampled = self.domains.upsampled((source, *outcome.targets))

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
        try:
            finish(self.context, self.outcome, self.detector)
        except (
            OSError,
            CrossadError,
        ) as fault:  # the first error is the one to tell
            with suppress(OSError):
                reporter.detail(f"its record could not be kept: {fault}")
        with suppress(OSError):
            reporter.fact(
                f"Failed: {self.context.task.name} at {self.step}: {failure.message}"
                + (f" | next: {failure.hint}" if failure.hint else ""),
                "ERROR",
            )
            if failure.kind == "crash":
                reporter.detail("".join(traceback.format_exception(error)))
            reporter.finish("failed", failure.exit_code)
