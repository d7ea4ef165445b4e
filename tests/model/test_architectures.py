"""Named architectures: published sizes, and inputs that do not fit."""

from pathlib import Path

import pytest
import torch

import lfl
from lfl.model import build_model, initial_theta, xavier_uniform
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
        ("vgg16", (3, 32, 32), 14_728_266),
        # Published for 1,000 classes and a 7x7 first layer: 1,248,424.
        ("squeezenet", (3, 32, 32), 1_248_424 - 96 * 3 * (49 - 9) - 990 * 513),
        ("mlp", (10,), 11_000 + 1_001_000 + 10_010),
        ("mlp-7", (4,), 35 + 56 + 80),
        ("conv4", (1, 28, 28), 9 * 64 * (1 + 3 * 64) + 2 * 4 * 64 + 650),
        ("conv4-pool", (3, 84, 84), 9 * 64 * (3 + 3 * 64) + 2 * 4 * 64 + 10 * 1601),
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, ...], parameters: int) -> None:
    module = build_model(name, shape, 10)
    assert sum(p.numel() for p in module.parameters()) == parameters


@pytest.mark.parametrize(("name", "classes", "millions"), [("wrn28-10", 100, 36.5), ("wrn16-8", 10, 11.0)])
def test_wide_networks_have_the_published_millions(name: str, classes: int, millions: float) -> None:
    module = build_model(name, (3, 32, 32), classes)
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 1) == millions


LAYERS = {  # kernel and output channels of each convolution, as the papers list them
    "vgg16": [(3, c) for c in (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)],
    "allcnnc": [(k, c) for k, c in zip((3,) * 7 + (1, 1), (96, 96, 96, 192, 192, 192, 192, 192, 10), strict=True)],
    "squeezenet": [
        (3, 96),
        *(
            (k, c)
            for s, e in ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
            for k, c in ((1, s), (1, e), (3, e))
        ),
        (1, 10),
    ],
    "wrn16-8": [
        (3, 16),
        *(layer for c in (128, 256, 512) for layer in [(3, c), (3, c), (1, c), (3, c), (3, c)]),
    ],
    "wrn28-10": [
        (3, 16),
        *(layer for c in (160, 320, 640) for layer in [(3, c), (3, c), (1, c)] + [(3, c)] * 6),
    ],
    "resnet18": [
        (3, 64),
        *[(3, 64)] * 4,
        *(layer for c in (128, 256, 512) for layer in [(3, c), (3, c), (1, c), (3, c), (3, c)]),
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_paper(name: str) -> None:
    module = build_model(name, (3, 32, 32), 10)
    found = [(m.kernel_size[0], m.out_channels) for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    assert found == LAYERS[name]


@pytest.mark.parametrize("name", ["vgg16", "allcnnc", "resnet18", "squeezenet", "wrn16-8", "conv4", "conv4-pool"])
def test_convolutional_networks_run_on_one_channel_and_other_sizes(name: str) -> None:
    theta, buffers, apply_fn = lfl.functional(build_model(name, (1, 36, 33), 7))
    assert apply_fn(theta, buffers, torch.zeros(2, 1, 36, 33), training=False)[0].shape == (2, 7)


def test_models_start_by_seed_and_leave_torchs_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (initial_theta(build_model("lenet5", (1, 28, 28), 10, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_a_users_own_model_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my_networks.py").write_text(
        "import torch\n"
        "def small(input_shape, num_outputs):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(input_shape[0], num_outputs))\n"
        "def wrong(input_shape, num_outputs):\n"
        "    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert build_model("my_networks:small", (5,), 2)[1].weight.shape == (2, 5)
    with pytest.raises(lfl.UserError, match=r"must return a torch\.nn\.Module, got int"):
        build_model("my_networks:wrong", (5,), 2)
    for name in ("my_networks:absent", "no_such_module:f", "my_networks:"):
        with pytest.raises(lfl.UserError, match=f"model {name} cannot be imported"):
            build_model(name, (5,), 2)


def test_lenet5_runs_on_colour_images_of_other_sizes() -> None:
    theta, buffers, apply_fn = lfl.functional(build_model("lenet5", (3, 32, 40), 7))
    assert apply_fn(theta, buffers, torch.zeros(2, 3, 32, 40))[0].shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 8, 8), (10,)])
def test_lenet5_names_inputs_that_are_too_small(shape: tuple[int, ...]) -> None:
    with pytest.raises(lfl.UserError, match="at least 16x16"):
        build_model("lenet5", shape, 10)


def test_allcnnc_has_the_published_size_without_batch_norm() -> None:
    assert sum(p.numel() for p in allcnnc((3, 32, 32), 10, batch_norm=False).parameters()) == 1_369_738


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("allcnnc", "at least 12x12"),
        ("resnet18", "needs images"),
        ("vgg16", "at least 32x32"),
        ("squeezenet", "at least 16x16"),
        ("wrn28-10", "at least 8x8"),
        ("conv4", "needs images"),
        ("conv4-pool", "at least 16x16"),
    ],
)
def test_convolutional_networks_name_inputs_that_are_no_images(name: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        build_model(name, (10,), 10)


def test_unknown_models_are_named() -> None:
    with pytest.raises(lfl.UserError, match="choose one of: logistic, mlp, lenet5, vgg16"):
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


@pytest.mark.parametrize("name", ["mlp-0", "mlp-", "mlp--3", "mlp-1.5", "lenet5-3"])
def test_widths_that_are_none_are_unknown_models(name: str) -> None:
    with pytest.raises(lfl.UserError, match=r"unknown model .*mlp-WIDTH, timm:NAME, torchvision:NAME, MODULE:FUNCTION"):
        build_model(name, (4,), 2)
