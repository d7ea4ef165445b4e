"""A learned correction of a hand-made loss."""

from dataclasses import replace
from functools import partial

import torch

from ..errors import UserError, one_of
from ..types import Kind, TaskLoss, Tensors
from .base import base_loss
from .error_network import error_network
from .example import AnyLearnedLoss, ExampleLoss, OfExamples
from .example_network import example_network
from .lift import LearnedLoss, Pointwise
from .pointwise import POINTWISE

GAIN = 0.1
"""Of the drawn weights of a correction: small, so that the first gradient is nearly the base's."""

MOST_CLASSES = 100
"""With more, a cost of each class for each label would be more numbers than some hundred clean examples can teach."""

EXAMPLE, ERROR = "example", "error"
"""The corrections that see an example as a whole, and the error of one output."""

OF_KIND = {EXAMPLE: "classification", ERROR: "regression"}

LAST = dict.fromkeys((EXAMPLE, ERROR, "network"), "2.weight") | dict.fromkeys(
    ("taylor-quadratic", "taylor-cubic"), "coefficients"
)
"""Of each correction, the part of phi that makes it 0 where it is 0."""


def residual_loss(
    kind: Kind,
    *,
    base: str | TaskLoss | None = None,
    correction: str | tuple[Tensors, LearnedLoss] | None = None,
    gain: float = GAIN,
    bound: float | None = None,
    exact: bool = False,
    num_outputs: int | None = None,
    generator: torch.Generator,
) -> tuple[Tensors, AnyLearnedLoss]:
    """Draw a learned loss that starts at a hand-made one and learns what to add to it.

        M_phi(y, f) = L(y, f) + C_phi(y, f)        L the base, C_phi the correction

    The base is computed from the outputs themselves, cross-entropy from logits. As drawn, the first step of a model is
    the base's to a thousandth for classes and to a hundredth for real values. phi is free to change the shape of the
    loss from there.

    Args:
        kind: `"classification"` or `"regression"`.
        base: L: a name in `lfl.loss.HANDCRAFTED[kind]`; `"module:function"`, imported; a function
            `(outputs, targets) -> [batch]`; cross-entropy or absolute error when omitted.
        correction: C_phi: `"example"`, a network of an example's confidence, for classes
            (`lfl/loss/example_network.py`); `"error"`, one of the error, for real values (`lfl/loss/error_network.py`);
            `"network"`, the paper's network of one output at a time; `"relu-softplus"`, `"taylor-quadratic"` or
            `"taylor-cubic"`; or a pair `(phi, loss_fn)` as `lfl.loss_network` returns. When omitted, `"example"` for
            classes and `"error"` for real values.
        gain: factor on the drawn weights of each layer of a network; polynomials are drawn as they are by themselves.
        bound: of the correction of an example, or of one output: B tanh(c / B) in place of c, so that no example's loss
            is moved by more than B; None for none.
        exact: whether the correction starts at 0, so that the first loss is the base to the bit: the last layer of the
            network, or the coefficients of a polynomial, start at 0. In a network the other layers then have no
            gradient at the first step of phi, and have one from the second on.
        num_outputs: classes, or width of the targets. A base `"module:function"` is tried on so many, and `"example"`
            has a cost of each class for each label, up to 100 classes. When omitted neither, and any number will do.
        generator: source of the draws; phi lives on its device.

    Returns:
        `phi`, tensors by name; `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: an unknown name; a bound that is not above 0; `exact` of a correction that cannot start at 0; a
            correction for another kind of target, or with a base of its own.

    Example:
        >>> phi, loss_fn = residual_loss("classification", exact=True, generator=torch.Generator().manual_seed(0))
        >>> loss_fn(phi, torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
    """
    own = base_loss(kind, base, num_outputs=num_outputs)
    if bound is not None and not 0.0 < bound < float("inf"):
        raise UserError(f"bound must be a finite number above 0, or None, but got {bound!r}.")
    if correction is None:
        correction = EXAMPLE if kind == "classification" else ERROR
    if isinstance(correction, str) and OF_KIND.get(correction, kind) != kind:
        raise UserError(
            f"the correction {correction} is for {OF_KIND[correction]}, but the targets are of {kind}; choose another."
        )
    if correction == EXAMPLE:
        classes = None if num_outputs is None or num_outputs > MOST_CLASSES else max(2, num_outputs)
        phi, of_example = example_network(classes=classes, gain=gain, generator=generator)
        if exact:
            phi = _started_at_zero(phi, EXAMPLE)
        return phi, ExampleLoss(partial(_corrected, own, of_example, bound), kind, num_outputs=classes)
    if isinstance(correction, str):
        one_of("correction", correction, [*OF_KIND, *POINTWISE])
        options = {"gain": gain} if correction == "network" else {}
        if correction == ERROR:
            phi, loss_fn = error_network(gain=gain, generator=generator)
        else:
            phi, loss_fn = POINTWISE[correction](kind, **options, generator=generator)
        if exact:
            phi = _started_at_zero(phi, correction)
    else:
        phi, loss_fn = correction
        if exact:
            raise UserError("exact is for corrections by name, but got a drawn pair; draw it so that it starts at 0.")
        if loss_fn.kind != kind or loss_fn.base is not None:
            raise UserError(f"a correction for {kind} must be of that kind and have no base, but got {loss_fn}.")
    pointwise = loss_fn.pointwise if bound is None else partial(_bounded, loss_fn.pointwise, bound)
    return phi, replace(loss_fn, pointwise=pointwise, base=own)


def _started_at_zero(phi: Tensors, correction: str) -> Tensors:
    if correction not in LAST:
        raise UserError(f"{correction} cannot start at 0; choose one of {', '.join(LAST)}, or leave exact out.")
    return phi | {LAST[correction]: torch.zeros_like(phi[LAST[correction]])}


def _corrected(
    base: TaskLoss,
    correction: OfExamples,
    bound: float | None,
    phi: Tensors,
    logits: torch.Tensor,
    ids: torch.Tensor,
) -> torch.Tensor:
    return base(logits, ids) + _bounded(correction, bound, phi, logits, ids)


def _bounded(
    correction: OfExamples | Pointwise, bound: float | None, phi: Tensors, *seen: torch.Tensor
) -> torch.Tensor:
    change = correction(phi, *seen)
    return change if bound is None else bound * torch.tanh(change / bound)
