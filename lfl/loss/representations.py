"""Representations of a learned loss, by name: what M_phi is made of."""

from collections.abc import Callable

import torch

from ..catalogue import LEARNED_LOSSES, OWN_LOSSES
from ..errors import UserError, one_of
from ..types import Kind, TaskLoss, Tensors
from ..user_code import called, imported, is_own
from .base import try_loss
from .learned_loss import AnyLearnedLoss, ExampleLoss, LearnedLoss
from .symbolic import is_formula, symbolic_loss

Drawn = tuple[Tensors, AnyLearnedLoss]
Representation = Callable[..., Drawn]
"""`representation(kind, num_outputs=n, base=name, generator=g) -> (phi, loss_fn)`; it ignores what it does not need."""

TAKES = "the kind of targets, the number of outputs and a generator"
"""The arguments of a user's own learned loss, for errors."""


REPRESENTATIONS: dict[str, Representation] = {name: entry.load() for name, entry in LEARNED_LOSSES.items()}
"""All learned losses by name."""


def draw_loss(
    name: str, kind: Kind, *, num_outputs: int, base: str | TaskLoss | None = None, generator: torch.Generator
) -> Drawn:
    """Draws a learned loss by name.

    Args:
        name: in `REPRESENTATIONS`; a formula, whose weights are learned; or `"module:function"`, a user's own,
            imported and called as `function(kind, num_outputs, generator) -> (phi, loss_fn)`, with phi a flat dict of
            tensors and `loss_fn(phi, outputs, targets) -> [batch]`.
        kind: kind of targets.
        num_outputs: classes, or width of the targets.
        base: the hand-made loss from which some start; ignored by the others.
        generator: source of the draws.

    Raises:
        UserError: an unknown name, a faulty formula, or a user's function that returns something else.
    """
    if is_own(name):
        return _own(name, kind, num_outputs, generator)
    if is_formula(name):
        return symbolic_loss(name, kind, generator=generator)
    one_of("learned loss", name, [*REPRESENTATIONS, *OWN_LOSSES])
    return REPRESENTATIONS[name](kind, num_outputs=num_outputs, base=base, generator=generator)


def _own(name: str, kind: Kind, num_outputs: int, generator: torch.Generator) -> Drawn:
    function = imported("loss", name, TAKES)
    drawn = called("loss", name, function, kind, num_outputs, generator, shown=f"{kind!r}, {num_outputs}, a generator")
    if not isinstance(drawn, tuple) or len(drawn) != 2:
        raise UserError(f"loss {name} must return a pair (phi, loss_fn), got {_described(drawn)}.")
    phi, loss_fn = drawn
    if not isinstance(phi, dict) or not phi or not all(_learnable(key, t) for key, t in phi.items()):
        raise UserError(
            f"loss {name} must return a flat dict of floating-point tensors as phi, all finite and none called "
            f"inner_lr, got {_described(phi)}."
        )
    if not callable(loss_fn):
        raise UserError(f"loss {name} must return a function as loss_fn, got {_described(loss_fn)}.")
    phi = {key: t.detach().clone() for key, t in phi.items()}
    if not isinstance(loss_fn, LearnedLoss | ExampleLoss):
        classes = max(2, num_outputs) if kind == "classification" else None
        loss_fn = ExampleLoss(loss_fn, kind, num_outputs=classes)
    if loss_fn.kind != kind:
        raise UserError(f"loss {name} must return a loss for {kind}, got one for {loss_fn.kind}.")
    try_loss(name, loss_fn, (phi,), kind, num_outputs)
    return phi, loss_fn


def _learnable(key: object, value: object) -> bool:
    named = isinstance(key, str) and key != "inner_lr"
    return named and isinstance(value, torch.Tensor) and value.is_floating_point() and bool(value.isfinite().all())


def _described(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {type(each).__name__}" for key, each in list(value.items())[:4]) + "}"
    return type(value).__name__
