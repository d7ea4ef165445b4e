"""Tries steps eagerly before others are compiled or stacked, which would not notice a model's faults."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import NotDifferentiable, UserError
from ..hypergradient import exact_forms, forward
from ..model import PureModule
from ..model.custom_gradients import functions_that_ran
from ..trees import map_tree
from ..types import Batch, Tensors


def working_form(
    try_step: Callable[[Any, int], object],
    hypergradient: Any,
    theta: Tensors,
    horizons: Sequence[int],
    *,
    compiled: bool,
    free: bool,
) -> Any:
    """Returns the hypergradient that works for a model, after a step of each horizon.

    Args:
        try_step: `try_step(hypergradient, num_steps)`, an eager step whose results are dropped.
        hypergradient: what was asked for.
        theta: of the model.
        horizons: numbers of inner steps that the steps to come go through.
        compiled: whether they are compiled.
        free: whether `"auto"` may try both exact forms.

    Returns:
        What was asked for; of `"auto"` the name of the other exact form, where its first choice does not work.

    Raises:
        UserError: as `lfl.meta_step`.
    """
    if hypergradient != "auto" or not free:
        for num_steps in horizons:
            try_step(hypergradient, num_steps)
        return hypergradient
    for num_steps in horizons:
        first, other = exact_forms(theta, num_steps=num_steps, compiled=compiled)
        try:
            try_step(first, num_steps)
        except NotDifferentiable:
            for each in horizons:
                try_step(other, each)
            return other
    return "auto"


def refuse_custom_functions(apply_fn: PureModule, theta: Tensors, batch: Batch, remedy: str) -> None:
    """Raises `UserError` where a model that is to be compiled has a `torch.autograd.Function` of its own.

    A compiler takes a Function's forward pass apart and loses the derivative that the Function declares.

    Args:
        apply_fn, theta, batch: the model, and a batch that it is run on.
        remedy: what to do, for the error.
    """
    outputs, _ = forward(apply_fn, map_tree(lambda t: t.clone().requires_grad_(), theta), apply_fn.buffers, batch)
    names = {*apply_fn.custom_gradients.functions}
    names |= {*functions_that_ran(outputs)} if isinstance(outputs, torch.Tensor) else set()
    if names:
        raise UserError(
            f"the model uses a torch.autograd.Function of its own ({', '.join(sorted(names))}), whose derivative the "
            f"compiler may lose; {remedy}."
        )
