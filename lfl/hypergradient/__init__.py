"""How the gradient of the validation loss reaches phi."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..errors import UserError, one_of
from ..types import Tensors
from .along import one_sided_difference
from .backwards import Pieces, mixed
from .gradient import gradient
from .implicit import implicit
from .inner import Bilevel, Lookahead, forward
from .unroll import unroll

Hypergradient = Callable[..., tuple[Any, Lookahead]]
"""A form, called with the arguments of `unroll`."""

finite_difference: Hypergradient = partial(mixed, along=one_sided_difference)

HYPERGRADIENTS: dict[str, Hypergradient] = {
    "unroll": unroll,
    "mixed": mixed,
    "finite-difference": finite_difference,
    "implicit": implicit(),
}


def exact_forms(theta: Tensors, *, num_steps: int, compiled: bool) -> list[str]:
    """The names of the exact forms, the faster one first."""
    convolutional = any(p.dim() > 2 for p in theta.values())
    return ["mixed", "unroll"] if num_steps > 1 or (convolutional and not compiled) else ["unroll", "mixed"]


def resolve(
    hypergradient: str | Hypergradient,
    theta: Tensors,
    *,
    num_steps: int,
    part: int | None = None,
    lowered: bool = False,
    custom: bool = False,
) -> list[Hypergradient]:
    """The forms that a name stands for, the one to try first.

    `"auto"` is the faster exact one, and the other one for models that it cannot differentiate: `unroll` first for a
    single step, unless the model has convolutions and is not being compiled; else `mixed`. Second derivatives of
    convolutions are slow, and a compiler drops most of them; `docs/cost.md` has the measurements.

    Args:
        hypergradient: a name, or a form, which stands for itself.
        theta: parameters of the model.
        num_steps: steps of theta that are differentiated through.
        part: examples of each batch that are used; None for all.
        lowered: whether the model runs in lowered precision, where forward mode does not go through batch norm.
        custom: whether the model has a custom `torch.autograd.Function`, whose derivative a compiler loses in forward
            mode.

    Raises:
        UserError: an unknown name, part of a batch for a form that takes whole ones, forward mode where it is wrong, or
            finite differences under autocast.
    """
    _refuse_differences_of_rounded_passes(hypergradient, theta)
    if callable(hypergradient):
        return [hypergradient if part is None else partial(hypergradient, part=part)]
    one_of("hypergradient", hypergradient, ["auto", *HYPERGRADIENTS])
    names = [hypergradient]
    compiling = torch.compiler.is_compiling()
    if hypergradient == "auto":
        names = exact_forms(theta, num_steps=num_steps, compiled=compiling)
        if part is not None:
            names = ["mixed"]
        elif lowered or (custom and compiling):
            names = ["unroll"]
    if lowered:
        one_of("hypergradient in lowered precision", names[0], ["unroll"])
    if custom and compiling:
        one_of(
            "hypergradient for a compiled model with its own torch.autograd.Function",
            names[0],
            ["unroll", "finite-difference"],
        )
    if part is None:
        return [HYPERGRADIENTS[name] for name in names]
    one_of("hypergradient on part of a batch", names[0], ["mixed", "finite-difference"])
    return [partial(HYPERGRADIENTS[names[0]], part=part)]


def _refuse_differences_of_rounded_passes(form: str | Hypergradient, theta: Tensors) -> None:
    """Raise `UserError` for finite differences under the caller's autocast: they are smaller than its rounding."""
    by_differences = form == "finite-difference" or form is finite_difference
    if by_differences and any(torch.is_autocast_enabled(p.device.type) for p in theta.values()):
        raise UserError(
            "finite differences under torch.autocast are lost in its rounding (off by 100 % and more); choose "
            "hypergradient 'unroll' or 'mixed', or leave autocast."
        )


__all__ = [
    "HYPERGRADIENTS",
    "Bilevel",
    "Hypergradient",
    "Lookahead",
    "Pieces",
    "exact_forms",
    "finite_difference",
    "forward",
    "gradient",
    "implicit",
    "mixed",
    "resolve",
    "unroll",
]
