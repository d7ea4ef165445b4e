"""Models as pure functions, and the named architectures."""

from collections.abc import Callable

import torch
from torch import nn

from ..errors import one_of
from .allcnnc import allcnnc
from .dropout import draw_masks, mask_specs
from .functional import PureModule, functional
from .initialise import xavier_uniform
from .lenet5 import lenet5
from .logistic import logistic
from .mlp import mlp
from .resnet18 import resnet18

MODELS: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "logistic": logistic,
    "mlp": mlp,
    "lenet5": lenet5,
    "allcnnc": allcnnc,
    "resnet18": resnet18,
}


def build_model(name: str, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """The architecture called `name` without storage: shapes only, no draw from any generator."""
    one_of("model", name, list(MODELS))
    with torch.device("meta"):
        return MODELS[name](input_shape, num_outputs)


__all__ = [
    "MODELS",
    "PureModule",
    "build_model",
    "draw_masks",
    "functional",
    "mask_specs",
    "xavier_uniform",
]
