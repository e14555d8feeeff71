"""The weights of one attempt: those that count already, else a fit (continued where one stopped) and its commit."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from crossad.data.layout import ImageFile
from crossad.metrics.auroc import Undefined, auroc
from crossad.results.ledger import Ledger
from crossad.trainer.checkpoint import saved_step
from crossad.trainer.context import Context
from crossad.trainer.detector import Detector
from crossad.trainer.domains import Domains
from crossad.trainer.finish import Outcome
from crossad.trainer.holdout import HoldoutSource
from crossad.trainer.loader import ImageSource
from crossad.trainer.loop import Surroundings
from crossad.trainer.scoring import score_source
from crossad.trainer.training import Trained, commit_training, fit, names_hash, reuse


class Weights:
    """Trains, or finds that it need not; after a lost race the winner's weights are the ones that count."""

    def __init__(self, context: Context, domains: Domains, detector: Detector, outcome: Outcome) -> None:
        """Take the attempt, the data, the detector that is to carry the weights, and where to note which they are."""
        self._context, self._domains, self._detector, self._outcome = context, domains, detector, outcome
        self.stand = True  # False once another attempt's training was committed before this one's

    def find(self) -> None:
        """Committed weights where there are any, else a fit and its commit."""
        context, task = self._context, self._context.task
        there = reuse(self._detector, context)
        if there is not None:
            self._outcome.trained = there
            context.reporter.fact(f"Training: reused, {there.weights.relative_to(task.results)}")
            return
        context.reporter.phase("loading")
        files, held_out = self._domains.training_files()
        work = self._work
        state = self._state
        # the file's key tells other data apart, too: a state is never continued on images that it does not know
        key = f"{work}/{names_hash(files)}"
        context.outbox.resume(work, key, state, saved_step(state, key))
        around = Surroundings(
            context.fabric,
            context.reporter,
            context.stop,
            state,
            key,
            task.checkpoint_seconds,
            lambda step: context.outbox.checkpoint(work, key, state, step),
        )
        with (
            closing(self._domains.open(files, task.config.source_domain)) as images,
            closing(self._validation(held_out)) as validation,
        ):
            info, save = fit(self._detector, images, task.config, lambda: self._auroc(validation), around)
        self._outcome.trained = trained = Trained(task.paths.checkpoints / f"weights-{work}.safetensors", info)
        save(trained.weights)
        context.outbox.later(lambda: self._commit(trained))
        context.reporter.fact(
            f"Training: {info.total_steps} steps on {info.training_images} images, weights {info.weights_sha256}"
        )

    def take_theirs(self) -> None:
        """Another attempt's weights were committed first: have them in the detector."""
        self.stand = True
        theirs = reuse(self._detector, self._context)
        if theirs is None:  # their weights are gone, and their commit was set aside
            assert self._outcome.trained is not None  # noqa: S101 - it lost the race
            self._commit(self._outcome.trained)
        else:
            self._outcome.trained = theirs
            self._context.reporter.fact("another attempt committed this training first; scoring with its weights")

    @property
    def _work(self) -> str:
        """The training and the data it was made with, as files and objects are called."""
        context = self._context
        lock = context.locks.training
        return f"{context.attempt.training_key}@{Ledger.short(lock)}" if lock else context.attempt.training_key

    @property
    def _state(self) -> Path:
        """Where a fit that is not committed yet stands."""
        return self._context.task.paths.checkpoints / "state" / f"{self._work}.safetensors"

    def _commit(self, trained: Trained) -> None:
        """Commit the training; where another attempt was first with other weights, those stand."""
        committed = commit_training(self._context, trained)
        if committed is None:
            self.stand = False
        else:
            self._outcome.trained = committed
        self._context.outbox.trained(self._work)
        self._state.unlink(
            missing_ok=True
        )  # not before: where the store stays away, it is what the next attempt begins with
        with suppress(OSError):  # absent where the fit never saved, not empty where another training waits there
            self._state.parent.rmdir()

    def _validation(self, held_out: tuple[ImageFile, ...]) -> ImageSource | HoldoutSource:
        config = self._context.config
        if held_out:
            return HoldoutSource(self._domains.open(held_out, config.source_domain), config.seed)
        return self._domains.open(self._domains.files(config.source_domain, "test"), config.source_domain)

    def _auroc(self, images: ImageSource | HoldoutSource) -> float | None:
        """Validation AUROC of the current weights; None where one class is missing."""
        context = self._context
        scores = score_source(self._detector, images, context.fabric, batch_size=context.config.batch_size)
        try:
            return auroc(scores.image, scores.labels)
        except Undefined:
            return None
