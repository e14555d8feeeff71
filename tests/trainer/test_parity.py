"""Parity from files: after training here, anomalib 2.7 gives the same raw scores for the same files.

Both sides start from the path. anomalib's side is its own all through: Folder data module, Pillow reader, the
model's PreProcessor and forward pass, run by `Engine.predict` with normalisation off; only the weights are ours. The
files are 8-bit RGB PNG, because its reader destroys 16-bit and float images, and twice the network's input, so that
the antialias of both resizes takes part. DRAEM-SevNet has no counterpart in anomalib: its mask score is compared,
which is what DRAEM's score is, from the same two networks; its severity head is only ours.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.conditions.suite import parse_config
from crossad.metrics.auroc import auroc
from crossad.synth.images import Request
from crossad.synth.write import write_domain
from crossad.trainer.backbones import load_pretrained
from crossad.trainer.context import Task
from crossad.trainer.run import run_condition

# isort: split
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Dinomaly, Draem, Patchcore
from anomalib.models.image.draem.torch_model import DiscriminativeSubNetwork, ReconstructiveSubNetwork
from anomalib.post_processing import PostProcessor
from anomalib.pre_processing import PreProcessor
from torchvision.transforms.v2 import Compose, Normalize, Resize

DOMAINS = ("domain_A", "domain_B")
IMAGES = 6  # train/good, test/good, test/fault each
ENCODER = "vit_small_patch14_reg4_dinov2"
LITE0 = "tf_efficientnet_lite0"
WIDTH = 4


@dataclass(frozen=True)
class Case:
    """A tiny condition, and how far anomalib's scores may lie from ours, as a share of the score."""

    keys: Mapping[str, object]
    tolerance: float
    column: str = "score"

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.keys["image_size"])


TRAINED = {"batch_size": 3, "max_epochs": 2, "learning_rate": 1e-3}
NARROW = TRAINED | {"image_size": [32, 64], "base_width": WIDTH, "discriminator_width": WIDTH, "in_channels": 3}
BANK = {"model_type": "patchcore", "image_size": [32, 64], "coreset_sampling_ratio": 0.2}
CASES = {
    "draem": Case({"model_type": "draem"} | NARROW, 1e-5),
    "draem with sspcab": Case({"model_type": "draem", "sspcab": True} | NARROW, 1e-5),
    "mask of draem_sevnet": Case({"model_type": "draem_sevnet"} | NARROW, 1e-5, "score_mask"),
    # all target layers and decoder blocks: anomalib's own arguments for fewer end in an IndexError
    "dinomaly": Case(
        {"model_type": "dinomaly", "image_size": [56, 56], "encoder_name": ENCODER} | TRAINED | {"max_epochs": 1}, 1e-5
    ),
    # anomalib's distances carry the rounding of |x|^2 - 2xy + |y|^2, ours are computed again without it; random
    # features of all images are alike, so that it weighs more there
    "patchcore resnet18": Case(BANK | {"backbone": "resnet18", "pre_trained": False}, 1e-3),
    "patchcore lite0": Case(BANK | {"backbone": LITE0, "layers": ["blocks.1", "blocks.2"]}, 1e-4),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """RGB copies of synthetic maps, an encoder in its published form with random numbers, and a texture."""
    root = tmp_path_factory.mktemp("parity")
    for letter in "AB":
        write_domain(
            root / "data", letter, Request(preset="easy_v1", train=IMAGES, test=IMAGES, size=(64, 128), format="png8")
        )
    for path in sorted((root / "data").rglob("*.png")):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_COLOR))
    for folder in ("weights", "textures"):
        (root / folder).mkdir()
    torch.manual_seed(7)
    save_file(timm.create_model(ENCODER, pretrained=False).state_dict(), root / "weights" / f"{ENCODER}.safetensors")
    cv2.imwrite(str(root / "textures" / "a.png"), np.zeros((8, 8, 3), dtype=np.uint8))
    return root


@pytest.fixture(params=CASES.items(), ids=lambda pair: pair[0])
def case(request) -> Case:
    return request.param[1]


