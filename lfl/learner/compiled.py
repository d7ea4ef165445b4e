"""Checks and the compiler of a learner with `compile=True`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import UserError
from ..hypergradient import exact_forms
from ..model import PureModule
from ..step.trial import refuse_custom_functions, working_form
from ..types import Batch, Tensors


def compiler_for(device: torch.device) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Returns the function that compiles a program for a device, as runs of `lfl train` do.

    Raises:
        UserError: the device has no compiler.
    """
    from ..training.compilation import compile_program, compiler_is_there  # needs packages that eager steps do not

    if not compiler_is_there(device):
        raise UserError("compile=True needs a C++ compiler (g++ or clang++), and none is found; leave it out.")
    return partial(compile_program, device=device)


def form_to_compile(
    try_step: Callable[[str], object],
    hypergradient: Any,
    apply_fn: PureModule,
    theta: Tensors,
    batch: Batch,
    *,
    free: bool,
) -> Any:
    """Takes a step eagerly, which notices faults of the model that a compiled one would not; its results are dropped.

    Args:
        try_step: `try_step(hypergradient)`, the eager step.
        hypergradient: what was asked for.
        apply_fn, theta, batch: the model, and a batch.
        free: whether `"auto"` may try both exact forms.

    Returns:
        The hypergradient to compile: what was asked for, or the exact form that works.

    Raises:
        UserError: the model has a Function of its own, or the eager step fails.
    """
    refuse_custom_functions(apply_fn, theta, batch, "leave compile=True out")
    found = working_form(lambda form, _: try_step(form), hypergradient, theta, [1], compiled=True, free=free)
    return exact_forms(theta, num_steps=1, compiled=True)[0] if free and found == "auto" else found


AUTOCAST = {"float32": None, "bfloat16": torch.bfloat16}


def refuse_coarse_batch_norm(module: nn.Module) -> None:
    """Raises `UserError` for batch norm, through which bfloat16 moves the gradient of phi by more than half."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and (part.training or not module.training):
            raise UserError(
                f'precision="bfloat16" is not sound with batch norm ({name or type(part).__name__}): the gradient of '
                "phi is off by 70 % (docs/cost.md). Choose float32, or norms of single examples (GroupNorm, LayerNorm)."
            )
