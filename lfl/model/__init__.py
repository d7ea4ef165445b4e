"""Models as pure functions, and the named architectures."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from ..errors import UserError, one_of
from ..user_code import called, imported, is_own
from .allcnnc import allcnnc
from .dropout import draw_masks, mask_specs
from .functional import PureModule, functional
from .initialise import initial_theta, xavier_uniform
from .lenet5 import lenet5
from .logistic import logistic
from .mlp import mlp
from .resnet18 import resnet18
from .squeezenet import squeezenet
from .vgg16 import vgg16
from .wide_resnet import wrn16_8, wrn28_10

Architecture = Callable[[tuple[int, ...], int], nn.Module]
"""`architecture(input_shape, num_outputs)`, a fresh module."""

MODELS: dict[str, Architecture] = {
    "logistic": logistic,
    "mlp": mlp,
    "lenet5": lenet5,
    "vgg16": vgg16,
    "allcnnc": allcnnc,
    "resnet18": resnet18,
    "squeezenet": squeezenet,
    "wrn28-10": wrn28_10,
    "wrn16-8": wrn16_8,
}

TAKES = "the input's shape and the number of outputs"
"""What a user's own model is a function of."""

MOST_DIGITS = 6
"""Of the width of an mlp."""


def build_model(name: str, input_shape: tuple[int, ...], num_outputs: int, *, seed: int = 0) -> nn.Module:
    """A fresh module, initialised as its architecture does by itself.

    Args:
        name: of an architecture; `"mlp-100"`, say, for an mlp with hidden layers of 100 units; or `"module:function"`:
            a user's own, `function(input_shape, num_outputs)`, imported from the working directory or the installed
            packages.
        input_shape: of one input.
        num_outputs: classes, or width of the targets.
        seed: of the draws; torch's global random state is left as it was.

    Raises:
        UserError: an unknown name, inputs that do not fit, or a function that does not return a module.
    """
    own, sizes = is_own(name), (input_shape, num_outputs)
    architecture = imported("model", name, TAKES) if own else _named(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if own:
            module = called("model", name, architecture, *sizes, shown=f"{input_shape}, {num_outputs}")
        else:
            module = architecture(*sizes)
    if not isinstance(module, nn.Module):
        raise UserError(f"model {name} must return a torch.nn.Module, but returned {type(module).__name__}.")
    return module


def _named(name: str) -> Architecture:
    base, _, width = name.partition("-")
    if base == "mlp" and width.isdecimal() and len(width) <= MOST_DIGITS and int(width) > 0:
        return partial(mlp, width=int(width))
    one_of("model", name, [*MODELS, "mlp-WIDTH", "MODULE:FUNCTION"])
    return MODELS[name]


__all__ = [
    "MODELS",
    "Architecture",
    "PureModule",
    "build_model",
    "draw_masks",
    "functional",
    "initial_theta",
    "mask_specs",
    "xavier_uniform",
]