@pytest.fixture(autouse=True)
def process(tmp_path, monkeypatch):
    """Caches of its own, and the process's settings restored afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def without(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


class Reference:
    """anomalib's Lightning modules with weights of ours, as its documentation builds them."""

    def __init__(self, case: Case, places: Path, state: Mapping[str, Tensor]) -> None:
        self.case, self.places, self.state = case, places, state
        self.raw = {
            "post_processor": PostProcessor(enable_normalization=False),
            "evaluator": False,
            "visualizer": False,
        }

    def build(self, monkeypatch) -> nn.Module:
        kind = self.case.keys["model_type"].removesuffix("_sevnet")
        return {"draem": self._draem, "dinomaly": self._dinomaly, "patchcore": self._patchcore}[kind](monkeypatch)

    def _draem(self, _) -> Draem:
        sspcab = bool(self.case.keys.get("sspcab"))
        module = Draem(
            dtd_dir=self.places / "textures",
            enable_sspcab=sspcab,
            pre_processor=Draem.configure_pre_processor(self.case.size),
            **self.raw,
        )
        # its own networks at another width: the published 97 million parameters would only cost time
        module.model.reconstructive_subnetwork = ReconstructiveSubNetwork(3, 3, WIDTH, sspcab=sspcab)
        module.model.discriminative_subnetwork = DiscriminativeSubNetwork(6, 2, WIDTH)
        module.model.reconstructive_subnetwork.load_state_dict(without(self.state, "reconstruct."))
        module.model.discriminative_subnetwork.load_state_dict(without(self.state, "discriminate."))
        return module

    def _dinomaly(self, monkeypatch) -> Dinomaly:
        create = timm.create_model

        def found(name, *, pretrained, pretrained_cfg=None, **arguments):
            """Its constructor asks for a download; it gets the file that ours got."""
            assert pretrained
            model = create(name, pretrained=False, **arguments)
            model.load_state_dict(load_file(self.places / "weights" / f"{name}.safetensors"))
            return model

        size = self.case.size
        with monkeypatch.context() as patch:
            patch.setattr(timm, "create_model", found)
            module = Dinomaly(
                encoder_name=ENCODER,
                pre_processor=Dinomaly.configure_pre_processor(size, crop_size=size[0]),  # crops nothing
                **self.raw,
            )
        missing, extra = module.model.load_state_dict(self.state, strict=False)
        assert not extra
        assert all(name.startswith("encoder.") for name in missing)
        return module

    def _patchcore(self, _) -> Patchcore:
        keys, size = self.case.keys, self.case.size
        pre_processor = Patchcore.configure_pre_processor(size)
        backbone = without(self.state, "backbone.")
        if keys["backbone"] == LITE0:  # published with other statistics than anomalib's default
            backbone = load_pretrained(LITE0, None)[0]
            pre_processor = PreProcessor(Compose([Resize(size, antialias=True), Normalize([0.5] * 3, [0.5] * 3)]))
        module = Patchcore(
            backbone=keys["backbone"],
            layers=keys.get("layers", ["layer2", "layer3"]),
            pre_trained=False,
            pre_processor=pre_processor,
            **self.raw,
        )
        extractor = module.model.feature_extractor.feature_extractor
        extractor.load_state_dict({name: backbone[name] for name in extractor.state_dict()})
        module.model.memory_bank = self.state["bank"]
        return module


def theirs(module, root: Path, folder: Path) -> dict[str, tuple[float, int]]:
    """(score, label) by path below the domain, from anomalib alone."""
    data = Folder(
        name=root.name,
        root=root,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir="test/fault",
        val_split_mode="same_as_test",
        eval_batch_size=5,
        num_workers=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers and loggers
        engine = Engine(default_root_dir=folder, accelerator="cpu", logger=False, enable_progress_bar=False)
        batches = engine.predict(model=module, datamodule=data)
    return {
        Path(path).relative_to(root).as_posix(): (float(score), int(label))
        for batch in batches
        for path, score, label in zip(batch.image_path, batch.pred_score, batch.gt_label, strict=True)
    }


def ours(task: Task, column: str) -> dict[str, dict[str, tuple[float, int]]]:
    """(score, label) by domain and path, as predictions.csv has them."""
    found: dict[str, dict[str, tuple[float, int]]] = {domain: {} for domain in DOMAINS}
    with task.paths.predictions.with_suffix(".csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            found[row["domain"]][row["path"]] = (float(row[column]), int(row["label"]))
    return found


def test_scores_of_the_same_files_are_anomalibs(case, places, tmp_path, monkeypatch):
    config = parse_config(
        {"source_domain": DOMAINS[0], "target_domains": DOMAINS[1:], "num_workers": 1, "max_visualizations": 0}
        | case.keys
    )
    weights = places / "weights"
    task = Task("parity", config, places / "data", tmp_path / "results", "night", weights_dir=weights, echo=False)
    record = run_condition(task)
    reference = Reference(case, places, load_file(task.results / record.best_checkpoint)).build(monkeypatch)
    results = {DOMAINS[0]: record.source_results, **record.target_results}
    for domain, mine in ours(task, case.column).items():
        expected = theirs(reference, places / "data" / domain, tmp_path / "anomalib")
        assert mine.keys() == expected.keys()
        assert len(mine) == 2 * IMAGES
        labels = np.array([label for _, label in mine.values()])
        scores = np.array([score for score, _ in mine.values()])
        others = np.array([expected[path][0] for path in mine])
        assert [expected[path][1] for path in mine] == labels.tolist()
        np.testing.assert_allclose(others, scores, rtol=case.tolerance, atol=0)
        assert np.ptp(scores) > 20 * case.tolerance * np.abs(scores).max()  # they differ by more than is tolerated
        # closer scores than the tolerance might be ordered otherwise; there are none here
        assert auroc(others, labels) == pytest.approx(roc_auc_score(labels, others), abs=1e-12)
        assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert auroc(others, labels) == pytest.approx(auroc(scores, labels), abs=1e-12)
        if case.column == "score":
            assert results[domain].test_image_AUROC == auroc(scores, labels)
