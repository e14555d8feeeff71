"""Every key of the normative table does what its role says, after real steps of a tiny model of every type.

A key that decides weights or scores changes them; a key that only says which domains are scored, or only how fast,
changes no number at all. A new key without a case fails here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from crossad.conditions.identity import role
from crossad.conditions.model import MODELS
from crossad.conditions.suite import parse_config
from crossad.errors import ConditionError
from crossad.interrupt import Interrupt
from crossad.metrics.auroc import auroc
from crossad.results.layout import ConditionPaths
from crossad.seeds import derive
from crossad.synth.images import Request
from crossad.synth.write import write_domain
from crossad.trainer import predictions
from crossad.trainer.backbones import create
from crossad.trainer.context import Task
from crossad.trainer.detectors import build, dinomaly
from crossad.trainer.device import set_up
from crossad.trainer.domains import Domains
from crossad.trainer.holdout import HoldoutSource
from crossad.trainer.loop import Surroundings
from crossad.trainer.reporter import Reporter
from crossad.trainer.run import run_condition
from crossad.trainer.scoring import score_source
from crossad.trainer.training import fit

SOURCE, TARGETS = "domain_A", ("domain_B", "domain_C")
BASE = {
    "source_domain": SOURCE,
    "target_domains": list(TARGETS),
    "seed": 1,
    "num_workers": 1,
    "max_visualizations": 0,
}
FITTED = {  # one validation, at the end: the last weights are the chosen ones, and no AUROC decides
    "batch_size": 4,
    "max_epochs": 2,
    "learning_rate": 1e-2,
    "optimizer": "adam",
    "check_val_every_n_epoch": 100,
}
DRAEM = {"base_width": 4, "discriminator_width": 4, "image_size": [32, 64]}
SHRUNK = {"depth": 4, "embed_dim": 48, "num_heads": 3}  # of the Vision Transformer
MODEL_BASE = {
    "draem": BASE | FITTED | DRAEM,
    "draem_sevnet": BASE | FITTED | DRAEM | {"image_size": [64, 64], "severity_head_hidden_dim": 8},
    "dinomaly": BASE
    | FITTED
    | {
        "image_size": [28, 42],
        "encoder_name": "dinov2reg_vit_small_14",
        "target_layers": [0, 1],
        "decoder_depth": 2,
    },
    "patchcore": BASE
    | {"image_size": [32, 64], "backbone": "tf_efficientnet_lite0", "layers": ["blocks.1"], "batch_size": 4},
}


@dataclass(frozen=True)
class Case:
    """Another legal value of a key, what must be set beside it to be used, and validation AUROCs where they decide."""

    value: object
    beside: Mapping[str, object] | None = None
    script: tuple[float, ...] | None = None


WATCHED = {"check_val_every_n_epoch": 1, "max_epochs": 4}
HOLDOUT = {"validation": "holdout"}
EVERY_MODEL = {
    "source_domain": Case("domain_D"),
    "target_domains": Case(["domain_C"]),
    "seed": Case(2),
    "normalisation": Case("source_stats"),
    "validation": Case("holdout"),
    "val_split_ratio": Case(0.4, HOLDOUT),
    "limit_images": Case(3),
    "num_workers": Case(4),
    "max_visualizations": Case(2),
}
EVERY_TRAINED = EVERY_MODEL | {
    "batch_size": Case(3),
    "max_epochs": Case(3),
    "max_steps": Case(2),
    "learning_rate": Case(3e-3),
    "optimizer": Case("adamw", {"weight_decay": 0.3}),
    "weight_decay": Case(0.3),
    "scheduler": Case({"type": "steplr", "step_size": 1}),
    "warmup_steps": Case(2, {"scheduler": "warmup_cosine"}),
    "gradient_clip_val": Case(1e-3),
    "early_stopping_patience": Case(2, WATCHED, (0.6, 0.5, 0.5, 0.9)),
    "early_stopping_min_delta": Case(0.3, WATCHED, (0.6, 0.7, 0.8, 0.8)),
    "check_val_every_n_epoch": Case(2, WATCHED, (0.6, 0.5, 0.4, 0.3)),
}
DRAEM_FAMILY = EVERY_TRAINED | {
    "image_size": Case([32, 96]),
    "base_width": Case(8),
    "discriminator_width": Case(8),
    "in_channels": Case(1),
    "anomaly_probability": Case(0.9),
    "score_reduction": Case("top1pct_mean"),
    "sspcab": Case(True),
}
GRID = {"severity_head_pooling_type": "spatial_aware"}
PATCHES = {
    "fault_generator": "patches_v0",
    "patch_width_range": [8, 16],
    "patch_ratio_range": [1.0, 2.0],
    "anomaly_probability": 1.0,
}
CASES = {
    "draem": DRAEM_FAMILY | {"anomaly_source": Case("dtd:{textures}")},
    "draem_sevnet": DRAEM_FAMILY
    | {
        "image_size": Case([64, 96]),
        "severity_head_mode": Case("multi_scale"),
        "severity_head_hidden_dim": Case(16),
        "severity_head_pooling_type": Case("spatial_aware"),
        "severity_head_spatial_size": Case(1, GRID),
        "severity_head_use_spatial_attention": Case(False, GRID),
        "score_combination": Case("maximum"),
        "severity_weight_for_combination": Case(0.2, {"score_combination": "weighted_average"}),
        "severity_weight": Case(2.0),
        "severity_loss_type": Case("smooth_l1"),
        "severity_max": Case(3.0),
        "fault_generator": Case("patches_v0"),
        "patch_width_range": Case([4, 8], PATCHES),
        "patch_ratio_range": Case([0.3, 0.6], PATCHES),
        "patch_count": Case(3, PATCHES),
    },
    "dinomaly": EVERY_TRAINED
    | {
        "image_size": Case([28, 56]),
        "warmup_steps": Case(2),
        "encoder_name": Case("dinov2_vit_small_14", {"pre_trained": False}),
        "target_layers": Case([1, 2]),
        "bottleneck_dropout": Case(0.5),
        "decoder_depth": Case(4),
        "remove_class_token": Case(True),
        "pre_trained": Case(False),
    },
    "patchcore": EVERY_MODEL
    | {
        "image_size": Case([32, 96]),
        "batch_size": Case(3),
        "backbone": Case("resnet34", {"backbone": "resnet18", "layers": ["layer1"], "pre_trained": False}),
        "layers": Case(["blocks.0"]),
        "pre_trained": Case(False),
        "coreset_sampling_ratio": Case(0.3),
        "num_neighbors": Case(3),
    },
}
KEYS = [(model, name) for model, checked in MODELS.items() for name in checked.model_fields]


@dataclass(frozen=True)
class Numbers:
    """All numbers of one condition that anybody could report."""

    weights: str | None
    scores: dict[str, list[tuple[float, ...]]]  # domain -> rows of (score, sub-scores)


@pytest.fixture(scope="module", autouse=True)
def process(tmp_path_factory):
    """One thread, a ViT of four narrow blocks, caches of its own, and the process's settings restored afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("CUBLAS_WORKSPACE_CONFIG", os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":4096:8"))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(dinomaly, "create", partial(create, **SHRUNK))
        yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Data, weights and textures that nobody writes to."""
    root = tmp_path_factory.mktemp("keys")
    for letter in "ABCD":
        write_domain(root / "data", letter, Request(preset="easy_v1", train=9, test=5, size=None, format="tiff"))
    (root / "weights").mkdir()
    (root / "textures").mkdir()
    draw = np.random.default_rng(0)
    cv2.imwrite(str(root / "textures" / "a.png"), draw.integers(0, 256, (40, 70), dtype=np.uint8))
    name = "vit_small_patch14_reg4_dinov2"
    torch.manual_seed(0)
    save_file(
        timm.create_model(name, pretrained=False, **SHRUNK).state_dict(), root / "weights" / f"{name}.safetensors"
    )
    return root


def config_of(model, places, **keys):
    filled = {
        name: value.format(textures=places / "textures") if isinstance(value, str) else value
        for name, value in keys.items()
    }
    return parse_config({"model_type": model} | MODEL_BASE[model] | filled)


def computed(config, places, folder, script=None) -> Numbers:
    """The numbers of a condition from the trainer's own parts, without its files; `script` replaces validation."""
    fabric = set_up("cpu")
    torch.manual_seed(derive(config.seed, "init"))
    detector = build(config, weights_dir=places / "weights")
    domains = Domains(places / "data", config)
    files, held_out = domains.training_files()
    images = domains.open(files, config.source_domain)
    if held_out:
        validation = HoldoutSource(domains.open(held_out, config.source_domain), config.seed)
    else:
        validation = domains.open(domains.files(config.source_domain, "test"), config.source_domain)
    epochs = iter(range(config.max_epochs))

    def validate():
        if script is not None:
            every = config.check_val_every_n_epoch
            return script[(next(epochs) + 1) * every - 1]
        found = score_source(detector, validation, fabric, batch_size=config.batch_size)
        return auroc(found.image, found.labels)

    with Reporter(ConditionPaths(folder, "keys"), echo=False) as reporter:
        around = Surroundings(fabric, reporter, Interrupt(), folder / "state.safetensors", "key", 1e9)
        info, _ = fit(detector, images, config, validate, around)
    scores = {}
    for domain in (config.source_domain, *config.target_domains):
        tests = domains.open(domains.files(domain, "test"), domain)
        found = score_source(detector, tests, fabric, batch_size=config.batch_size)
        parts = [found.parts[name] for name in sorted(found.parts)]
        scores[domain] = [tuple(map(float, row)) for row in zip(found.image, *parts, strict=True)]
        tests.close()
    images.close()
    validation.close()
    return Numbers(info.weights_sha256, scores)


