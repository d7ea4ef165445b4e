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


def resolve(
    hypergradient: str | Hypergradient, theta: Tensors, *, num_steps: int, part: int | None, lowered: bool = False
) -> Hypergradient:
    """The form that a name stands for.

    `"auto"` is the faster exact one: `unroll` for a single step, unless the model has convolutions and is not being
    compiled; else `mixed`. Second derivatives of convolutions are slow, and a compiler drops most of them;
    `docs/cost.md` has the measurements. Where the model runs in lowered precision it is `unroll`: forward mode does
    not go through batch norm there.

    Raises:
        UserError: an unknown name, part of a batch for a form that takes whole ones, forward mode through a model in
            lowered precision, or finite differences under autocast.
    """
    _refuse_differences_of_rounded_passes(hypergradient, theta)
    if callable(hypergradient):
        return hypergradient if part is None else partial(hypergradient, part=part)
    if hypergradient == "auto":
        convolutional = any(p.dim() > 2 for p in theta.values())
        unrolled = num_steps == 1 and part is None and (torch.compiler.is_compiling() or not convolutional)
        hypergradient = "unroll" if unrolled or lowered else "mixed"
    one_of("hypergradient", hypergradient, ["auto", *HYPERGRADIENTS])
    if lowered:
        one_of("hypergradient in lowered precision", hypergradient, ["unroll"])
    form = HYPERGRADIENTS[hypergradient]
    if part is None:
        return form
    one_of("hypergradient on part of a batch", hypergradient, ["mixed", "finite-difference"])
    return partial(form, part=part)


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
    "finite_difference",
    "forward",
    "gradient",
    "implicit",
    "mixed",
    "resolve",
    "unroll",
]
