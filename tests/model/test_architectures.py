"""Named architectures: published sizes, and inputs that do not fit."""

import pytest
import torch

import lfl
from lfl.model import build_model, xavier_uniform
from lfl.model.allcnnc import allcnnc
from lfl.randomness import generator


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("logistic", (1, 28, 28), 7850),
        ("mlp", (1, 28, 28), 785_000 + 1_001_000 + 10_010),
        ("lenet5", (1, 28, 28), 44_426),
        ("allcnnc", (3, 32, 32), 1_369_738 + 2_516 - 1_258),
        ("resnet18", (3, 32, 32), 11_173_962),
        ("mlp", (10,), 11_000 + 1_001_000 + 10_010),
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, ...], parameters: int) -> None:
    module = build_model(name, shape, 10)
    assert sum(p.numel() for p in module.parameters()) == parameters
    assert all(p.is_meta for p in module.parameters())


def test_lenet5_runs_on_colour_images_of_other_sizes() -> None:
    theta, buffers, apply_fn = lfl.functional(build_model("lenet5", (3, 32, 40), 7).to_empty(device="cpu"))
    assert apply_fn(theta, buffers, torch.zeros(2, 3, 32, 40))[0].shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 8, 8), (10,)])
def test_lenet5_names_inputs_that_are_too_small(shape: tuple[int, ...]) -> None:
    with pytest.raises(lfl.UserError, match="at least 16x16"):
        build_model("lenet5", shape, 10)


def test_allcnnc_has_the_published_size_without_batch_norm() -> None:
    assert sum(p.numel() for p in allcnnc((3, 32, 32), 10, batch_norm=False).parameters()) == 1_369_738


@pytest.mark.parametrize(("name", "words"), [("allcnnc", "at least 12x12"), ("resnet18", "needs images")])
def test_convolutional_networks_name_inputs_that_are_no_images(name: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        build_model(name, (10,), 10)


def test_unknown_models_are_named() -> None:
    with pytest.raises(lfl.UserError, match="choose one of: logistic, mlp, lenet5, allcnnc"):
        build_model("resnet", (10,), 1)


def test_xavier_uniform_has_its_variance_and_zero_biases() -> None:
    shapes = {
        "norm.weight": torch.empty(7),
        "w": torch.empty(300, 200),
        "conv": torch.empty(60, 40, 3, 3),
        "b": torch.empty(300),
    }
    theta = xavier_uniform(shapes, generator(0, "theta"))
    assert float(theta["w"].var()) == pytest.approx(2 / 500, rel=0.02)
    assert float(theta["conv"].var()) == pytest.approx(2 / (9 * 100), rel=0.02)
    assert not theta["b"].any()
    assert torch.equal(theta["norm.weight"], torch.ones(7))
