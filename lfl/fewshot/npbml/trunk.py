"""The networks that adapt: a frozen trunk, a stage that adapts, and where their parameters start."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ...errors import UserError, one_of
from ...types import Tensors
from .film import as_layer, draw_film, draw_normal, film, layer_of
from .warp import normalise, warp


class Network(NamedTuple):
    """An encoder in two parts, pure functions of their parameters.

    Args:
        draw: `draw(input_shape, generator) -> (trunk, stage)`, parameters of both, without FiLM.
        trunk: `trunk(params, x) -> maps`, the frozen part.
        stage: `stage(params, maps) -> maps`, the part that adapts; with FiLM where `params` holds its layers.
        film_sizes: inputs and features of the FiLM layer of each convolution of the stage, by its name.
        channels: of the maps that leave the stage.
    """

    draw: Callable[[tuple[int, ...], torch.Generator], tuple[Tensors, Tensors]]
    trunk: Callable[[Tensors, torch.Tensor], torch.Tensor]
    stage: Callable[[Tensors, torch.Tensor], torch.Tensor]
    film_sizes: dict[str, tuple[int, int]]
    channels: int


def conv4(width: int = 128) -> Network:
    """Builds 4-CONV: three blocks of convolution, batch norm, ReLU and max-pool are the trunk, a fourth is the stage.

    Args:
        width: filters of each convolution; 128 as published, 64 for images of 28 x 28 on a CPU.
    """

    def draw(input_shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensors, Tensors]:
        _needs(input_shape, 16)
        sizes = input_shape[0], width, width
        trunk = {f"{i}.weight": draw_normal(width, n, 3, 3, generator=generator) for i, n in enumerate(sizes)}
        return trunk, {"conv.weight": draw_normal(width, width, 3, 3, generator=generator)}

    def trunk(params: Tensors, x: torch.Tensor) -> torch.Tensor:
        for i in range(3):
            x = F.max_pool2d(F.relu(normalise(F.conv2d(x, params[f"{i}.weight"], padding=1))), 2)
        return x

    def stage(params: Tensors, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.relu(_film_convolution(params, "conv", x)), 2)

    return Network(draw, trunk, stage, {"conv": (width, width)}, width)


def resnet12(widths: tuple[int, int, int, int] = (64, 128, 256, 512)) -> Network:
    """Builds ResNet-12: three residual blocks are the trunk, a fourth is the stage.

    A block: three convolutions with batch norm, ReLU after the first two, a 1 x 1 convolution with batch norm beside
    them, their sum, ReLU, max-pool. In the stage, FiLM is after each batch norm: on the convolutions' own inputs, and
    beside them on the branch's own features.

    Args:
        widths: channels of the blocks; `(64, 160, 320, 640)` is the wide form.
    """
    last_in, last = widths[2], widths[3]

    def draw(input_shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensors, Tensors]:
        _needs(input_shape, 16)
        trunk: Tensors = {}
        for i, (fan_in, fan_out) in enumerate(zip((input_shape[0], *widths[:2]), widths[:3], strict=True)):
            trunk |= as_layer(str(i), _draw_block(fan_in, fan_out, generator, None))
        return trunk, _draw_block(last_in, last, generator, 0.01)

    def trunk(params: Tensors, x: torch.Tensor) -> torch.Tensor:
        for i in range(3):
            x = _block(layer_of(params, str(i)), x)
        return x

    sizes = {"conv1": (last_in, last), "conv2": (last, last), "conv3": (last, last), "residual": (last, last)}
    return Network(draw, trunk, _block, sizes, last)


NETWORKS: dict[str, Callable[..., Network]] = {"conv4": conv4, "resnet12": resnet12}
"""The networks by name."""


def network_of(name: str) -> Network:
    """Builds a network by name, with widths or without: `"conv4"`, `"conv4-64"`, `"resnet12-64-160-320-640"`.

    Raises:
        UserError: an unknown name.
    """
    base, *given = name.split("-")
    one_of("network", base, list(NETWORKS))
    if not given:
        return NETWORKS[base]()
    if len(given) != {"conv4": 1, "resnet12": 4}[base] or not all(w.isdecimal() and 0 < int(w) <= 4096 for w in given):
        raise UserError(
            f"network must be conv4, conv4-WIDTH, resnet12 or resnet12 with 4 widths, got {name}; conv4-64 is narrow."
        )
    widths = [int(w) for w in given]
    return conv4(widths[0]) if base == "conv4" else resnet12((widths[0], widths[1], widths[2], widths[3]))


def draw_stage_film(network: Network, generator: torch.Generator) -> Tensors:
    """Draws the FiLM layers of a network's stage."""
    drawn: Tensors = {}
    for name, sizes in network.film_sizes.items():
        drawn |= as_layer(name, draw_film(*sizes, generator))
    return drawn


def in_order(network: Network, stage: Tensors) -> Tensors:
    """The tensors of a stage, those of each convolution and its FiLM layer after each other."""
    return {f"{name}.{key}": t for name in network.film_sizes for key, t in layer_of(stage, name).items()}


def embed(network: Network, stage: Tensors, after: Tensors, maps: torch.Tensor) -> torch.Tensor:
    """Features `[n, channels]` of a trunk's maps: the stage, the warp `after` it, and the mean over space."""
    return warp(after, network.stage(stage, maps)).mean((2, 3))


def _film_convolution(params: Tensors, name: str, x: torch.Tensor, padding: int = 1) -> torch.Tensor:
    """Convolution, batch norm (with scale and shift where there are some), and FiLM of the convolution's input."""
    layer = layer_of(params, name)
    features = normalise(F.conv2d(x, layer["weight"], padding=padding))
    if "scale" in layer:
        features = features * layer["scale"][:, None, None] + layer["shift"][:, None, None]
    return film(layer, features, features if name == "residual" else x)


def _block(params: Tensors, x: torch.Tensor) -> torch.Tensor:
    main = F.relu(_film_convolution(params, "conv1", x))
    main = F.relu(_film_convolution(params, "conv2", main))
    main = _film_convolution(params, "conv3", main)
    return F.max_pool2d(F.relu(main + _film_convolution(params, "residual", x, padding=0)), 2)


def _draw_block(fan_in: int, fan_out: int, generator: torch.Generator, std: float | None) -> Tensors:
    """A block of ResNet-12: drawn as torch's own convolutions, with batch norm's scales; or normal, without them."""
    drawn: Tensors = {}
    for name, inputs, side in (
        ("conv1", fan_in, 3),
        ("conv2", fan_out, 3),
        ("conv3", fan_out, 3),
        ("residual", fan_in, 1),
    ):
        weight = torch.empty(fan_out, inputs, side, side, device=generator.device)
        if std is None:
            drawn[f"{name}.weight"] = torch.nn.init.kaiming_uniform_(weight, a=5.0**0.5, generator=generator)
            if name != "residual":
                drawn |= {f"{name}.scale": weight.new_ones(fan_out), f"{name}.shift": weight.new_zeros(fan_out)}
        else:
            drawn[f"{name}.weight"] = weight.normal_(0.0, std, generator=generator)
    return drawn


def _needs(input_shape: tuple[int, ...], smallest: int) -> None:
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise UserError(
            f"the networks of npbml take images of at least {smallest} x {smallest}, got inputs of shape {input_shape}."
        )
