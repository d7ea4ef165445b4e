"""Initial parameters drawn from an explicit generator: a module is built without storage, then filled."""

import torch

from ..types import Tensors


def xavier_uniform(theta: Tensors, generator: torch.Generator) -> Tensors:
    """Weights uniform within +-sqrt(6 / (fan_in + fan_out)), biases zero.

    Args:
        theta: named tensors whose shapes and dtypes are wanted; the values are not read.
        generator: source of the draws; the result lives on its device.

    Returns:
        Fresh tensors under the same names: of two or more dimensions drawn, others zero.

    Source: Glorot and Bengio (2010), eq. 16.
    """
    return {
        name: torch.nn.init.xavier_uniform_(_empty(t, generator), generator=generator)
        if t.dim() >= 2
        else _empty(t, generator).zero_()
        for name, t in theta.items()
    }


def _empty(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=generator.device)
