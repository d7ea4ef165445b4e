"""Every kind of target on a small batch, the loss that torch has for it, and losses learned and made by hand."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

import lfl
from lfl.randomness import generator

BATCH, CLASSES = 5, 4


class Case(NamedTuple):
    """Outputs and targets; torch's mean loss of outputs; lfl's own."""

    kind: Any
    outputs: torch.Tensor
    targets: Any
    torch_s: Callable[[torch.Tensor], torch.Tensor]
    by_hand: Any
    layout: Any = None


def cases(seed: int = 0) -> dict[str, Case]:
    g = generator(seed, "kinds")
    normal = partial(torch.randn, generator=g, dtype=torch.float64)

    def ids(*shape: int) -> torch.Tensor:
        return torch.randint(CLASSES, shape, generator=g)

    flat, dense, tokens = normal(BATCH, CLASSES), normal(BATCH, CLASSES, 2, 3), normal(BATCH, 6, CLASSES)
    one, real, many = normal(BATCH, 1, 2, 3), normal(BATCH, 2, 3), normal(BATCH, 3)
    y, y_dense, y_tokens = ids(BATCH), ids(BATCH, 2, 3), ids(BATCH, 6)
    y_dense[0, 1], y_tokens[:2, 3:] = -100, -100
    soft, soft_dense = torch.softmax(normal(BATCH, CLASSES), 1), torch.softmax(normal(BATCH, CLASSES, 2, 3), 1)
    labels, values, w = ids(BATCH, 3) % 2, normal(BATCH, 2, 3), torch.rand(BATCH, generator=g, dtype=torch.float64)
    shares = w[:, None].repeat(1, 3)
    mask = torch.rand(BATCH, 2, 3, generator=g) < 0.6
    gone = torch.where(mask, values, torch.nan)
    binary = torch.randint(2, (BATCH, 2, 3), generator=g)
    bce, ce = F.binary_cross_entropy_with_logits, F.cross_entropy
    tokens_last = lfl.in_layout(lfl.cross_entropy, "last")
    c, r, m = "classification", "regression", "multilabel"
    return {
        "ids": Case(c, flat, y, lambda f: ce(f, y), lfl.cross_entropy),
        "dense": Case(c, dense, y_dense, lambda f: ce(f, y_dense), lfl.cross_entropy),
        "dense, one logit": Case(c, one, binary, lambda f: bce(f[:, 0], binary.double()), lfl.cross_entropy),
        "tokens": Case(c, tokens, y_tokens, lambda f: ce(f.movedim(2, 1), y_tokens), tokens_last, "last"),
        "soft": Case(c, flat, soft, lambda f: ce(f, soft), lfl.cross_entropy),
        "soft, dense": Case(c, dense, soft_dense, lambda f: ce(f, soft_dense), lfl.cross_entropy),
        "weighted ids": Case(
            c, flat, lfl.Weighted(y, w), lambda f: (w * ce(f, y, reduction="none")).sum() / w.sum(), lfl.cross_entropy
        ),
        "weighted soft": Case(
            c,
            flat,
            lfl.Weighted(soft, w),
            lambda f: (w * ce(f, soft, reduction="none")).sum() / w.sum(),
            lfl.cross_entropy,
        ),
        "masked dense": Case(
            c,
            dense,
            lfl.Weighted(y_dense, mask),
            lambda f: ce(f, torch.where(mask, y_dense, -100)),
            lfl.cross_entropy,
        ),
        "labels": Case(m, many, labels, lambda f: bce(f, labels.double()), lfl.binary_cross_entropy),
        "soft labels": Case(m, many, shares, lambda f: bce(f, shares), lfl.binary_cross_entropy),
        "weighted labels": Case(
            m,
            many,
            lfl.Weighted(labels, w),
            lambda f: bce(f, labels.double(), weight=w[:, None] / w.mean()),
            lfl.binary_cross_entropy,
        ),
        "values": Case(r, real, values, lambda f: F.mse_loss(f, values), lfl.squared_error),
        "weighted values": Case(
            r,
            real,
            lfl.Weighted(values, w),
            lambda f: (w * (f - values).square().mean((1, 2))).sum() / w.sum(),
            lfl.squared_error,
        ),
        "masked values": Case(
            r, real, lfl.Weighted(gone, mask), lambda f: F.mse_loss(f[mask], values[mask]), lfl.squared_error
        ),
    }


CASES = cases()


def learned(name: str, case: Case) -> tuple[dict[str, torch.Tensor], Any]:
    """A learned loss of the case's kind, in float64, with a shape of its own."""
    g = generator(1, "phi")
    if name == "network":
        phi, loss_fn = lfl.loss_network(case.kind, gain=1.0, width=6, generator=g, dtype=torch.float64)
    elif name == "residual-network":
        drawn = lfl.loss_network(case.kind, gain=1.0, width=6, generator=g)
        base = None if case.kind != "regression" else "squared-error"
        phi, loss_fn = lfl.residual_loss(case.kind, base=base, correction=drawn, generator=g)
    else:
        draw: Any = {"residual": lfl.residual_loss, "weight-net": lfl.weight_net, "true-class": lfl.true_class_loss}[
            name
        ]
        base = None if case.kind != "regression" else "squared-error"
        phi, loss_fn = draw(case.kind, base=base, gain=1.0, generator=g)
    if case.layout:
        loss_fn = lfl.in_layout(loss_fn, case.layout)
    return {key: t.double() for key, t in phi.items()}, loss_fn
