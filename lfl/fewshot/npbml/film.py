"""FiLM: features scaled and shifted by a linear function of their layer's input."""

import math

import torch
import torch.nn.functional as F

from ...types import Tensors

STD = 0.01
"""Deviation of the drawn weights of all parts."""


def draw_normal(*shape: int, generator: torch.Generator, std: float = STD) -> torch.Tensor:
    """Draws a tensor of normal numbers, on the generator's device."""
    return std * torch.randn(shape, generator=generator, device=generator.device)


def draw_linear(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensors:
    """Draws a linear layer: weights normal, deviation 0.01; biases uniform within +-1/sqrt(fan_in), torch's default."""
    bound = 1.0 / math.sqrt(fan_in)
    bias = bound * (2.0 * torch.rand(fan_out, generator=generator, device=generator.device) - 1.0)
    return {"weight": draw_normal(fan_out, fan_in, generator=generator), "bias": bias}


def draw_film(num_inputs: int, num_features: int, generator: torch.Generator) -> Tensors:
    """Draws a FiLM layer, a linear one from inputs to a scale and a shift of each feature.

    Args:
        num_inputs: of the layer's input, which it is conditioned on.
        num_features: that it scales and shifts.
        generator: source of the draws; the tensors are on its device.

    Returns:
        `"film.weight"`, `[2 num_features, num_inputs]`, and `"film.bias"`.
    """
    drawn = draw_linear(num_inputs, 2 * num_features, generator)
    return {f"film.{name}": tensor for name, tensor in drawn.items()}


def film(layer: Tensors, features: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """Scales and shifts the features of each example.

        (g, s) = F condition + c;    features <- (1 + g) features + s

    Args:
        layer: with `"film.weight"`, F, and `"film.bias"`, c; without them the features stay as they are.
        features: `[n, num_features, ...]`.
        condition: `[n, num_inputs]`, or maps `[n, num_inputs, height, width]`, of which the means over space are taken.

    Returns:
        Features of the same shape.

    Source: Perez et al. (2018), eq. 2, with 1 + g in place of g.
    """
    if "film.weight" not in layer:
        return features
    if condition.dim() == 4:
        condition = condition.mean((2, 3))
    both = F.linear(condition, layer["film.weight"], layer["film.bias"])
    scale, shift = both.reshape(*both.shape, *[1] * (features.dim() - 2)).chunk(2, 1)
    return (1.0 + scale) * features + shift


def draw_film_linear(fan_in: int, fan_out: int, generator: torch.Generator, *, with_film: bool = True) -> Tensors:
    """Draws a linear layer whose outputs are scaled and shifted by a FiLM layer of its own inputs."""
    layer = draw_linear(fan_in, fan_out, generator)
    return layer | draw_film(fan_in, fan_out, generator) if with_film else layer


def film_linear(layer: Tensors, x: torch.Tensor) -> torch.Tensor:
    """Computes `(1 + g) (W x + b) + s` with `(g, s) = F x + c`, for inputs `[n, fan_in]`."""
    return film(layer, F.linear(x, layer["weight"], layer["bias"]), x)


def layer_of(params: Tensors, name: str) -> Tensors:
    """The tensors of one layer: those whose names begin with `name` and a dot, without that beginning."""
    return {key[len(name) + 1 :]: tensor for key, tensor in params.items() if key.startswith(f"{name}.")}


def as_layer(name: str, tensors: Tensors) -> Tensors:
    """The inverse of `layer_of`: names with `name` and a dot before them."""
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}
