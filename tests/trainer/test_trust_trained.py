"""Trained models are not fooled: nothing to find gives nothing, what they learn is the fault, the seed decides all."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from math import comb

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossad.conditions.suite import parse_config
from crossad.data.layout import list_images
from crossad.metrics.intervals import auroc_interval
from crossad.metrics.relations import spearman
from crossad.results.record import Record
from crossad.synth.images import Request
from crossad.synth.write import write_domain
from crossad.trainer import predictions
from crossad.trainer.backbones import create
from crossad.trainer.context import Task
from crossad.trainer.detector import Detector, Randomness
from crossad.trainer.detectors import build, dinomaly
from crossad.trainer.detectors.draem import Draem
from crossad.trainer.device import set_up
from crossad.trainer.domains import Domains
from crossad.trainer.faults.textures import add_textures
from crossad.trainer.loader import Preprocessing, load_batch
from crossad.trainer.run import run_condition
from crossad.trainer.scoring import score_source

DOMAINS = ("domain_A", "domain_B", "domain_C", "domain_D")
BASE = {"source_domain": DOMAINS[0], "num_workers": 1, "max_visualizations": 0}
LAST = {"check_val_every_n_epoch": 1000}  # one validation, at the end: no choice among checkpoints
NETWORKS = {"image_size": [32, 96], "in_channels": 1, "batch_size": 8, "learning_rate": 1e-3} | LAST
NARROW = NETWORKS | {"base_width": 4, "discriminator_width": 4, "max_epochs": 1}
TINY = {
    "draem": NARROW,
    "draem_sevnet": NARROW | {"severity_head_hidden_dim": 8},
    "patchcore": {
        "image_size": [32, 96],
        "backbone": "tf_efficientnet_lite0",
        "layers": ["blocks.1"],
        "coreset_sampling_ratio": 0.02,
    },
    "dinomaly": {
        "image_size": [28, 84],
        "encoder_name": "dinov2reg_vit_small_14",
        "pre_trained": False,
        "target_layers": [0, 1],
        "decoder_depth": 2,
        "batch_size": 8,
        "max_epochs": 1,
    },
}


@pytest.fixture(scope="module", autouse=True)
def process(tmp_path_factory):
    """One thread, a ViT of four narrow blocks, caches of its own, and the process's settings restored afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(dinomaly, "create", partial(create, depth=4, embed_dim=48, num_heads=3))
        yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def config_of(model, **keys):
    return parse_config({"model_type": model} | BASE | keys)


SEEDS = (101, 102)  # of data that no model was trained on
LEVEL, ALARM = 0.05, 0.01
STEPS = 150
WIDE_ENOUGH = NETWORKS | {"base_width": 8, "discriminator_width": 8, "max_epochs": 40, "max_steps": STEPS}
SEEING = {"draem": WIDE_ENOUGH, "draem_sevnet": WIDE_ENOUGH, "patchcore": TINY["patchcore"]}


@dataclass(frozen=True)
class Fitted:
    """A model after a whole condition on clear faults, chosen on a hold-out: no test image has a part in it."""

    task: Task
    record: Record
    detector: Detector

    def scores(self, root, domain):
        """Of the domain's test split in any data root."""
        domains = Domains(root, self.task.config)
        with closing(domains.open(domains.files(domain, "test"), domain)) as images:
            return score_source(self.detector, images, set_up("cpu"), batch_size=16, keep_maps=True)

    def seen(self):
        """AUROC interval on clear faults; DRAEM's are textures on normals that it has not seen, as it was taught.

        A DRAEM as small as this one takes bands for faults or not, as the seed and the processor's rounding have it.
        """
        if not isinstance(self.detector, Draem):
            return self.record.source_results.interval
        files = [file for file in list_images(self.task.data, DOMAINS[0], "test") if file.label == 0]
        normals = load_batch(files, Preprocessing(self.task.config.image_size))
        faulted = add_textures(normals, Randomness(1, 1), self.detector.textures, probability=1.0).images
        self.detector.eval()
        with torch.inference_mode():
            scores = torch.cat([self.detector.score(images).image for images in (normals, faulted)])
        return auroc_interval(scores.double().numpy(), np.repeat([0, 1], len(normals)))


