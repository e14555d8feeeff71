"""The fit: exact resume at any step, the best checkpoint, the early stop, and random streams that do not touch."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from itertools import chain

import cv2
import numpy as np
import pytest
import timm
import torch
from lightning.fabric import Fabric
from safetensors.torch import save_file

from crossad.conditions.suite import parse_config
from crossad.data.layout import ImageFile
from crossad.errors import DeterministicError, InterruptedRun
from crossad.interrupt import Interrupt
from crossad.metrics.auroc import auroc
from crossad.results.layout import ConditionPaths
from crossad.trainer.backbones import create
from crossad.trainer.checkpoint import load_state, save_state, state_hash
from crossad.trainer.detectors import build, dinomaly
from crossad.trainer.loader import ImageSource, Preprocessing
from crossad.trainer.loop import Fitting, Surroundings
from crossad.trainer.optim import optimizer_state
from crossad.trainer.reporter import Reporter
from crossad.trainer.scoring import score_source

IMAGES, BATCH, PER_EPOCH, EPOCHS = 10, 4, 3, 4  # the last batch of an epoch is a short one
TOTAL = PER_EPOCH * EPOCHS
SHRUNK = {"depth": 4, "embed_dim": 48, "num_heads": 3}
COMMON = {"source_domain": "domain_A", "batch_size": BATCH, "max_epochs": EPOCHS, "seed": 3}
MODELS = {
    "draem": {
        "model_type": "draem",
        "base_width": 4,
        "discriminator_width": 4,
        "in_channels": 1,
        "image_size": [32, 64],
        "learning_rate": 1e-2,
        "optimizer": "adam",
        "check_val_every_n_epoch": 2,
    },
    "dinomaly": {
        "model_type": "dinomaly",
        "encoder_name": "dinov2reg_vit_small_14",
        "target_layers": [0, 1],
        "decoder_depth": 2,
        "bottleneck_dropout": 0.3,
        "image_size": [14, 28],
        "check_val_every_n_epoch": 2,
    },
}


class StopAt(Interrupt):
    """Asks to stop at the safe point after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property
    def requested(self) -> bool:
        self._left -= 1
        return self._left <= 0


@pytest.fixture(scope="module", autouse=True)
def narrow_encoder():
    """A ViT of four narrow blocks: the network is small, the code around it is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dinomaly, "create", partial(create, **SHRUNK))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Normal images, test images of both labels, and an encoder's weights."""
    root = tmp_path_factory.mktemp("loop")
    draw = np.random.default_rng(0)
    for number in range(IMAGES + 6):
        pixels = draw.gamma(4, 0.02, (31, 95)).astype(np.float32)
        if number >= IMAGES + 3:
            pixels[10:12, 20:70] *= 2
        cv2.imwrite(str(root / f"{number:03}.tiff"), pixels)
    torch.manual_seed(0)
    name = "vit_small_patch14_reg4_dinov2"
    save_file(timm.create_model(name, pretrained=False, **SHRUNK).state_dict(), root / f"{name}.safetensors")
    return root


def config_of(model="draem", **keys):
    return parse_config(COMMON | MODELS[model] | keys)


def source(folder, config, numbers):
    files = [
        ImageFile("domain_A", "test", int(number >= IMAGES + 3), folder / f"{number:03}.tiff", f"{number:03}.tiff")
        for number in numbers
    ]
    return ImageSource(files, Preprocessing(config.image_size), workers=2)


class Trial:
    """Fits in one folder, each as a process of its own would start it."""

    def __init__(self, folder, state, config, key="key"):
        self.folder, self.root, self.config, self.key = folder, state, config, key
        self.state_file = state / "last.safetensors"
        self.orders = []
        self.validations = 0

    def start(self, *, script=None, stop_after=None, interrupt=None, init=0, seconds=1e9):
        """Build everything anew and run; `script` gives the AUROC of the n-th validation of the fit's life."""
        torch.manual_seed(init)
        detector = build(self.config, weights_dir=self.folder)
        images = source(self.folder, self.config, range(IMAGES))
        tests = source(self.folder, self.config, range(IMAGES, IMAGES + 6))
        fabric = Fabric(accelerator="cpu", devices=1)
        plain = images.batches
        images.batches = lambda order: plain(self.orders.extend(order) or order)

        def validate():
            self.validations += 1
            if script is not None:
                return script(self.validations - 1)
            scores = score_source(detector, tests, fabric, batch_size=BATCH)
            return auroc(scores.image, scores.labels)

        stop = interrupt or (StopAt(stop_after) if stop_after else Interrupt())
        with Reporter(ConditionPaths(self.root, "trial"), echo=False) as reporter:
            around = Surroundings(fabric, reporter, stop, self.state_file, self.key, seconds)
            try:
                self.fitting = Fitting(detector, images, self.config, validate, around)
                return self.fitting.run()
            finally:
                images.close()
                tests.close()

    def facts(self):
        """All that a fit is, in hashes and numbers."""
        fitting = self.fitting
        tensors, numbers = optimizer_state(fitting.optimizer)
        return {
            "weights": state_hash(fitting.detector.trained_state()),
            "optimizer": (state_hash(tensors), numbers),
            "best": state_hash(fitting.best),
            "standing": asdict(fitting.standing),
        }


