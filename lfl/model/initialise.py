"""Initial parameters, drawn by an explicit generator or as a module draws them by itself."""

import torch
from torch import nn

from ..types import Tensors


def initial_theta(module: nn.Module) -> Tensors:
    """The trainable parameters that a fresh module came with."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def xavier_uniform(theta: Tensors, generator: torch.Generator) -> Tensors:
    """Weights uniform within +-sqrt(6 / (fan_in + fan_out)), biases zero, scales of norms one.

    Args:
        theta: named tensors whose shapes and dtypes are wanted; the values are not read.
        generator: source of the draws; the result lives on its device.

    Returns:
        Fresh tensors under the same names: of two or more dimensions drawn; of others those called `weight`
        (the scales of batch norm and its like) one, the rest zero.

    Source: Glorot and Bengio (2010), eq. 16.
    """
    return {name: _draw(name, t, generator) for name, t in theta.items()}


def _draw(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    tensor = torch.empty(like.shape, dtype=like.dtype, device=generator.device)
    if like.dim() >= 2:
        return torch.nn.init.xavier_uniform_(tensor, generator=generator)
    return tensor.fill_(float(name.rpartition(".")[2] == "weight"))
