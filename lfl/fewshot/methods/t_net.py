"""T-Net: learned linear layers that stay fixed within a task bend the steps of the others."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import torch
from torch import nn

from ...errors import UserError
from ...types import Tensors
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed

WARPED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def t_net(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start, and a linear layer T after each linear layer or convolution.

        h = T (W x + b)          W and b adapt;   T, phi.warp, is learned and stays as it is within a task

    T mixes output channels, and there is no non-linearity between, so that T (W x + b) is a layer with weights T W and
    bias T b. Its step in W is T T^T times that of a layer with these weights: what T learns is a metric. T begins as
    the identity. Convolutions in groups have none.

    Raises:
        UserError: the model has no linear layer or convolution.

    Source: Lee and Choi (2018), section 3.1.
    """
    layers = {
        f"{name}." if name else "": layer
        for name, layer in problem.module.named_modules()
        if isinstance(layer, WARPED) and getattr(layer, "groups", 1) == 1
    }
    warp = {prefix + "weight": _identity(problem.theta[prefix + "weight"]) for prefix in layers}
    if not warp:
        raise UserError("t-net needs a linear layer or a convolution in the model, got none; choose maml.")
    return composed(
        problem,
        {"init": problem.theta, "warp": warp},
        parameters=lambda theta, phi, k: warped(theta, phi["warp"]),
    )


def warped(theta: Tensors, warp: Tensors) -> Tensors:
    """Weights and biases of the layers, each followed by its own linear layer.

    Args:
        theta: parameters by name.
        warp: `[outputs, outputs]` by the name of the layer's weight.
    """
    changed = {}
    for name, matrix in warp.items():
        changed[name] = (matrix @ theta[name].flatten(1)).view_as(theta[name])
        bias = name.removesuffix("weight") + "bias"
        if bias in theta:
            changed[bias] = matrix @ theta[bias]
    return {**theta, **changed}


def _identity(weight: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
