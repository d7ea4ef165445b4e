import pytest
import torch
from torch import nn

import lfl
from lfl.fewshot.npbml import conv4, network_of, resnet12
from lfl.fewshot.npbml.film import layer_of
from lfl.fewshot.npbml.trunk import Network, draw_stage_film, embed, in_order
from lfl.randomness import generator


@pytest.mark.parametrize(
    ("network", "side", "trunk", "stage"),
    [(conv4(), 84, (128, 10), (128, 5)), (conv4(64), 28, (64, 3), (64, 1)), (resnet12(), 32, (256, 4), (512, 2))],
    ids=["conv4", "conv4-64", "resnet12"],
)
def test_shapes(network: Network, side: int, trunk: tuple[int, int], stage: tuple[int, int]) -> None:
    frozen, first = network.draw((3, side, side), generator(0, "trunk"))
    maps = network.trunk(frozen, torch.zeros(2, 3, side, side))
    assert maps.shape == (2, trunk[0], trunk[1], trunk[1])
    assert network.stage(first, maps).shape == (2, stage[0], stage[1], stage[1])
    assert embed(network, first, {}, maps).shape == (2, network.channels)


def test_conv4_is_torchs_own_layers() -> None:
    network = conv4(5)
    trunk, stage = network.draw((2, 16, 16), generator(0, "trunk"))
    layers: list[nn.Module] = []
    for weight in (*trunk.values(), stage["conv.weight"]):
        conv = nn.Conv2d(weight.shape[1], 5, 3, padding=1, bias=False)
        conv.weight.data = weight
        layers += [conv, nn.BatchNorm2d(5, track_running_stats=False), nn.ReLU(), nn.MaxPool2d(2)]
    x = torch.randn(4, 2, 16, 16, generator=generator(1, "trunk"))
    expected = nn.Sequential(*layers)(x)
    assert torch.allclose(network.stage(stage, network.trunk(trunk, x)), expected, atol=1e-5)


def test_the_residual_branch_is_conditioned_on_its_own_features() -> None:
    network = resnet12((4, 4, 4, 6))
    _, stage = network.draw((3, 32, 32), generator(0, "trunk"))
    assert network.film_sizes == {"conv1": (4, 6), "conv2": (6, 6), "conv3": (6, 6), "residual": (6, 6)}
    film = draw_stage_film(network, generator(0, "film"))
    both, x = in_order(network, stage | film), torch.randn(4, 4, 4, 4, generator=generator(1, "trunk"))
    assert list(both)[:3] == ["conv1.weight", "conv1.film.weight", "conv1.film.bias"]
    assert not torch.allclose(network.stage(both, x), network.stage(stage, x), atol=1e-3)
    zero = stage | {name: torch.zeros_like(t) for name, t in film.items()}
    assert torch.equal(network.stage(zero, x), network.stage(stage, x))
    assert layer_of(film, "residual")["film.weight"].shape == (12, 6)


def test_scales_of_batch_norm_are_in_the_trunk_of_resnet12_alone() -> None:
    trunk, stage = resnet12((4, 4, 4, 6)).draw((3, 32, 32), generator(0, "trunk"))
    assert sum(name.endswith(("scale", "shift")) for name in trunk) == 3 * 3 * 2
    assert list(stage) == ["conv1.weight", "conv2.weight", "conv3.weight", "residual.weight"]
    assert abs(float(stage["conv3.weight"].std()) - 0.01) < 2e-3


def test_names() -> None:
    channels = {"conv4": 128, "conv4-7": 7, "resnet12": 512, "resnet12-4-5-6-7": 7}
    for name, number in channels.items():
        assert network_of(name).channels == number
    assert network_of("resnet12-4-5-6-7").film_sizes["conv1"] == (6, 7)
    for bad in ("conv5", "conv4-", "conv4-0", "resnet12-3", "conv4-3-4"):
        with pytest.raises(lfl.UserError, match="network"):
            network_of(bad)


@pytest.mark.parametrize("shape", [(1, 8, 8), (4,)])
def test_inputs_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    for network in conv4(4), resnet12((2, 2, 2, 2)):
        with pytest.raises(lfl.UserError, match="images of at least 16 x 16"):
            network.draw(shape, generator(0, "trunk"))
