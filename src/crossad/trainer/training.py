"""Weights for a condition: those already committed for its training key, or a fit (continued where one stopped)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossad.conditions.model import PatchcoreConfig
from crossad.data.layout import ImageFile
from crossad.results.home import Kept
from crossad.results.record import TrainingInfo
from crossad.trainer.checkpoint import load_state, save_state, state_hash
from crossad.trainer.context import Context
from crossad.trainer.detector import BankDetector, Detector, GradientDetector, Randomness
from crossad.trainer.device import to_device
from crossad.trainer.loader import ImageSource, in_order
from crossad.trainer.loop import Fit, Fitting, Surroundings, Validate


@dataclass(frozen=True)
class Trained:
    """Where the chosen weights lie and how they came to be; the detector carries them."""

    weights: Path
    info: TrainingInfo
    kept: Kept | None = None  # once it is committed


def reuse(detector: Detector, context: Context) -> Trained | None:
    """Load the weights another condition (or another attempt) committed for the same training key.

    A commit whose file is gone or changed is set aside, and the caller trains.
    """
    ledger, home, key = context.ledger, context.home, context.attempt.training_key
    commit = ledger.committed("training", key, context.locks.training)
    if commit is None:
        return None
    kept = Kept.model_validate(commit["weights"])
    weights = home.bring(kept, context.task.paths.checkpoints / Path(kept.ref).name)
    if weights is None:
        ledger.withdraw("training", key, commit["data_lock"], seen=commit)
        return None
    state, _ = load_state(weights)
    detector.load_trained_state(state)
    info = TrainingInfo.model_validate(commit["training_info"])
    shared = commit["attempt"] if commit["condition_id"] != context.attempt.condition_id else None
    return Trained(weights, info.model_copy(update={"shared_with": shared}), kept)


def names_hash(files: Sequence[ImageFile]) -> str:
    """A short hash of which images there are, in their order."""
    return hashlib.sha256("\n".join(file.relative for file in files).encode()).hexdigest()[:12]


def fit(
    detector: Detector,
    images: ImageSource,
    config: Any,  # noqa: ANN401 - one of the condition models; which one goes with the detector's kind
    validate: Validate,
    surroundings: Surroundings,
) -> tuple[TrainingInfo, Callable[[Path], None]]:
    """Fit by gradient or by memory bank; afterwards the detector carries the chosen weights.

    Returns:
        How it went, and a function that writes the weights file.
    """
    to_device(surroundings.fabric, detector)
    if isinstance(detector, GradientDetector):
        done = Fitting(detector, images, config, validate, surroundings).run()
        detector.load_trained_state(done.best)
        info = _gradient_info(done, config.max_epochs)
    elif isinstance(detector, BankDetector):
        info = _fill_bank(detector, images, config, surroundings)
    else:
        raise TypeError(f"a detector of no known kind: {type(detector).__name__}")
    state = detector.trained_state()
    info = info.model_copy(
        update={
            "parameters": sum(parameter.numel() for parameter in detector.parameters()),
            "trainable_parameters": sum(p.numel() for p in detector.parameters() if p.requires_grad),
            "weights_sha256": state_hash(state),
            "training_images": len(images),
        }
    )
    header = {"key": surroundings.key, "kind": "weights", "weights_sha256": info.weights_sha256}
    return info, lambda path: save_state(path, state, header)


def _fill_bank(
    detector: BankDetector, images: ImageSource, config: PatchcoreConfig, around: Surroundings
) -> TrainingInfo:
    detector.eval()
    around.reporter.phase("fitting", len(images), "image")
    for batch in images.batches(in_order(len(images), config.batch_size)):
        with around.fabric.autocast():
            detector.collect(batch.to(around.fabric.device, non_blocking=True))
        around.reporter.advance(len(batch))
        around.interrupt.check()
    around.reporter.phase("coreset")
    detector.build(Randomness(config.seed, 0))
    around.interrupt.check()
    return TrainingInfo(max_epochs_configured=1, last_trained_epoch=0, total_steps=0)


def _gradient_info(done: Fit, max_epochs: int) -> TrainingInfo:
    standing = done.standing
    values = [row["val_image_AUROC"] for row in standing.curve if row.get("val_image_AUROC") is not None]
    last = values[-1] if values else None
    best = standing.best_auroc
    return TrainingInfo(
        max_epochs_configured=max_epochs,
        last_trained_epoch=(standing.step - 1) // done.steps_per_epoch,
        total_steps=standing.step,
        early_stopped=standing.stopped is not None,
        early_stop_reason=standing.stopped,
        best_val_auroc=best,
        best_epoch=standing.best_epoch,
        best_minus_last=best - last if best is not None and last is not None else None,
        curve=standing.curve,
        resumed_from_step=done.resumed_from_step,
    )


def commit_training(context: Context, trained: Trained) -> Trained | None:
    """Make the weights count, for this condition and for every other with the same training key.

    Returns:
        The same with what was kept; None where another attempt committed other weights first: those stand.
    """
    attempt, ledger, lock = context.attempt, context.ledger, context.locks.training
    kept = context.home.keep(trained.weights, attempt.key(trained.weights.name))
    payload = {
        "attempt": attempt.id,
        "condition_id": attempt.condition_id,
        "weights": kept.model_dump(),
        "training_info": trained.info.model_dump(mode="json"),
    }
    if not ledger.commit("training", attempt.training_key, payload, lock):
        theirs = ledger.committed("training", attempt.training_key, lock)
        if theirs is not None and theirs["training_info"]["weights_sha256"] != trained.info.weights_sha256:
            return None
    return replace(trained, kept=kept)
