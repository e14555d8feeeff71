"""One condition from images to record, the visible sequence (spec: contracts, "Protocol of a multi-domain condition").

fit on the source -> restore the best weights -> commit the training -> score the source's test split -> score every
target's -> predictions, pictures, record, manifest -> commit the condition. A target that cannot be scored is failed
with its reason; what is finished stands, and the same command later does only what is missing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import torch
from lightning.fabric import Fabric

from crossad.conditions.identity import condition_id, resolve, training_key
from crossad.data.layout import list_domains
from crossad.errors import CrossadError, InterruptedRun
from crossad.results.beacons import Lamp, lit
from crossad.results.bounds import Budget, Spent, retry_command, spent_before
from crossad.results.home import Home, Kept
from crossad.results.outbox import FolderOutbox, Outbox, Sender
from crossad.results.record import Record
from crossad.results.shipping import BucketOutbox
from crossad.seeds import derive
from crossad.store.faults import StoreBroken, StoreDenied, StoreMissing, StoreUnreachable
from crossad.trainer.context import Attempt, Context, Task
from crossad.trainer.detector import Detector
from crossad.trainer.detectors import build
from crossad.trainer.device import set_up, to_device
from crossad.trainer.domains import Domains
from crossad.trainer.endings import record_failed, tell_interrupted
from crossad.trainer.evaluation import Evaluator
from crossad.trainer.failures import as_failure, translate
from crossad.trainer.finish import Outcome, exit_code, finish
from crossad.trainer.folder import set_aside, work_in
from crossad.trainer.limit import Limit
from crossad.trainer.locks import Locks
from crossad.trainer.reporter import Reporter
from crossad.trainer.supplies import find_supplies
from crossad.trainer.weights import Weights


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
    with work_in(task.paths, task.interrupt, echo=task.echo) as waited:
        if waited and (done := committed_record(home, attempt.condition_id, locks.condition)) is not None:
            return done
        set_aside(task.paths)
        record = _attempt(task, attempt, locks, fabric)
    if record.status == "success":
        return record
    # what this attempt could not do, another one may have done meanwhile: then nothing is owed any more
    return committed_record(home, attempt.condition_id, locks.condition) or record


def _attempt(task: Task, attempt: Attempt, locks: Locks, fabric: Fabric) -> Record:
    with Reporter(task.paths, echo=task.echo) as reporter:
        lamp = _lamp(task, attempt)
        stop = Limit(task.interrupt, _budget(task, attempt, lamp))
        with (
            _outbox(task, attempt, reporter, lamp) as outbox,
            _Work(Context(task, attempt, task.place, outbox, locks, reporter, fabric, stop)) as work,
        ):
            return work.run()


def _lamp(task: Task, attempt: Attempt) -> Lamp | None:
    """This attempt's beacon, lit; a folder has use for one only where attempts are counted."""
    if not (task.place.remote or task.bounds.given):
        return None
    return lit(task.place.state, task.run, attempt.condition_id, attempt.id, task.ship_seconds)


def _budget(task: Task, attempt: Attempt, lamp: Lamp | None) -> Budget:
    """What this attempt may cost, after all that others of its generation have cost."""
    spent = Spent()
    if lamp is not None and task.bounds.given:
        spent = spent_before(task.place.state, task.run, attempt.condition_id, lamp)
    return Budget(task.bounds, spent, retry_command(task.run, task.name))


def _outbox(task: Task, attempt: Attempt, reporter: Reporter, lamp: Lamp | None) -> Outbox:
    """The way of this attempt's results to where runs live."""
    sender = Sender(attempt.id, attempt.condition_id, task.name, task.run, task.paths, lamp)
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
    home.ledger.withdraw("condition", condition, commit["data_lock"], seen=commit)
    return None


class _Work:
    """One attempt at one condition; as a context manager it sees to it that the record tells every ending."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.domains = Domains(context.task.data, context.config, context.bring)
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
        waiting = isinstance(error, InterruptedRun | StoreUnreachable)  # neither says anything about the condition
        if not isinstance(error, Exception) or waiting or self.context.task.interrupt.requested:
            tell_interrupted(self.context, self.step, error)
            return
        record_failed(self.context, self.outcome, self.detector, self.step, error)
        known = translate(error, self.context.config.model_type)
        if known is not None and known is not error:
            raise known from error

    def run(self) -> Record:
        """The whole sequence."""
        context, config = self.context, self.context.config
        context.reporter.fact(
            f"Started: {context.task.name} | model {config.model_type} | source {config.source_domain}"
            f" | targets {', '.join(config.target_domains or ()) or 'none'} | device {context.fabric.device}"
        )
        context.stop.check()
        with self._timed("build"):
            supplies = find_supplies(context)
            torch.manual_seed(derive(config.seed, "init"))
            self.detector = detector = build(supplies.config, weights_dir=supplies.weights_dir)
        weights = Weights(context, self.domains, detector, self.outcome)
        with self._timed("fit"):
            weights.find()
        with self._timed("score"):
            self._score(detector, weights)
        with self._timed("finish"):
            record = finish(context, self.outcome, detector)
        context.reporter.finish("done", exit_code(record))
        return record

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self.step, started = step, time.monotonic()
        yield
        self.outcome.timings[step] = round(time.monotonic() - started, 3)

    def _score(self, detector: Detector, weights: Weights) -> None:
        """Score everything with the weights that count, even if another attempt's turn out to be those."""
        self._evaluate(detector, weights)
        if not weights.stand:
            weights.take_theirs()
            self.outcome.targets, self.outcome.failed_targets = {}, {}
            self._evaluate(detector, weights)

    def _evaluate(self, detector: Detector, weights: Weights) -> None:
        """Score the source, then every target; a target's failure is its own."""
        context, outcome = self.context, self.outcome
        to_device(context.fabric, detector)
        stamps = ("RANDOM WEIGHTS",) if detector.backbone and detector.backbone.random else ()
        evaluator = Evaluator(context, detector, self.domains, stamps, lambda: weights.stand)
        source = context.config.source_domain
        self.step = f"score {source}"
        outcome.source = evaluator.source()
        for domain in context.config.target_domains or ():
            context.stop.check()
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
