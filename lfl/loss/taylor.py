"""Learned losses as Taylor polynomials about a learned centre (Gonzalez and Miikkulainen 2021; Gao et al. 2021)."""

from functools import partial
from typing import Any

import torch

from ..errors import one_of
from ..types import Kind, TaskLoss, Tensors
from .learned_loss import LearnedLoss, Reduction

NUM_COEFFICIENTS = {2: 3, 3: 6}
DEVIATION = 0.1
"""Standard deviation of the drawn coefficients: small, so that the first loss is nearly flat."""


def taylor_loss(
    kind: Kind,
    *,
    order: int,
    reduction: Reduction = "sum",
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensors, LearnedLoss]:
    """Draws a learned loss that is a polynomial of the target y and the output f.

    With u = f - c_f and v = y - c_y; terms without f have no gradient and are left out:

        order 2    a1 u + a2/2 u^2 + a3 v u
        order 3    order 2 + a4/6 u^3 + a5/2 v u^2 + a6/2 v^2 u

    More than ten classes are treated as in `loss_network`.

    Args:
        kind, generator, dtype: as in `loss_network`.
        order: 2, with 5 parameters, or 3, with 8.
        reduction: `"mean"` or `"sum"` over the outputs. With a mean the coefficients would have to grow with the
            number of outputs, and 2,500 steps of Adam at 1e-3 change them by about 2.5 at most.

    Returns:
        `phi`: the coefficients, normal with deviation 0.1, and the centre (c_y, c_f), which starts at zero;
        `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: an unknown kind or reduction, or another order.

    Example:
        >>> phi, loss_fn = taylor_loss("regression", order=3, generator=torch.Generator().manual_seed(0))
        >>> sum(t.numel() for t in phi.values())
        8

    Source: Gonzalez and Miikkulainen (2021), eq. 9, trimmed of terms without f.
    """
    one_of("kind", kind, ["classification", "regression", "multilabel"])
    one_of("reduction", reduction, ["mean", "sum"])
    one_of("order", str(order), [str(known) for known in NUM_COEFFICIENTS])
    device = generator.device
    drawn = torch.randn(NUM_COEFFICIENTS[order], generator=generator, dtype=dtype, device=device)
    phi = {"coefficients": DEVIATION * drawn, "centre": torch.zeros(2, dtype=dtype, device=device)}

    return phi, LearnedLoss(partial(_pointwise, order=order), kind, reduction, many_classes=True)


def taylor_quadratic(
    kind: Kind, *, num_outputs: int | None = None, base: str | TaskLoss | None = None, **options: Any
) -> tuple[Tensors, LearnedLoss]:
    """Draws `taylor_loss` of order 2, which needs neither the number of outputs nor a base."""
    del num_outputs, base
    return taylor_loss(kind, order=2, **options)


def taylor_cubic(
    kind: Kind, *, num_outputs: int | None = None, base: str | TaskLoss | None = None, **options: Any
) -> tuple[Tensors, LearnedLoss]:
    """Draws `taylor_loss` of order 3, which needs neither the number of outputs nor a base."""
    del num_outputs, base
    return taylor_loss(kind, order=3, **options)


def _pointwise(phi: Tensors, target: torch.Tensor, output: torch.Tensor, *, order: int) -> torch.Tensor:
    a = phi["coefficients"]
    v, u = target - phi["centre"][0], output - phi["centre"][1]
    value = a[0] * u + a[1] / 2 * u**2 + a[2] * v * u
    if order == 3:
        value = value + a[3] / 6 * u**3 + a[4] / 2 * v * u**2 + a[5] / 2 * v**2 * u
    return value
