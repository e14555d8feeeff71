"""Fitting by gradient: a visible loop that can stop at any step and go on as if it had not.

Exact resume rests on three things: every random draw is a function of (seed, purpose, step); the learning rate is a
function of the step; weights, optimizer and best-so-far travel in one file with the step that they belong to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from crossad.conditions.model import TrainedConfig
from crossad.errors import DataError, DeterministicError
from crossad.interrupt import Interrupt
from crossad.seeds import derive, generator
from crossad.trainer.checkpoint import load_state, nested, save_state, unnested
from crossad.trainer.detector import GradientDetector, Randomness
from crossad.trainer.loader import ImageSource
from crossad.trainer.optim import (
    build_optimizer,
    gradient_clip,
    learning_rate,
    load_optimizer_state,
    optimizer_state,
)
from crossad.trainer.reporter import Reporter

FORMAT = 1  # of the state file; another format is a fresh start
# on a GPU each look at the loss waits for the device; NaN stays NaN, so a few steps late is fine
FINITE_CHECK_STEPS = 20

Validate = Callable[[], float | None]  # AUROC of the current weights on the validation split; None where undefined


@dataclass(frozen=True)
class Surroundings:
    """What a fit needs beside the model and its images."""

    fabric: Fabric
    reporter: Reporter
    interrupt: Interrupt
    state_file: Path
    key: str  # training key: state of another training is never continued
    checkpoint_seconds: float = 120.0
    saved: Callable[[int], None] = lambda _step: None  # told after each save, with its step


@dataclass
class Standing:
    """Where a fit stands; all of it goes into the header of the state file."""

    step: int = 0
    best_auroc: float | None = None
    best_epoch: int | None = None
    waited: int = 0  # epochs without improvement
    stopped: str | None = None
    curve: list[dict[str, float | None]] = field(default_factory=list)
    loss_sum: float = 0.0  # of the running epoch
    loss_steps: int = 0


@dataclass(frozen=True)
class Fit:
    """A finished fit: the standing at its end and the weights it chose."""

    standing: Standing
    best: dict[str, Tensor]
    total_steps: int
    steps_per_epoch: int
    resumed_from_step: int | None


class Fitting:
    """One fit of a gradient model on normal images of the source domain."""

    def __init__(
        self,
        detector: GradientDetector,
        images: ImageSource,
        config: TrainedConfig,
        validate: Validate,
        surroundings: Surroundings,
    ) -> None:
        """Build the optimizer and continue from the state file where there is one of this very training."""
        self.detector, self.images, self.config = detector, images, config
        self.validate, self.around = validate, surroundings
        self.steps_per_epoch = math.ceil(len(images) / config.batch_size)
        epochs = config.max_epochs * self.steps_per_epoch
        self.total = min(epochs, config.max_steps) if config.max_steps else epochs
        self.optimizer = build_optimizer(config, detector)
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.clip = gradient_clip(config)
        self.standing = Standing()
        self.best: dict[str, Tensor] = {}
        self.resumed_from = self._resume()
        self._saved = time.monotonic()

    def run(self) -> Fit:
        """Step until the end or the early stop.

        Raises:
            DeterministicError: the loss is not finite.
            InterruptedRun: a stop was requested; the state is saved.
            BoundReached: the condition has had its time; the state is saved.
        """
        around, standing = self.around, self.standing
        around.reporter.phase("fitting", self.total, "step")
        around.reporter.advance(standing.step)
        while standing.step < self.total and standing.stopped is None:
            epoch, done = divmod(standing.step, self.steps_per_epoch)
            for batch in self.images.batches(self._order(epoch)[done : done + self.total - standing.step]):
                loss = self._step(batch)
                standing.step += 1
                self._account(loss)
                if standing.step % self.steps_per_epoch == 0 or standing.step == self.total:
                    self._end_epoch(epoch)
                self._safe_point()
        self.save()
        return Fit(standing, self.best or self._weights(), self.total, self.steps_per_epoch, self.resumed_from)

    def _order(self, epoch: int) -> list[list[int]]:
        """The batches of one epoch: every image once, in an order that only seed and epoch decide."""
        order = generator(self.config.seed, "order", epoch).permutation(len(self.images)).tolist()
        size = self.config.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def _step(self, batch: Tensor) -> Tensor:
        """One optimizer step on a batch (B, C, H, W) of normal images; returns the loss, still on the device."""
        config, step = self.config, self.standing.step
        torch.manual_seed(derive(config.seed, "dropout", step))
        rate = learning_rate(config, step, self.total, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.detector.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self.around.fabric.autocast():
            losses = self.detector.loss(
                batch.to(self.around.fabric.device, non_blocking=True), Randomness(config.seed, step)
            )
        self.around.fabric.backward(losses["loss"])
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        if step % max(1, self.total // 500) == 0:
            for name, value in losses.items():
                self.around.reporter.scalar(f"train/{name}", float(value.detach()), step)
            self.around.reporter.scalar("train/learning_rate", rate, step)
        return losses["loss"].detach()

    def _account(self, loss: Tensor) -> None:
        standing = self.standing
        look = any(standing.step % every == 0 for every in (FINITE_CHECK_STEPS, self.steps_per_epoch, self.total))
        if loss.device.type != "cpu" and not look:
            self.around.reporter.advance()
            return
        value = float(loss)
        if not math.isfinite(value):
            raise DeterministicError(
                f"the loss became {value} at step {standing.step} of {self.total}",
                hint="lower config.learning_rate, or set config.gradient_clip_val (0.1 is a usual value)",
            )
        standing.loss_sum += value
        standing.loss_steps += 1
        self.around.reporter.advance(loss=value)

    def _end_epoch(self, epoch: int) -> None:
        """Close the epoch's row of the curve, with a validation where one is due."""
        config, standing, reporter = self.config, self.standing, self.around.reporter
        last = standing.step == self.total
        mean_loss = standing.loss_sum / max(1, standing.loss_steps)
        standing.loss_sum, standing.loss_steps = 0.0, 0
        row: dict[str, float | None] = {"epoch": epoch, "step": standing.step, "train_loss": mean_loss}
        if (epoch + 1) % config.check_val_every_n_epoch == 0 or last:
            auroc = self.validate()
            row["val_image_AUROC"] = auroc
            reporter.scalar("val_image_AUROC", auroc, standing.step)
            if auroc is not None:
                self._judge(auroc, epoch, last=last)
            shown = "undefined" if auroc is None else f"{auroc:.4f}"
            reporter.detail(f"epoch {epoch}: train_loss {mean_loss:.5f} val_image_AUROC {shown}")
        standing.curve.append(row)

    def _judge(self, auroc: float, epoch: int, *, last: bool) -> None:
        """Keep the best weights, decide on the early stop: min_delta serves both, ties keep the earliest.

        An undefined AUROC is never judged: without a single defined one nothing stops and the last weights stand.
        """
        config, standing = self.config, self.standing
        best, patience = standing.best_auroc, config.early_stopping_patience
        if best is None or auroc > best + config.early_stopping_min_delta:
            standing.best_auroc, standing.best_epoch, standing.waited = auroc, epoch, 0
            self.best = self._weights()
        else:
            standing.waited += config.check_val_every_n_epoch
        if patience is not None and standing.waited >= patience and not last:
            standing.stopped = (
                f"val_image_AUROC did not improve by {config.early_stopping_min_delta} in {standing.waited} epochs"
            )

    def _safe_point(self) -> None:
        if self.around.interrupt.requested:
            self.save()
            self.around.interrupt.check(f" at step {self.standing.step} of {self.total}")
        if time.monotonic() - self._saved > self.around.checkpoint_seconds:
            self.save()

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.detector.trained_state().items()}

    def save(self) -> None:
        """Write weights, optimizer, best-so-far and standing as one file."""
        tensors, scalars = optimizer_state(self.optimizer)
        state = nested("model", self._weights()) | nested("optimizer", tensors) | nested("best", self.best)
        header: Mapping[str, Any] = {
            "format": FORMAT,
            "key": self.around.key,
            "optimizer": scalars,
            "standing": asdict(self.standing),
        }
        save_state(self.around.state_file, state, header)
        self.around.saved(self.standing.step)
        self._saved = time.monotonic()

    def _resume(self) -> int | None:
        """Continue from the state file; a state of other work, a damaged one, or none, leaves a fresh start."""
        try:
            state, header = load_state(self.around.state_file)
        except FileNotFoundError:
            return None
        except DataError as error:
            self.around.reporter.fact(f"Training starts anew: {error.message}", "WARNING")
            return None
        if (header.get("format"), header.get("key")) != (FORMAT, self.around.key):
            return None
        self.detector.load_trained_state(unnested("model", state))
        load_optimizer_state(self.optimizer, unnested("optimizer", state), header["optimizer"])
        self.best = unnested("best", state)
        self.standing = Standing(**header["standing"])
        return self.standing.step