def whole(config, places, folder) -> tuple[Numbers, int]:
    """The numbers that a condition leaves in its files, and how many pictures."""
    task = Task("keys", config, places / "data", folder, "night", weights_dir=places / "weights", echo=False)
    record = run_condition(task)
    scores: dict[str, list[tuple[float, ...]]] = {}
    for row in predictions.read(task.paths.predictions):
        parts = [row[name] for name in sorted(row) if name.startswith("score_")]
        scores.setdefault(row["domain"], []).append((row["score"], *parts))
    pictures = sum(path.is_file() for path in (task.paths.tensorboard / "visualizations").rglob("*"))
    return Numbers(record.training_info.weights_sha256, scores), pictures


@pytest.fixture(scope="module")
def known(places, tmp_path_factory):
    """Numbers by config, computed once however many keys are compared with them."""
    found = {}

    def of(how, config, script=None):
        place = (how.__name__, config.model_dump_json(), script)
        if place not in found:
            arguments = (config, places, tmp_path_factory.mktemp("case"))
            found[place] = how(*arguments, script) if script is not None else how(*arguments)
        return found[place]

    return of


def test_every_key_has_a_case_and_every_case_a_key():
    for model, checked in MODELS.items():
        free = {name for name in checked.model_fields if not checked.fixed(name)}
        assert free == {*CASES[model]}, f"{model}: keys without a case, or cases without a key"