@pytest.fixture(scope="module")
def clear_faults(tmp_path_factory):
    root = tmp_path_factory.mktemp("clear")
    write_domain(root, "A", Request(preset="easy_v1", train=32, test=40, size=None, format="tiff"))
    return root


@pytest.fixture(scope="module")
def fitted(clear_faults, tmp_path_factory):
    """Makes the fitted model of a type, once."""

    @cache
    def of(model):
        config = config_of(model, validation="holdout", **SEEING[model])
        task = Task("fixed", config, clear_faults, tmp_path_factory.mktemp(model), "night", echo=False)
        record = run_condition(task)
        detector = build(config)
        detector.load_trained_state(load_file(task.results / record.best_checkpoint))
        return Fitted(task, record, detector)

    return of


@pytest.fixture(scope="module")
def empty_faults(tmp_path_factory):
    """Data roots by seed whose faults have severity 0."""
    found = {}
    for seed in SEEDS:
        found[seed] = tmp_path_factory.mktemp(f"null{seed}")
        for letter in "ABCD":
            request = Request(preset="null_v1", train=1, test=40, size=None, format="tiff", seed=seed)
            write_domain(found[seed], letter, request)
    return found


def allowed_misses(count: int) -> int:
    """The smallest m that true 95 % intervals exceed in fewer than 1 % of all cases: P(misses > m) < 0.01."""

    def tail(m):
        return sum(comb(count, k) * LEVEL**k * (1 - LEVEL) ** (count - k) for k in range(m + 1, count + 1))

    return next(m for m in range(count) if tail(m) < ALARM)


@pytest.mark.parametrize("model", SEEING)
def test_models_that_see_faults_find_nothing_where_there_is_nothing(model, fitted, empty_faults):
    """Null control: 0.5 lies in the AUROC interval of source and targets, but for what chance must be granted.

    With nothing to find, the intervals of different domains and seeds are independent whatever the model is, and each
    misses 0.5 in at most 5 % of all cases. Of the eight here two may miss, which was fixed before any of them was seen:
    true intervals do worse in fewer than 1 of 100 cases.
    """
    mine = fitted(model)
    assert mine.seen().low > 0.5  # it is no blind model that finds nothing
    missed, seen = [], 0
    for seed, root in empty_faults.items():
        for domain in DOMAINS:
            scores = mine.scores(root, domain)
            found = auroc_interval(scores.image, scores.labels)
            seen += 1
            if not found.low < 0.5 < found.high:
                missed.append((seed, domain, found))
    assert (seen, allowed_misses(seen)) == (8, 2)
    assert len(missed) <= allowed_misses(seen), missed


@pytest.mark.parametrize("model", ["draem", "draem_sevnet"])
def test_after_fixed_steps_normals_are_dark(model, fitted, clear_faults):
    mine = fitted(model)
    assert mine.record.training_info.total_steps == STEPS
    scores = mine.scores(clear_faults, DOMAINS[0])
    assert float(scores.maps[scores.labels == 0].mean(dtype=np.float64)) < 0.3


def test_after_fixed_steps_the_predicted_severity_rises_with_the_true_one(fitted):
    rows = predictions.read(fitted("draem_sevnet").task.paths.predictions)
    faults = [row for row in rows if row["label"]]
    predicted, true = (np.array([row[name] for row in faults]) for name in ("score_severity", "severity"))
    assert np.ptp(true) > 0.5
    assert spearman(predicted, true) > 0.37  # 40 images without a relation stay below it in 99 of 100 cases


@pytest.mark.parametrize("model", TINY)
def test_the_seed_decides_every_bit(model, clear_faults, tmp_path):
    def bits(folder, seed):
        config = config_of(model, seed=seed, limit_images=8, **TINY[model])
        task = Task("seeded", config, clear_faults, tmp_path / folder, "night", echo=False)
        record = run_condition(task)
        scores = [row["score"] for row in predictions.read(task.paths.predictions)]
        return record.training_info.weights_sha256, scores

    first, same, other = bits("first", 1), bits("same", 1), bits("other", 2)
    assert same == first
    assert other[0] != first[0]
    assert all(one != two for one, two in zip(other[1], first[1], strict=True))
