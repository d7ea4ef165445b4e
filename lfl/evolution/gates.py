"""Cheap tests of a candidate before it trains a model: slopes on a grid, and optimising outputs directly."""

import math
from functools import partial
from typing import NamedTuple

import torch

from ..loss import AnyLearnedLoss, LearnedLoss
from ..optimiser import adam
from ..symbolic import grid
from ..training import mean_error
from ..trees import map_tree
from ..types import LossFn, Tensors
from .shared import Shared
from .slopes import slopes_of

LEAST_GAIN = {"improves": 0.0, "0.6": 0.6}
"""What the error must fall by more than in the rejection test."""


class Tested(NamedTuple):
    """A test's finding: why a candidate is rejected, empty if it is not; the improvement, None where not measured."""

    reason: str
    improvement: float | None = None


PASSED = Tested("")


def grid_gate(shared: Shared, phi: Tensors, loss_fn: AnyLearnedLoss) -> Tested:
    """Tests dl/df at fixed points, in float64: it must be finite, and not 0 at all of them.

    With `wide_gate`, for real values and each target, it must also change its sign within predictions up to half the
    targets' range beyond it: a loss that falls for ever moves outputs away for ever. Losses that are not of one output
    at a time pass.
    """
    if not isinstance(loss_fn, LearnedLoss):
        return PASSED
    points = (
        partial(grid, "regression", shared.low, max(shared.high, shared.low + 1e-6))
        if shared.task.kind == "regression"
        else partial(grid, shared.task.kind)
    )
    y, f = (t.to(shared.logits.device) for t in points())
    slopes = _slopes(phi, loss_fn, y, f)
    if not bool(torch.isfinite(slopes).all()):
        return Tested("the slope of the loss is not finite at every point of the grid")
    if not bool((slopes != 0).any()):
        return Tested("the slope of the loss is 0 at every point of the grid")
    if shared.protocol.wide_gate and shared.task.kind == "regression":
        return _wide_gate(shared, phi, loss_fn)
    return PASSED


def _wide_gate(shared: Shared, phi: Tensors, loss_fn: LearnedLoss) -> Tested:
    width = max(shared.high - shared.low, 1e-6)
    y = torch.linspace(shared.low, shared.high, 17, dtype=torch.float64)
    f = torch.linspace(shared.low - width / 2, shared.high + width / 2, 33, dtype=torch.float64)
    pairs = torch.cartesian_prod(y, f).to(shared.logits.device)
    slopes = _slopes(phi, loss_fn, pairs[:, 0], pairs[:, 1]).reshape(len(y), len(f))
    if bool(((slopes < 0).any(1) & (slopes > 0).any(1)).all()):
        return PASSED
    return Tested("the slope of the loss does not change its sign over the range of the targets")


def _slopes(phi: Tensors, loss_fn: LearnedLoss, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    wide = map_tree(lambda t: t.double(), phi)

    def total(f: torch.Tensor) -> torch.Tensor:
        return loss_fn.elementwise(wide, y[:, None], f[:, None]).sum()

    slopes: torch.Tensor = torch.func.grad(total)(f)
    return slopes


def rejection_test(shared: Shared, phi: Tensors, loss_fn: LossFn) -> Tested:
    """Optimises the outputs of a fresh model on the first train examples, as if they were parameters.

        d = error before - error after        `filter_steps` of Adam at the model's rate, under the candidate

    Returns:
        A reason where d is not greater than the protocol asks for, or a value was not finite.

    Source: Raymond et al. (2023), EvoMAL; the threshold 0.6 is AutoLoss-Zero's (Li et al. 2022).
    """
    protocol = shared.protocol
    if protocol.rejection == "off":
        return PASSED
    optimiser = adam(shared.settings.inner_lr)
    outputs, state = shared.logits, optimiser.init(shared.logits)
    slopes = partial(slopes_of, loss_fn, phi, targets=shared.targets)
    for step in range(protocol.filter_steps):
        slope = slopes(outputs).slopes
        outputs, state = optimiser.update(slope, state, outputs)
        if not math.isfinite(float(slope.sum())):
            return Tested(not_finite("the rejection test", step, protocol.filter_steps))
    return judged(shared, outputs)


def judged(shared: Shared, outputs: torch.Tensor) -> Tested:
    """Compares the error of optimised outputs with the one before."""
    before, after = (mean_error(out, shared.targets, shared.error) for out in (shared.logits, outputs))
    if not bool(torch.isfinite(outputs).all()) or not math.isfinite(after):
        return Tested("the outputs of the rejection test are not finite")
    gain, least = before - after, LEAST_GAIN[shared.protocol.rejection]
    if gain > least:
        return Tested("", gain)
    return Tested(f"outputs optimised directly have error {after:.4g} after {before:.4g}", gain)


def not_finite(where: str, step: int, of: int) -> str:
    """A reason in words; steps count from 0."""
    return f"{where} was not finite at step {step + 1} of {of}"
