"""The warp: a linear layer that stays fixed while others adapt, and so shapes their steps."""

import torch
import torch.nn.functional as F

from ...types import Tensors
from .film import draw_film, film


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Batch norm by the statistics of the batch itself, in training and evaluation, without scale and shift."""
    return F.batch_norm(x, None, None, training=True)


def draw_warp(channels: int, generator: torch.Generator, *, with_film: bool = True) -> Tensors:
    """Draws a warp of maps: a Dirac kernel, which changes nothing, and a FiLM layer.

    Returns:
        `"weight"`, `[channels, channels, 3, 3]`, and with FiLM `"film.weight"` and `"film.bias"`.
    """
    weight = torch.empty(channels, channels, 3, 3, device=generator.device)
    layer = {"weight": torch.nn.init.dirac_(weight)}
    return layer | draw_film(channels, channels, generator) if with_film else layer


def warp(layer: Tensors, x: torch.Tensor) -> torch.Tensor:
    """Computes convolution, batch norm and FiLM, without a non-linearity.

    A step of the layer before it, seen through the warp, is preconditioned by `w w^T`, which is positive semi-definite.

    Args:
        layer: from `draw_warp`. Without `"weight"` the kernel is the Dirac one. An empty one is batch norm alone, as in
            a network before it learns to adapt.
        x: `[n, channels, height, width]`.

    Source: Lee and Choi (2018), section 3; Flennerhag et al. (2020), section 3.
    """
    features = F.conv2d(x, layer["weight"], padding=1) if "weight" in layer else x
    return film(layer, normalise(features), x)
