"""One pass over a domain: batch-independent, free of side effects, and loud about scores that are no numbers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from crossad.conditions.suite import parse_config
from crossad.data.layout import ImageFile
from crossad.errors import DataError, DeterministicError
from crossad.trainer.detector import Detector, Randomness, Scores
from crossad.trainer.detectors import build
from crossad.trainer.loader import ImageSource, Preprocessing
from crossad.trainer.scoring import MAP_SIDE, score_source

SIZE = (32, 64)
COMMON = {"source_domain": "domain_A", "image_size": list(SIZE)}
DRAEM = {"base_width": 4, "discriminator_width": 4, "in_channels": 1, "score_reduction": "top1pct_mean"}
CONFIGS = {
    "draem": DRAEM,
    "draem_sevnet": DRAEM,
    "patchcore": {"backbone": "resnet18", "layers": ["layer1"], "pre_trained": False},
    "dinomaly": {
        "encoder_name": "dinov2reg_vit_small_14",
        "target_layers": [0, 1],
        "decoder_depth": 2,
        "image_size": [28, 56],
        "pre_trained": False,
    },
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    draw = np.random.default_rng(0)
    made = []
    for number in range(7):
        path = folder / f"{number}.tiff"
        cv2.imwrite(str(path), draw.gamma(4, 0.02, (31, 95)).astype(np.float32))
        made.append(ImageFile("domain_A", "test", int(number > 3), path, path.name))
    return made


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


@pytest.fixture(scope="module")
def detector_of(files):
    """A model after a few real steps or with a filled bank, made once."""
    known = {}

    def of(model):
        if model not in known:
            config = parse_config({"model_type": model} | COMMON | CONFIGS[model])
            torch.manual_seed(0)
            detector = build(config)
            source = ImageSource(files, Preprocessing(config.image_size))
            if model == "patchcore":
                detector.eval().collect(source.batch([0, 1, 2]))
                detector.build(Randomness(0, 0))
            else:
                optimizer = torch.optim.Adam([p for p in detector.parameters() if p.requires_grad], 1e-3)
                for step in range(3):
                    detector.train().loss(source.batch([0, 1, 2, 3]), Randomness(0, step))["loss"].backward()
                    optimizer.step()
            source.close()
            known[model] = detector
        return known[model]

    return of


class Plain(Detector):
    """Scores an image by a function of its pixels; `parts` and maps come along."""

    def __init__(self, of=lambda images: images.mean((1, 2, 3))):
        super().__init__()
        self.of, self.modes, self.gradients = of, [], []
        self.norm = nn.BatchNorm2d(1)

    def score(self, images):
        self.modes.append(self.training)
        self.gradients.append(torch.is_grad_enabled())
        self.norm(images)
        score = self.of(images)
        return Scores(score, images[:, 0], {"twice": 2 * score})

    def trained_state(self):
        return dict(self.state_dict())

    def load_trained_state(self, state):
        self.load_state_dict(dict(state))


def scored(detector, files, fabric, size=SIZE, **keys):
    source = ImageSource(files, Preprocessing(size), workers=2)
    try:
        return score_source(detector, source, fabric, **{"batch_size": 3, **keys})
    finally:
        source.close()


@pytest.mark.parametrize("model", CONFIGS)
def test_the_batch_size_changes_no_score_beyond_rounding(detector_of, files, fabric, model):
    detector = detector_of(model)
    size = detector.config.image_size
    whole = scored(detector, files, fabric, size, batch_size=7, keep_maps=True)
    assert whole.image.std() > 1e-6
    for batch_size in (1, 2, 3, 5):
        found = scored(detector, files, fabric, size, batch_size=batch_size, keep_maps=True)
        np.testing.assert_allclose(found.image, whole.image, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.maps, whole.maps, rtol=2e-3, atol=1e-5)
        for name, values in whole.parts.items():
            np.testing.assert_allclose(found.parts[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_patchcores_batch_size_changes_no_bit(detector_of, files, fabric, batch_size):
    """It is an execution-only key, so the last batch may not be another matter either: 7 = 3 + 3 + 1 = 5 + 2."""
    whole, found = (scored(detector_of("patchcore"), files, fabric, batch_size=size) for size in (7, batch_size))
    assert (found.image == whole.image).all()


@pytest.mark.parametrize("model", CONFIGS)
def test_equal_passes_give_equal_bits(detector_of, files, fabric, model):
    detector = detector_of(model)
    first, second = (scored(detector, files, fabric, detector.config.image_size) for _ in range(2))
    assert (first.image == second.image).all()


@pytest.mark.parametrize("model", CONFIGS)
def test_scoring_touches_no_statistic_and_leaves_the_mode(detector_of, files, fabric, model):
    detector = detector_of(model).train()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    scored(detector, files, fabric, detector.config.image_size)
    assert detector.training
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.state_dict().items())


def test_the_model_is_in_eval_mode_without_gradient(files, fabric):
    detector = Plain().train()
    scored(detector, files, fabric)
    assert detector.modes == [False] * 3
    assert detector.gradients == [False] * 3
    assert detector.training
    scored(detector.eval(), files, fabric)
    assert not detector.training


def test_rows_follow_the_files(files, fabric):
    found = scored(Plain(), files, fabric)
    expected = [float(ImageSource([file], Preprocessing(SIZE)).batch([0]).double().mean()) for file in files]
    np.testing.assert_allclose(found.image, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.parts["twice"], 2 * found.image)
    assert found.image.dtype == np.float64
    assert found.files == tuple(files)
    assert found.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found.normals, found.image[:4])


def test_scores_are_neither_clamped_nor_squashed(files, fabric):
    """Shifts that end a sigmoid's or a clamp's resolution keep every difference of scores."""
    plain = scored(Plain(), files, fabric).image
    for shift in (-50.0, 40.0, 3000.0):
        shifted = scored(Plain(lambda images, shift=shift: images.double().mean((1, 2, 3)) + shift), files, fabric)
        np.testing.assert_allclose(shifted.image - shift, plain, rtol=1e-4)
        assert (np.argsort(shifted.image) == np.argsort(plain)).all()


def test_progress_counts_every_image(files, fabric):
    counts = []
    scored(Plain(), files, fabric, advance=counts.append)
    assert counts == [3, 3, 1]


@pytest.mark.parametrize(("size", "kept"), [((32, 64), (32, 64)), ((224, 448), (56, 112)), ((448, 14), (112, 4))])
def test_kept_maps_are_small_and_only_kept_when_asked(files, fabric, size, kept):
    assert scored(Plain(), files, fabric, size).maps is None
    maps = scored(Plain(), files, fabric, size, keep_maps=True).maps
    assert maps.shape == (7, *kept)
    assert maps.dtype == np.float16
    assert max(kept) <= MAP_SIDE


def test_a_score_that_is_no_number_names_the_image(files, fabric):
    def third_is_nan(images):
        score = images.mean((1, 2, 3))
        return torch.where(score == score.amax(), torch.nan, score)

    plain = scored(Plain(), files, fabric, batch_size=7).image
    first = files[int(plain.argmax())].path.name
    with pytest.raises(DataError, match=rf"1 of 7, first: .*{first}") as caught:
        scored(Plain(third_is_nan), files, fabric, batch_size=7)
    assert "extreme values" in caught.value.hint


def test_no_score_being_a_number_is_the_weights_fault(files, fabric):
    with pytest.raises(DeterministicError, match="7 of 7") as caught:
        scored(Plain(lambda images: images.mean((1, 2, 3)) * torch.inf), files, fabric)
    assert "config.learning_rate" in caught.value.hint


def test_too_little_device_memory_halves_the_batch_and_changes_no_score(files, fabric):
    sizes = []

    def at_most_two(images):
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return images.mean((1, 2, 3))

    found = scored(Plain(at_most_two), files, fabric, batch_size=7, keep_maps=True)
    assert sizes == [7, 4, 2, 2, 3, 2, 1]
    np.testing.assert_allclose(found.image, scored(Plain(), files, fabric).image, rtol=1e-6)
    assert found.maps.shape[0] == len(found.parts["twice"]) == 7


def test_one_image_that_does_not_fit_is_the_devices_error(files, fabric):
    def never(images):
        raise torch.cuda.OutOfMemoryError("out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        scored(Plain(never), files, fabric)
