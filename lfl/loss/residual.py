"""The residual loss: a hand-made loss plus a learned correction, and the networks that are its corrections."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ..catalogue import LEARNED_LOSSES
from ..errors import UserError, one_of
from ..types import Kind, TaskLoss, Tensors
from .base import base_loss, kind_of_rows
from .learned_loss import AnyLearnedLoss, ExampleLoss, LearnedLoss, OfExamples, Pointwise
from .network import INITIALISERS, draw_layers, through_layers

GAIN = 0.1
"""Factor on the drawn weights of a correction: small, so that the first gradient is nearly the base's."""

MOST_CLASSES = 100
"""Greatest number of classes for the cost matrix: a larger one cannot be learned from a few hundred clean examples."""

POINTWISE: dict[str, Callable[..., tuple[Tensors, LearnedLoss]]] = {
    name: entry.load() for name, entry in LEARNED_LOSSES.items() if entry.pointwise
}
"""Learned losses of one output at a time, which may be corrections: `draw(kind, generator=g) -> (phi, loss_fn)`."""

EXAMPLE, ERROR = "example", "error"
"""The corrections that are a network of a whole example, and of the error of one output."""

OF_KIND = {EXAMPLE: "classification", ERROR: "regression"}

LAST = dict.fromkeys((EXAMPLE, ERROR, "network"), "2.weight") | dict.fromkeys(
    ("taylor-quadratic", "taylor-cubic"), "coefficients"
)
"""The entry of phi of each correction that makes it 0 when set to 0."""

NUM_FEATURES = 4
COST = "cost"
"""The entry of phi that is the cost matrix."""

LEAST_LOG = -15.0
"""Log-probabilities are at least this: labels less likely are treated alike."""

LOG_UNIT = 5.0
"""Divisor of log-probabilities, which makes them about as large as probabilities."""

ERROR_UNIT = 0.2
"""Divisor of errors: about the error of outliers, when targets lie between 0 and 1."""


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
    """Draws a learned loss that starts at a hand-made one and learns what to add to it.

        M_phi(y, f) = L(y, f) + C_phi(y, f)        L the base, C_phi the correction

    The base is computed from the outputs themselves, cross-entropy from logits. The first step of a model equals that
    of the base to a thousandth for classes, and to a hundredth for real values. From there phi is free to change the
    shape of the loss. Of several labels each is an example with two classes, and the base is one of classes:
    cross-entropy is then binary cross-entropy.

    Args:
        kind: `"classification"`, `"regression"` or `"multilabel"`.
        base: L: a name in `lfl.loss.HANDCRAFTED[kind]`; `"module:function"`, imported; a function
            `(outputs, targets) -> [batch]`; cross-entropy or absolute error when omitted.
        correction: C_phi: `"example"`, a network of an example's confidence, for classes (`example_network`);
            `"error"`, a network of the error, for real values (`error_network`); `"network"`, the paper's network of
            one output at a time; `"relu-softplus"`, `"taylor-quadratic"` or `"taylor-cubic"`; or a pair
            `(phi, loss_fn)` as `lfl.loss_network` returns. When omitted, `"example"` for classes and `"error"` for real
            values.
        gain: factor on the drawn weights of each layer of a network; polynomials ignore it.
        bound: B, a bound of the correction c of an example, or of one output: B tanh(c / B) takes its place; None for
            none.
        exact: whether the correction starts at exactly 0: the last layer of a network, or the coefficients of a
            polynomial, start at 0. The other layers of a network then have no gradient at the first step of phi, and
            one from the second on.
        num_outputs: classes, or width of the targets. A base `"module:function"` is tried with so many, and `"example"`
            has a cost of each class for each label, up to 100 classes. When omitted neither, and the loss takes any
            number.
        generator: source of the draws; phi is on its device.

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
    rows = kind_of_rows(kind)
    num_outputs = 2 if rows != kind else num_outputs
    own = base_loss(rows, base, num_outputs=num_outputs)
    if bound is not None and not 0.0 < bound < float("inf"):
        raise UserError(f"bound must be a finite number above 0, or None, got {bound!r}.")
    if correction is None:
        correction = EXAMPLE if rows == "classification" else ERROR
    if isinstance(correction, str) and OF_KIND.get(correction, rows) != rows:
        raise UserError(
            f"the correction {correction} is for {OF_KIND[correction]}, but the targets are for {kind}; choose another."
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
            raise UserError("exact is for corrections by name, got a drawn pair; draw it so that it starts at 0.")
        if loss_fn.kind != kind or loss_fn.base is not None:
            raise UserError(f"a correction for {kind} must be of that kind and have no base, got {loss_fn}.")
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
    """Draws a network of four numbers of an example, and a cost of each class for each label.

        g_phi(p_t, max_{i != t} p_i, sum_i p_i^2, log p_t / 5) + sum_i T_ti p_i        p = softmax(f), t the label

    If a label is unlikely, the model may be sure of another class or know nothing. A function of one output at a time
    cannot distinguish the two; the second and third number can, so that the loss can learn to prefer the class that the
    model is sure of. The network is evaluated once for each example and treats all classes alike. The matrix T, which
    starts at 0, does not: T_ti below 0 means that examples with label t are often of class i.

    Args:
        classes: classes of the matrix; None for no matrix, and any number of classes.
        width, depth, gain, generator: as in `lfl.loss_network`.

    Returns:
        `phi`, weights by name, and the matrix `cost` `[classes, classes]`; `correction(phi, logits, ids) -> [batch]`
        of logits `[batch, classes]` and class ids.

    Source: ours; the measurements are in `docs/value.md`.
    """
    draw = INITIALISERS["xavier_uniform"]
    phi = draw_layers([NUM_FEATURES, *[width] * depth, 1], draw, gain=gain, generator=generator)
    if classes is not None:
        phi[COST] = torch.zeros(classes, classes, device=generator.device)

    def correction(phi: Tensors, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        log_p = F.log_softmax(logits, -1)
        p = log_p.exp()
        true = ids[:, None] == torch.arange(logits.shape[1], device=ids.device)
        log_true = torch.where(true, log_p, 0.0).sum(-1).clamp(min=LEAST_LOG)
        features = (
            torch.where(true, p, 0.0).sum(-1),
            torch.where(true, 0.0, p).amax(-1),
            p.square().sum(-1),
            log_true / LOG_UNIT,
        )
        change = through_layers(phi, torch.stack(features, -1), depth=depth)
        return change if classes is None else change + (phi[COST].index_select(0, ids) * p).sum(-1)

    return phi, correction


def error_network(
    *, width: int = 40, depth: int = 2, gain: float = 0.1, generator: torch.Generator
) -> tuple[Tensors, LearnedLoss]:
    """Draws a network of the error, the same for every output and every target.

        C_phi((f - y) / 0.2)        tanh units with biases, and an output without, since a constant has no gradient

    Its slope is bounded, so that what it learns from small errors does not grow without limit for large ones.

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
    correction: OfExamples | Pointwise, bound: float | None, phi: Tensors, *arguments: torch.Tensor
) -> torch.Tensor:
    change = correction(phi, *arguments)
    return change if bound is None else bound * torch.tanh(change / bound)
