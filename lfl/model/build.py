"""Builds a model by name, and draws its initial parameters by an explicit generator."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from ..catalogue import MODELS, OWN_MODELS
from ..errors import UserError, one_of
from ..trees import is_shape
from ..types import Shape, Tensors
from ..user_code import called, imported, is_own
from .libraries import is_library, library_model
from .mlp import mlp

Architecture = Callable[[tuple[int, ...], int], nn.Module]
"""`architecture(input_shape, num_outputs)`: builds a fresh module."""

TAKES = "the input's shape and the number of outputs"
"""The arguments of a user's own model function, for errors."""

MOST_DIGITS = 6
"""The longest width of `mlp-WIDTH`."""


def build_model(name: str, input_shape: Shape, num_outputs: int, *, seed: int = 0) -> nn.Module:
    """Builds a fresh module, with its architecture's own initial parameters.

    Args:
        name: name of an architecture; `"mlp-WIDTH"` for an mlp with hidden layers of that width; `"timm:NAME"` or
            `"torchvision:NAME"` for a network of these packages; or `"module:function"` for a user's own
            `function(input_shape, num_outputs)`, imported from the working directory or an installed package.
        input_shape: shape of one input; of several, a tree of shapes, which only a user's own function takes.
        num_outputs: classes, or width of the targets.
        seed: seed of the initial parameters; torch's global random state is left unchanged.

    Raises:
        UserError: an unknown name, inputs that do not fit, or a function that does not return a module.
        MissingPackage: timm or torchvision is needed, and not installed.
    """
    own, sizes = is_own(name), (input_shape, num_outputs)
    if not own and not is_shape(input_shape):
        raise UserError(
            f"model {name} takes one tensor, but the task has the inputs {input_shape}; give a model of your own, "
            "--model module:function, a function of these shapes and the number of outputs."
        )
    architecture = imported("model", name, TAKES) if own else _named(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if own:
            module = called("model", name, architecture, *sizes, shown=f"{input_shape}, {num_outputs}")
        else:
            module = architecture(*sizes)
    if not isinstance(module, nn.Module):
        raise UserError(f"model {name} must return a torch.nn.Module, got {type(module).__name__}.")
    return module


def _named(name: str) -> Architecture:
    if is_library(name):
        return partial(library_model, name)
    check_model_name(name)
    if (width := _width(name)) is not None:
        return partial(mlp, width=width)
    architecture: Architecture = MODELS[name].load()
    return architecture


def check_model_name(name: str) -> None:
    """Raises `UserError` unless lfl has a model of this name, as `mlp-100`; names with a colon are not for it."""
    if _width(name) is None:
        one_of("model", name, [*MODELS, *OWN_MODELS])


def _width(name: str) -> int | None:
    """The width of `mlp-WIDTH`; None of another name."""
    base, _, width = name.partition("-")
    if base == "mlp" and width.isdecimal() and len(width) <= MOST_DIGITS and int(width) > 0:
        return int(width)
    return None


def initial_theta(module: nn.Module) -> Tensors:
    """Returns the trainable parameters of a module by name, detached."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def xavier_uniform(theta: Tensors, generator: torch.Generator) -> Tensors:
    """Draws weights uniform within +-sqrt(6 / (fan_in + fan_out)); biases are zero, scales of norms one.

    Args:
        theta: tensors by name, for their shapes and dtypes; values are not read.
        generator: source of the draws; the result is on its device.

    Returns:
        Fresh tensors of the same names. Those of two or more dimensions are drawn; of the others, those called `weight`
        (the scales of batch norm and the like) are one and the rest zero.

    Source: Glorot and Bengio (2010), eq. 16.
    """
    return {name: _draw(name, t, generator) for name, t in theta.items()}


def _draw(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    tensor = torch.empty(like.shape, dtype=like.dtype, device=generator.device)
    if like.dim() >= 2:
        return torch.nn.init.xavier_uniform_(tensor, generator=generator)
    return tensor.fill_(float(name.rpartition(".")[2] == "weight"))
