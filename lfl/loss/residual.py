"""A learned correction of a hand-made loss."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ..errors import UserError, one_of
from ..types import Kind, TaskLoss, Tensors
from .base import base_loss
from .learned_loss import AnyLearnedLoss, ExampleLoss, LearnedLoss, OfExamples, Pointwise
from .network import INITIALISERS, draw_layers, network, relu_softplus_network, through_layers
from .taylor import taylor_cubic, taylor_quadratic

GAIN = 0.1
"""Of the drawn weights of a correction: small, so that the first gradient is nearly the base's."""

MOST_CLASSES = 100
"""With more, a cost of each class for each label would be more numbers than some hundred clean examples can teach."""

POINTWISE: dict[str, Callable[..., tuple[Tensors, LearnedLoss]]] = {
    "network": network,
    "relu-softplus": relu_softplus_network,
    "taylor-quadratic": taylor_quadratic,
    "taylor-cubic": taylor_cubic,
}
"""Learned losses of one target and one output at a time, which may be corrections: `draw(kind, generator=g)`."""

EXAMPLE, ERROR = "example", "error"
"""The corrections that see an example as a whole, and the error of one output."""

OF_KIND = {EXAMPLE: "classification", ERROR: "regression"}

LAST = dict.fromkeys((EXAMPLE, ERROR, "network"), "2.weight") | dict.fromkeys(
    ("taylor-quadratic", "taylor-cubic"), "coefficients"
)
"""Of each correction, the part of phi that makes it 0 where it is 0."""

NUM_SEEN = 4
COST = "cost"
"""The entry of phi that is the matrix."""

LEAST_LOG = -15.0
"""Log-probabilities below are taken for this one: a label that unlikely is as unlikely as can be."""

LOG_UNIT = 5.0
"""What log-probabilities are divided by, so that they are about as large as probabilities."""

ERROR_UNIT = 0.2
"""What errors are divided by: targets that lie between 0 and 1 are missed by about so much, where they are outliers."""


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


def residual_network(kind: Kind, **options: Any) -> tuple[Tensors, AnyLearnedLoss]:
    """Draws `residual_loss` with the paper's network of one output at a time as its correction."""
    return residual_loss(kind, correction="network", **options)


def example_network(
    *,
    classes: int | None = None,
    width: int = 40,
    depth: int = 2,
    gain: float = 0.1,
    generator: torch.Generator,
) -> tuple[Tensors, Callable[[Tensors, torch.Tensor, torch.Tensor], torch.Tensor]]:
    """Draw a network of four numbers of an example, and a cost of each class for each label.

        g_phi(p_t, max_{i != t} p_i, sum_i p_i^2, log p_t / 5) + sum_i T_ti p_i        p = softmax(f), t the label

    A function of one output at a time cannot tell an example that the model is sure of, against its label, from one
    that it knows nothing about: in both the label is unlikely. The second and third number tell them apart, and let the
    loss learn to pull towards the class that the model is sure of. The network, evaluated once an example, knows no
    class by name; the matrix T does: what is often called t and is i has a T_ti below 0. It starts at 0.

    Args:
        classes: of the matrix; None for none, and for any number of classes.
        width, depth, gain, generator: as in `lfl.loss_network`.

    Returns:
        `phi`, weights by name, and `cost` `[classes, classes]`; `correction(phi, logits, ids) -> [batch]` of logits
        `[batch, classes]` and class ids.

    Source: ours; the measurements are in `docs/value.md`.
    """
    draw = INITIALISERS["xavier_uniform"]
    phi = draw_layers([NUM_SEEN, *[width] * depth, 1], draw, gain=gain, generator=generator)
    if classes is not None:
        phi[COST] = torch.zeros(classes, classes, device=generator.device)

    def correction(phi: Tensors, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        log_p = F.log_softmax(logits, -1)
        p = log_p.exp()
        true = ids[:, None] == torch.arange(logits.shape[1], device=ids.device)
        log_true = torch.where(true, log_p, 0.0).sum(-1).clamp(min=LEAST_LOG)
        seen = (
            torch.where(true, p, 0.0).sum(-1),
            torch.where(true, 0.0, p).amax(-1),
            p.square().sum(-1),
            log_true / LOG_UNIT,
        )
        change = through_layers(phi, torch.stack(seen, -1), depth=depth)
        return change if classes is None else change + (phi[COST].index_select(0, ids) * p).sum(-1)

    return phi, correction


def error_network(
    *, width: int = 40, depth: int = 2, gain: float = 0.1, generator: torch.Generator
) -> tuple[Tensors, LearnedLoss]:
    """Draw a network of the error, the same for every output and wherever the target lies.

        C_phi((f - y) / 0.2)        tanh units with biases, and an output without: a constant has no gradient

    Its slope stays bounded where the error grows, so that what it learns about small errors does not grow without
    limit among large ones.

    Args:
        width, depth, gain, generator: as in `lfl.loss_network`.

    Returns:
        `phi`, weights and biases by name; `loss_fn(phi, outputs, targets) -> [batch]`, a mean over the outputs.

    Source: ours; the measurements are in `docs/value.md`.
    """
    draw = INITIALISERS["xavier_uniform"]
    phi = draw_layers([1, *[width] * depth, 1], draw, gain=gain, bias=True, generator=generator)
    del phi[f"{depth}.bias"]
    return phi, LearnedLoss(partial(_of_error, depth=depth), "regression")


def _of_error(phi: Tensors, target: torch.Tensor, output: torch.Tensor, *, depth: int) -> torch.Tensor:
    return through_layers(phi, ((output - target) / ERROR_UNIT)[..., None], depth=depth, hidden=torch.tanh)


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