def test_the_parts_give_the_numbers_of_a_whole_condition(known, places):
    for model in MODELS:
        config = config_of(model, places)
        assert known(computed, config) == known(whole, config)[0]


@pytest.mark.parametrize(("model", "name"), KEYS, ids=lambda value: value)
def test_every_key_changes_what_its_role_says(known, places, model, name):
    if name == "model_type":
        return others_have_other_numbers(known, places, model)
    if MODELS[model].fixed(name):
        return one_value_only(places, model, name)
    case = CASES[model][name]
    beside = dict(case.beside or {})
    plain, other = config_of(model, places, **beside), config_of(model, places, **{**beside, name: case.value})
    assert getattr(plain, name) != getattr(other, name)
    kind = role(MODELS[model], name)
    if kind == "execution":
        before, after = (known(whole, config) for config in (plain, other))
        assert before[0] == after[0]
        assert (before[1] != after[1]) is (name == "max_visualizations")
        return None
    before, after = (known(computed, config, case.script) for config in (plain, other))
    scored_differently = [domain for domain in after.scores if before.scores.get(domain) != after.scores[domain]]
    if kind == "condition":
        assert before.weights == after.weights
        assert not scored_differently
        assert before.scores.keys() != after.scores.keys()
    elif kind == "evaluation":
        assert before.weights == after.weights
        assert scored_differently
    else:
        assert scored_differently
    return None


def others_have_other_numbers(known, places, model):
    found = Counter(known(computed, config_of(other, places)).weights for other in MODELS)
    assert found[known(computed, config_of(model, places)).weights] == 1


def one_value_only(places, model, name):
    allowed = MODELS[model].model_fields[name].default
    with pytest.raises(ConditionError, match=name):
        config_of(model, places, **{name: allowed + 1})
