"""Weights for a condition: those already committed for its training key, or a fit (continued where one stopped)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossad.conditions.model import PatchcoreConfig
from crossad.data.layout import ImageFile
from crossad.errors import DataError
from crossad.files import sha256_file
from crossad.results.ledger import Ledger
from crossad.results.record import TrainingInfo
from crossad.trainer.checkpoint import load_state, save_state, state_hash
from crossad.trainer.detector import BankDetector, Detector, GradientDetector, Randomness
from crossad.trainer.loader import ImageSource, in_order
from crossad.trainer.loop import Fit, Fitting, Surroundings, Validate


@dataclass(frozen=True)
class Trained:
    """Where the chosen weights lie and how they came to be; the detector carries them."""

    weights: Path
    info: TrainingInfo


def reuse(detector: Detector, ledger: Ledger, key: str, lock: str | None, *, exclude: Path) -> Trained | None:
    """Load the weights another condition (or an earlier attempt) committed for the same training key.

    A commit whose file is gone or changed is set aside, and the caller trains.
    """
    commit = ledger.committed("training", key, lock)
    if commit is None:
        return None
    weights = ledger.root.parent / commit["weights"]
    if not weights.is_file() or sha256_file(weights) != commit["sha256"]:
        ledger.withdraw("training", key, commit["data_lock"])
        return None
    state, _ = load_state(weights)
    detector.load_trained_state(state)
    info = TrainingInfo.model_validate(commit["training_info"])
    shared = None if weights.is_relative_to(exclude) else commit["attempt"]
    return Trained(weights, info.model_copy(update={"shared_with": shared}))


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
    surroundings.fabric.to_device(detector)
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


def commit_training(ledger: Ledger, key: str, lock: str | None, trained: Trained, attempt: str) -> None:
    """Make the weights count, for this condition and for every other with the same training key."""
    results = ledger.root.parent
    if not trained.weights.is_relative_to(results):
        raise DataError(f"weights outside the results folder: {trained.weights}")
    ledger.commit(
        "training",
        key,
        {
            "attempt": attempt,
            "weights": trained.weights.relative_to(results).as_posix(),
            "sha256": sha256_file(trained.weights),
            "training_info": trained.info.model_dump(mode="json"),
        },
        lock,
    )
