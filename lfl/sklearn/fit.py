"""From arrays to a trained model: lfl's own training, in memory."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from ..data.arrays import Scale, Split, hold_out, scale_of
from ..errors import LflError, UserError, one_of
from ..handover import FixedLoss
from ..method import METHODS, plan
from ..model import build_model
from ..task import Defaults, Encoding, Task
from ..training import build_problem, learned, resolve, train
from ..training.learned import RATE
from ..types import Kind

NAME = "arrays"
GIVEN = "fixed"
"""The method that wants the loss of a run folder."""


PUBLISHED = {"offline_steps": 250, "inner_lr": 0.1, "outer_lr": 3e-3}
IN_FEW_STEPS: dict[str, dict[str, float]] = dict.fromkeys(METHODS, PUBLISHED) | {"residual": {"inner_lr": 0.03}}
"""What is not asked for, chosen for some hundred steps; `residual` brings the rest itself."""

FEWEST_HELD = 10
"""On fewer rows a loss of regression can learn to push all outputs one way."""


class Fitted(NamedTuple):
    """What a fit leaves.

    Args:
        model: the trained model of standardised inputs (and targets), in evaluation mode.
        scale: what standardises inputs.
        target_scale: what standardises targets; None for classes.
        loss: the learned loss; None where the method learns none.
    """

    model: nn.Module
    scale: Scale
    target_scale: Scale | None
    loss: FixedLoss | None


def fit(
    kind: Kind,
    rows: Split,
    num_outputs: int,
    *,
    valid: Split | None,
    validation_fraction: float,
    **asked: Any,
) -> Fitted:
    """Hold rows out where none are given for valid, scale, and train.

    Args:
        kind: what targets are.
        rows: inputs `[n, columns]`, and class ids `[n]` or real values `[n, width]`; numbers in double precision.
        num_outputs: classes, or width of the targets.
        valid: other such rows, of clean data; None where some are to be held out.
        validation_fraction: of the rows, for valid; of so few that it is less than ten rows, none are held out.
        asked: fields of `Settings`.

    Raises:
        UserError: a bad setting.
        Failure: training diverged.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise UserError(f"validation_fraction must lie between 0 and 1, but {validation_fraction!r} came.")
    if asked["steps"] is None:
        raise UserError("steps must be a number, but got None.")
    one_of("method", asked["method"], [name for name in METHODS if name != GIVEN])
    asked |= {name: value for name, value in IN_FEW_STEPS[asked["method"]].items() if asked[name] is None}
    with _parameters_named():
        if valid is None:
            rows, valid = _splits(kind, rows, validation_fraction)
        scale, target_scale = scale_of(rows.x), scale_of(rows.y) if kind == "regression" else None
        rows, valid = (Split(scale(x), target_scale(y) if target_scale else y) for x, y in (rows, valid))
        own = Defaults(asked["steps"], asked["inner_lr"], loss="squared-error" if target_scale else "cross-entropy")
        encoding = Encoding(kind, tuple(rows.x.shape[1:]), num_outputs, scale)
        task = Task(NAME, encoding, rows, valid, valid, own)
        settings = resolve(own, task=NAME, compile="off", **asked)
        for progress in train(
            plan(settings.method, build_problem(task, settings)),
            look=lambda state, step: [{}],
            log_every=settings.log_every,
            eval_every=settings.steps,
        ):
            state = progress.state
    model = build_model(settings.model, task.input_shape, num_outputs)
    model.load_state_dict(state.theta | state.carry.buffers, strict=False)  # what is tied has one name of several
    loss_fn = learned(task, settings, settings.seed).learned_loss
    loss = None
    if loss_fn is not None:
        loss = FixedLoss(loss_fn, {name: t for name, t in state.phi.items() if name != RATE})
    return Fitted(model.eval(), scale, target_scale, loss)


@torch.no_grad()
def outputs_of(fitted: Fitted, x: torch.Tensor) -> torch.Tensor:
    """Logits or scaled values in double precision, so that an example's do not depend on those beside it."""
    wide = {name: t.double() if t.is_floating_point() else t for name, t in fitted.model.state_dict().items()}
    outputs: torch.Tensor = torch.func.functional_call(fitted.model, wide, (fitted.scale(x).double(),))
    return outputs


def _splits(kind: Kind, rows: Split, fraction: float) -> tuple[Split, Split]:
    """Train and valid: apart, or the same rows where valid would be too small to judge by."""
    held = math.ceil(fraction * len(rows.y))
    if held < FEWEST_HELD:
        return rows, rows
    stratified = False
    if kind == "classification":
        counts = torch.unique(rows.y, return_counts=True)[1]
        stratified = bool(counts.min() >= 2) and len(counts) <= min(held, len(rows.y) - held)
    return hold_out(rows, fraction, stratified=stratified)


@contextmanager
def _parameters_named() -> Iterator[None]:
    """Errors name parameters of an estimator where they would name flags of the command line."""
    try:
        yield
    except LflError as error:
        raise type(error)(re.sub(r"--([a-z][a-z-]*)", lambda flag: flag[1].replace("-", "_"), str(error))) from error