@pytest.fixture
def trial(folder, tmp_path):
    made = []

    def make(model="draem", key="key", name=None, **keys):
        made.append(Trial(folder, tmp_path / (name or f"trial{len(made)}"), config_of(model, **keys), key))
        return made[-1]

    return make


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory):
    """What a fit ends with that nothing disturbs."""
    known = {}

    def of(model):
        if model not in known:
            trial = Trial(folder, tmp_path_factory.mktemp(model), config_of(model))
            trial.start()
            known[model] = trial.facts()
        return known[model]

    return of


def test_a_fit_trains_every_image_once_an_epoch(trial):
    one = trial()
    fit = one.start()
    epochs = [list(chain(*one.orders[start : start + PER_EPOCH])) for start in range(0, TOTAL, PER_EPOCH)]
    assert all(sorted(epoch) == list(range(IMAGES)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == EPOCHS
    assert (fit.standing.step, fit.total_steps, fit.steps_per_epoch, fit.resumed_from_step) == (12, 12, 3, None)
    assert [row["step"] for row in fit.standing.curve] == [3, 6, 9, 12]
    assert ["val_image_AUROC" in row for row in fit.standing.curve] == [False, True, False, True]
    assert fit.standing.curve[-1]["train_loss"] < fit.standing.curve[0]["train_loss"]


CASES = [  # 3 and 9 are an epoch's end, 6 and 12 come after a validation
    *(("draem", step) for step in (1, 2, 3, 6, 8, 11, 12)),
    *(("dinomaly", step) for step in (4, 6, 9)),
]


@pytest.mark.parametrize(("model", "step"), CASES, ids=str)
def test_a_fit_interrupted_at_any_step_ends_as_the_undisturbed_one(trial, undisturbed, model, step):
    one = trial(model)
    with pytest.raises(InterruptedRun, match=f"step {step} of {TOTAL}"):
        one.start(stop_after=step)
    fit = one.start(init=99)  # other initial weights: all that counts must come from the file
    assert fit.resumed_from_step == step
    assert one.facts() == undisturbed(model)
    assert one.validations == 2


def test_a_fit_interrupted_after_every_single_step_ends_as_the_undisturbed_one(trial, undisturbed):
    one = trial()
    for step in range(TOTAL):
        with pytest.raises(InterruptedRun):
            one.start(stop_after=1, init=99 if step else 0)
    one.start(init=99)
    assert one.facts() == undisturbed("draem")


def test_a_fit_that_crashed_continues_from_its_last_save(trial, undisturbed):
    one = trial()

    def crash(number):
        raise MemoryError

    with pytest.raises(MemoryError):
        one.start(script=crash, seconds=0.0)  # saved after every step; dies in the validation of step 6
    one.start(init=99, seconds=0.0)
    assert one.fitting.resumed_from == 5
    assert one.facts() == undisturbed("draem")


def test_a_finished_fit_is_not_fitted_again(trial, undisturbed):
    one = trial()
    one.start()
    fit = one.start(init=99)
    assert fit.resumed_from_step == TOTAL
    assert one.facts() == undisturbed("draem")
    assert one.validations == 2


def test_a_stop_asked_for_while_validating_saves_what_the_validation_found(trial):
    interrupt, one = Interrupt(), trial()

    def ask(number):
        interrupt.request()
        return 0.5

    with pytest.raises(InterruptedRun, match="step 6 of 12; progress is saved") as caught:
        one.start(script=ask, interrupt=interrupt)
    assert caught.value.exit_code == 75
    standing = load_state(one.state_file)[1]["standing"]
    assert (standing["step"], standing["best_auroc"]) == (6, 0.5)


def test_state_of_another_training_is_never_continued(trial):
    first, fresh = trial(key="one", name="shared"), trial(key="two")
    with pytest.raises(InterruptedRun):
        first.start(stop_after=5)
    second = trial(key="two", name="shared")
    assert second.start().resumed_from_step is None
    fresh.start()
    assert second.facts() == fresh.facts()


@pytest.mark.parametrize("damage", ["cut", "format"])
def test_a_state_that_cannot_be_used_starts_anew_and_says_so(trial, undisturbed, damage):
    one = trial()
    with pytest.raises(InterruptedRun):
        one.start(stop_after=5)
    if damage == "cut":
        one.state_file.write_bytes(one.state_file.read_bytes()[:-9])
    else:
        state, header = load_state(one.state_file)
        save_state(one.state_file, state, header | {"format": 0, "standing": {"other": 1}})
    assert one.start().resumed_from_step is None
    assert one.facts() == undisturbed("draem")
    said = (one.root / "multi_domain_trial.log").read_text()
    assert ("starts anew" in said) is (damage == "cut")


def scripted(*values):
    return lambda number: values[number]


EVERY = {"check_val_every_n_epoch": 1, "learning_rate": 1e-3}


def weights_after(trial, epochs):
    """The hash of the weights that so many epochs leave."""
    one = trial(max_epochs=epochs, **EVERY)
    one.start(script=lambda number: None)
    return state_hash(one.fitting.detector.trained_state())


def test_the_best_weights_are_those_of_the_best_epoch_not_the_last(trial):
    one = trial(**EVERY)
    fit = one.start(script=scripted(0.5, 0.9, 0.6, 0.7))
    assert (fit.standing.best_epoch, fit.standing.best_auroc) == (1, 0.9)
    assert state_hash(fit.best) == weights_after(trial, 2)
    assert state_hash(fit.best) != state_hash(one.fitting.detector.trained_state())
    assert [row["val_image_AUROC"] for row in fit.standing.curve] == [0.5, 0.9, 0.6, 0.7]


def test_the_best_weights_survive_an_interruption(trial):
    one = trial(**EVERY)
    script = scripted(0.5, 0.9, 0.6, 0.7)
    with pytest.raises(InterruptedRun):
        one.start(script=script, stop_after=8)
    assert state_hash(one.start(script=script, init=99).best) == weights_after(trial, 2)


@pytest.mark.parametrize(
    ("script", "delta", "epoch"),
    [
        ((0.8, 0.8, 0.8, 0.8), 0.001, 0),
        ((0.8, 0.8005, 0.8009, 0.7), 0.001, 0),
        ((0.8, 0.8005, 0.8009, 0.8012), 0.001, 3),
        ((0.8, 0.81, 0.8105, 0.9), 0.05, 3),
        ((0.8, 0.8001, 0.8001, 0.8), 0.0, 1),
        ((0.0, 0.0, 0.4, 0.4), 0.001, 2),
        ((None, 0.4, None, 0.4), 0.001, 1),
    ],
    ids=["ties", "small gains", "gains add up", "large delta", "no delta", "zero is a value", "undefined is none"],
)
def test_ties_keep_the_earliest_and_a_gain_must_exceed_the_delta(trial, script, delta, epoch):
    fit = trial(**EVERY, early_stopping_min_delta=delta).start(script=scripted(*script))
    assert fit.standing.best_epoch == epoch
    assert fit.standing.best_auroc == script[epoch]


def test_without_a_defined_auroc_the_last_weights_stand_and_nothing_stops(trial):
    one = trial(**EVERY, early_stopping_patience=1)
    fit = one.start(script=lambda number: None)
    assert (fit.standing.best_epoch, fit.standing.best_auroc, fit.standing.stopped) == (None, None, None)
    assert state_hash(fit.best) == state_hash(one.fitting.detector.trained_state())


@pytest.mark.parametrize(
    ("patience", "every", "script", "epochs"),
    [
        (1, 1, (0.8, 0.8, 0.9, 0.9), 2),
        (2, 1, (0.8, 0.8, 0.9, 0.9), 4),
        (2, 1, (0.8, 0.8005, 0.8, 0.9), 3),
        (3, 1, (0.8, 0.7, 0.7, 0.7), 4),
        (None, 1, (0.8, 0.7, 0.7, 0.7), 4),
        (2, 2, (0.8, 0.7), 4),
    ],
    ids=["one", "reset by a gain", "small gain is none", "at the end", "never", "counted in epochs"],
)
def test_patience_is_counted_in_epochs(trial, patience, every, script, epochs):
    one = trial(early_stopping_patience=patience, **(EVERY | {"check_val_every_n_epoch": every}))
    standing = one.start(script=scripted(*script)).standing
    assert standing.step == epochs * PER_EPOCH
    assert (standing.stopped is not None) is (epochs < EPOCHS)


def test_patience_counts_epochs_between_two_validations(trial):
    one = trial(early_stopping_patience=3, max_epochs=12, **(EVERY | {"check_val_every_n_epoch": 2}))
    standing = one.start(script=scripted(0.8, 0.7, 0.7, 0.7, 0.7, 0.7)).standing
    assert standing.step == 6 * PER_EPOCH
    assert "did not improve by 0.001 in 4 epochs" in standing.stopped


def test_an_early_stop_that_was_interrupted_stays_stopped(trial):
    one = trial(**EVERY, early_stopping_patience=1)
    with pytest.raises(InterruptedRun):
        one.start(script=scripted(0.8, 0.8), stop_after=2 * PER_EPOCH)
    standing = one.start(script=scripted()).standing
    assert (standing.step, standing.best_epoch) == (2 * PER_EPOCH, 0)


def test_max_steps_cuts_inside_an_epoch_and_still_validates(trial):
    one = trial(max_steps=4, check_val_every_n_epoch=4, scheduler="cosine")
    fit = one.start(script=scripted(0.7))
    assert (fit.total_steps, fit.standing.step, one.validations) == (4, 4, 1)
    assert [row["step"] for row in fit.standing.curve] == [3, 4]
    assert one.fitting.optimizer.param_groups[0]["lr"] < 3e-3  # the schedule ends with the steps
    assert trial(max_steps=1000).start(script=scripted(0.7, 0.7)).total_steps == TOTAL


def test_a_loss_that_is_not_finite_fails_and_names_the_key(trial, folder, tmp_path):
    cv2.imwrite(str(tmp_path / "000.tiff"), np.full((31, 95), 1e30, np.float32))
    for number in range(1, IMAGES + 6):
        (tmp_path / f"{number:03}.tiff").symlink_to(folder / f"{number:03}.tiff")
    one = trial()
    one.folder = tmp_path
    with pytest.raises(DeterministicError, match=r"the loss became (inf|nan) at step \d+ of 12") as caught:
        one.start()
    assert "config.learning_rate" in caught.value.hint
    assert caught.value.exit_code == 70


@pytest.mark.parametrize("model", MODELS)
def test_another_seed_gives_other_bits_and_another_order(trial, undisturbed, model):
    one = trial(model, seed=4, max_epochs=1)
    one.start()
    same = trial(model, max_epochs=1)
    same.start()
    assert one.facts()["weights"] != same.facts()["weights"]
    assert one.orders != same.orders


@pytest.mark.parametrize("model", MODELS)
def test_draws_elsewhere_move_nothing(trial, undisturbed, model):
    """The global generators belong to everybody: a validation that uses them may not change the training."""

    def draw(number):
        torch.rand(7)
        np.random.rand(3)
        return [0.1, 0.2][number]

    one = trial(model)
    one.start(script=draw)
    assert one.facts()["weights"] == undisturbed(model)["weights"]


def test_purposes_do_not_share_a_stream(trial):
    """Another dropout, another share of faults, or another model leave the order of the images as it is."""
    orders = []
    for model, keys in (
        ("draem", {}),
        ("draem", {"anomaly_probability": 0.9}),
        ("dinomaly", {}),
        ("dinomaly", {"bottleneck_dropout": 0.6}),
    ):
        one = trial(model, max_epochs=2, **keys)
        one.start(script=lambda number: 0.5)
        orders.append(one.orders)
    assert all(order == orders[0] for order in orders)


@pytest.mark.parametrize(("dropout", "moves"), [(0.0, False), (0.6, True)])
def test_dropout_is_drawn_anew_at_each_step(trial, dropout, moves):
    """With a rate that moves nothing, what differs between two steps on all images is dropout alone."""
    one = trial("dinomaly", learning_rate=1e-12, max_epochs=2, batch_size=IMAGES, bottleneck_dropout=dropout)
    first, second = (row["train_loss"] for row in one.start(script=lambda number: 0.5).standing.curve)
    assert (abs(first - second) > 2e-6) is moves


def test_the_gradient_is_clipped_at_the_norm_asked_for(trial):
    free, clipped = trial(optimizer="sgd", max_steps=1), trial(optimizer="sgd", max_steps=1, gradient_clip_val=1e-3)
    for one in (free, clipped):
        one.start(script=lambda number: 0.5)
    norms = [float(torch.cat([p.grad.flatten() for p in one.fitting.parameters]).norm()) for one in (free, clipped)]
    assert norms[0] > 1e-2
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)


def test_the_state_is_one_file_without_pickles(trial):
    one = trial()
    with pytest.raises(InterruptedRun):
        one.start(stop_after=7)
    state, header = load_state(one.state_file)
    assert {name.split("/")[0] for name in state} == {"model", "optimizer", "best"}
    assert json.loads(json.dumps(header)) == header
    assert [path.name for path in one.root.glob("*.safetensors")] == ["last.safetensors"]
