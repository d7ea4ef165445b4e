"""The forms of the hypergradient by name, which of them `"auto"` tries, and where each of them is right."""

import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch

from ..catalogue import HYPERGRADIENTS as ENTRIES
from ..errors import UserError, one_of
from ..types import Tensors
from .bilevel import Hypergradient
from .implicit import at_minimum
from .mixed_mode import finite_difference, mixed
from .unroll import unroll

HYPERGRADIENTS: dict[str, Hypergradient] = {name: entry.load() for name, entry in ENTRIES.items()}

ON_PART_OF_A_BATCH = ("mixed", "finite-difference")
IN_LOWERED_PRECISION = ("unroll",)
COMPILED_WITH_CUSTOM_FUNCTIONS = ("unroll", "finite-difference")
"""The forms that are right there."""


def exact_forms(theta: Tensors, *, num_steps: int, compiled: bool) -> list[str]:
    """The names of the two exact forms, the faster one first."""
    convolutional = any(p.dim() > 2 for p in theta.values())
    return ["mixed", "unroll"] if num_steps > 1 or (convolutional and not compiled) else ["unroll", "mixed"]


def resolve(
    hypergradient: str | Hypergradient,
    theta: Tensors,
    *,
    num_steps: int,
    meta_batch_size: int | None = None,
    lowered: bool = False,
    custom: bool = False,
    averaged: bool = False,
) -> list[Hypergradient]:
    """The forms that `hypergradient` stands for, the one to try first at the front.

    `"auto"` is the faster exact one, then the other one for models that the first cannot differentiate: `unroll` first
    for a single step, unless the model has convolutions and is not being compiled; else `mixed`. Second derivatives of
    convolutions are slow, and a compiler drops most of them; `docs/cost.md` has the measurements.

    Args:
        hypergradient: a name, or a form, which stands for itself. Forms of lfl are checked like their names; one of
            your own is only asked whether it takes a `meta_batch_size`.
        theta: parameters of the model.
        num_steps: steps of theta that are differentiated through.
        meta_batch_size: examples of each batch that are used; None for all.
        lowered: whether the model runs in lowered precision, where forward mode does not go through batch norm.
        custom: whether the model has a custom `torch.autograd.Function`, whose derivative a compiler loses in forward
            mode.
        averaged: whether several processes take the step together.

    Raises:
        UserError: an unknown name, part of a batch for a form that takes whole ones, a form of your own under several
            processes, forward mode where it is wrong, or finite differences under autocast.
    """
    compiling = torch.compiler.is_compiling()
    if callable(hypergradient):
        name, forms = _name_of(hypergradient), [hypergradient]
    else:
        one_of("hypergradient", hypergradient, ["auto", *HYPERGRADIENTS])
        names = [hypergradient]
        if hypergradient == "auto":
            names = exact_forms(theta, num_steps=num_steps, compiled=compiling)
            if meta_batch_size is not None:
                names = ["mixed"]
            elif lowered or (custom and compiling):
                names = ["unroll"]
        name, forms = names[0], [HYPERGRADIENTS[each] for each in names]
    if averaged and name is None:
        raise UserError(
            "the hypergradient is a form of your own, which does not average over ranks; choose 'mixed', 'unroll', "
            "'finite-difference' or 'implicit', or leave group out."
        )
    if name == "finite-difference":
        _refuse_differences_of_rounded_passes(theta)
    if lowered:
        _refuse_unless(name, IN_LOWERED_PRECISION, "in lowered precision")
    if custom and compiling:
        _refuse_unless(
            name, COMPILED_WITH_CUSTOM_FUNCTIONS, "for a compiled model with its own torch.autograd.Function"
        )
    if meta_batch_size is None:
        return forms
    _refuse_unless(name, ON_PART_OF_A_BATCH, "on part of a batch (meta_batch_size)")
    takes_part: Callable[..., Any] = forms[0]
    if name is None and not compiling and "meta_batch_size" not in inspect.signature(takes_part).parameters:
        raise UserError(
            "meta_batch_size is given, but the hypergradient form takes whole batches: give it a keyword argument "
            "meta_batch_size, or leave meta_batch_size out."
        )
    return [partial(takes_part, meta_batch_size=meta_batch_size)]


def _name_of(form: Callable[..., Any]) -> str | None:
    """The name of a form of lfl, also with settings bound by `functools.partial`; None for any other function."""
    while isinstance(form, partial):
        form = form.func
    known = {unroll: "unroll", mixed: "mixed", finite_difference: "finite-difference", at_minimum: "implicit"}
    return known.get(form)


def _refuse_unless(name: str | None, right: Collection[str], where: str) -> None:
    if name is not None and name not in right:
        choices = " or ".join(f"'{each}'" for each in right)
        raise UserError(f"hypergradient '{name}' does not work {where}; choose {choices}.")


def _refuse_differences_of_rounded_passes(theta: Tensors) -> None:
    """Raise `UserError` under the caller's autocast: finite differences are smaller than its rounding."""
    if any(torch.is_autocast_enabled(p.device.type) for p in theta.values()):
        raise UserError(
            "finite differences under torch.autocast are lost in its rounding (off by 100 % and more); choose "
            "hypergradient 'unroll' or 'mixed', or leave autocast."
        )
