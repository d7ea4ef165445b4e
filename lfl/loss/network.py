"""The loss network l_phi of the paper: a small network of two numbers, target and output."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import UserError, one_of
from ..types import Kind, TaskLoss, Tensors
from .learned_loss import LearnedLoss, Reduction

Activation = Callable[[torch.Tensor], torch.Tensor]
Initialiser = Callable[..., torch.Tensor]


def slrelu(x: torch.Tensor, slope: float = 0.01, sharpness: float = 10.0) -> torch.Tensor:
    """Computes the smooth leaky ReLU.

        (1 - g)/b log(1 + exp(b x)) + g x        g = slope, b = sharpness

    Args:
        x: any shape.
        slope: g, the slope far left of zero; far right it is 1.
        sharpness: b, how fast the slope changes at zero.

    Returns:
        The same shape.

    Example:
        >>> slrelu(torch.tensor([-10.0, 10.0]))
        tensor([-0.1000, 10.0000])

    Source: Raymond et al. (2025), eq. 4.
    """
    return (1.0 - slope) * F.softplus(x, beta=sharpness, threshold=40.0) + slope * x


def identity(x: torch.Tensor) -> torch.Tensor:
    """Returns x unchanged."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "slrelu": slrelu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "identity": identity,
}

SMOOTH = {slrelu, torch.tanh, F.softplus, identity}
"""Activations of a loss that can be interpolated."""

INITIALISERS: dict[str, Initialiser] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "kaiming_normal": nn.init.kaiming_normal_,
    "linear": partial(nn.init.kaiming_uniform_, a=math.sqrt(5.0)),  # within +-1/sqrt(fan_in), as torch.nn.Linear
}


RELU_SOFTPLUS: dict[str, Any] = {
    "activation": "relu",
    "output_activation": "softplus",
    "init": "kaiming_normal",
    "gain": 1.0,
}


def loss_network(
    kind: Kind,
    *,
    width: int = 40,
    depth: int = 2,
    activation: str | Activation = "slrelu",
    output_activation: str | Activation = "identity",
    bias: bool = False,
    init: str | Initialiser = "xavier_uniform",
    gain: float = 0.25,
    reduction: Reduction = "mean",
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensors, LearnedLoss]:
    """Draws the learned loss of the paper.

        M_phi(y, f) = 1/C sum_i l_phi(y_i, f_i)        l_phi: 2 -> width -> ... -> width -> 1

    For classification f_i is the softmax probability of class i and y_i its one-hot target; for regression both are raw
    values; of several labels f_i is the sigmoid of a logit, and y_i is 0 or 1. The same l_phi serves every output, so
    phi fits any number of them.

    With C > 10 classes f_i is that probability to the power log 10 / log C, and the wrong classes together count as
    nine (`LearnedLoss`, `many_classes`). As published, phi's first gradient falls as 1/C^3, a million times from ten
    to 1,000 classes, and from some hundred classes on it is below Adam's epsilon, so that nothing is learned. With
    these rules it falls 75 times, and phi learns; at 10,000 classes it is below that epsilon again. The measurements
    are in `docs/own-loss.md`. `dataclasses.replace(loss_fn, many_classes=False)` is the published loss.

    Of many outputs, 4,096 or more in a batch, l_phi is interpolated in float32, as exactly as float32 computes it, if
    its activations are smooth and among `ACTIVATIONS` (`LearnedLoss`, `interpolate`; `docs/targets.md`).

    Args:
        kind: `"classification"`, `"regression"` or `"multilabel"`.
        width: units of each hidden layer.
        depth: number of hidden layers.
        activation: of the hidden layers: a name in `ACTIVATIONS`, or a function of a tensor.
        output_activation: the same, of the output.
        bias: whether layers have biases; they start at zero.
        init: initialiser of the weights: a name in `INITIALISERS`, or a function like those of `torch.nn.init`
            that takes `(tensor, generator=...)`.
        gain: factor on the drawn weights of each layer. Small, so that the first loss is nearly flat and its shape
            is learned rather than drawn.
        reduction: `"mean"` or `"sum"` over the outputs.
        generator: source of the draws; phi is on its device.
        dtype: dtype of phi.

    Returns:
        `phi`, weights by name; `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: an unknown name, or a width or depth below one.

    Example:
        >>> phi, loss_fn = loss_network("classification", generator=torch.Generator().manual_seed(0))
        >>> loss_fn(phi, torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])).shape
        torch.Size([5])

    Source: Raymond et al. (2025), eqs. 3 and 4, Algorithm 1.
    """
    one_of("kind", kind, ["classification", "regression", "multilabel"])
    one_of("reduction", reduction, ["mean", "sum"])
    if width < 1 or depth < 1:
        raise UserError(f"a loss network needs width and depth of at least 1, got {width} and {depth}.")
    hidden, last = (_resolve("activation", name, ACTIVATIONS) for name in (activation, output_activation))
    draw = _resolve("init", init, INITIALISERS)

    phi = draw_layers([2, *[width] * depth, 1], draw, gain=gain, bias=bias, generator=generator, dtype=dtype)

    pointwise = partial(_pointwise, depth=depth, hidden=hidden, last=last)
    smooth = kind != "regression" and {hidden, last} <= SMOOTH
    return phi, LearnedLoss(pointwise, kind, reduction, many_classes=True, interpolate=smooth)


def network(
    kind: Kind, *, num_outputs: int | None = None, base: str | TaskLoss | None = None, **options: Any
) -> tuple[Tensors, LearnedLoss]:
    """Draws `loss_network` with its options; it needs neither the number of outputs nor a base."""
    del num_outputs, base
    return loss_network(kind, **options)


def relu_softplus_network(
    kind: Kind, *, num_outputs: int | None = None, base: str | TaskLoss | None = None, **options: Any
) -> tuple[Tensors, LearnedLoss]:
    """Draws ML3's own network: ReLU hidden layers and a softplus output, initialised as in its code.

    Source: Bechtle et al. (2021).
    """
    del num_outputs, base
    return loss_network(kind, **RELU_SOFTPLUS | options)


def draw_layers(
    sizes: Sequence[int],
    draw: Initialiser,
    *,
    gain: float,
    bias: bool = False,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Tensors:
    """Draws weights `"0.weight"`, ... of linear layers from each of `sizes` to the next; biases are zero."""
    phi: Tensors = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight = torch.empty(fan_out, fan_in, dtype=dtype, device=generator.device)
        phi[f"{i}.weight"] = gain * draw(weight, generator=generator)
        if bias:
            phi[f"{i}.bias"] = torch.zeros(fan_out, dtype=dtype, device=generator.device)
    return phi


def through_layers(
    phi: Tensors, x: torch.Tensor, *, depth: int, hidden: Activation = slrelu, last: Activation = identity
) -> torch.Tensor:
    """Computes the one output `[...]` of layers from `draw_layers`, for inputs `[..., n]`."""
    for i in range(depth + 1):
        x = F.linear(x, phi[f"{i}.weight"], phi.get(f"{i}.bias"))
        x = hidden(x) if i < depth else last(x)
    return x[..., 0]


def _pointwise(
    phi: Tensors, target: torch.Tensor, output: torch.Tensor, *, depth: int, hidden: Activation, last: Activation
) -> torch.Tensor:
    return through_layers(phi, torch.stack((target, output), -1), depth=depth, hidden=hidden, last=last)


def _resolve(
    what: str, given: str | Callable[..., torch.Tensor], known: dict[str, Callable[..., torch.Tensor]]
) -> Callable[..., torch.Tensor]:
    if not isinstance(given, str):
        return given
    one_of(what, given, list(known))
    return known[given]
