"""Schedules of a learner against steps that are given the same rates."""

import math
from typing import Any

import pytest
import torch

import lfl
from lfl.loss import draw_loss
from lfl.randomness import generator

from .cases import batch, made


@pytest.mark.parametrize(
    ("settings", "inner", "outer"),
    [
        ({"schedule": "cosine", "steps": 4}, "cosine", "cosine"),
        ({"schedule": "cosine", "steps": 4, "outer_schedule": "constant"}, "cosine", "constant"),
        ({"outer_schedule": "cosine", "steps": 4}, "constant", "cosine"),
        ({"schedule": lambda step: 0.5**step}, "halved", "halved"),
    ],
)
def test_equals_steps_with_these_rates(settings: dict[str, Any], inner: str, outer: str) -> None:
    factors = {
        "constant": lambda step: 1.0,
        "halved": lambda step: 0.5**step,
        "cosine": lambda step: 0.5 * (1.0 + math.cos(math.pi * step / 4)),
    }
    module = made("plain")
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    pairs = lfl.sgd(0.1, momentum=0.9), lfl.adam(1e-2)
    learner = lfl.Learner(module, optimizer=pairs[0], loss_optimizer=pairs[1], clip_norm=0.5, **settings)
    carry = None
    for step in range(4):
        learner.step(batch(step), batch(step, 1))
        theta, phi, carry, _ = lfl.meta_step(
            theta, phi, batch(step), batch(step, 1), carry, apply_fn=apply_fn, loss_fn=loss_fn,
            task_loss=lfl.cross_entropy, inner=lfl.clip(pairs[0], 0.5), outer=pairs[1],
            inner_lr=torch.tensor(0.1 * factors[inner](step)), outer_lr=torch.tensor(1e-2 * factors[outer](step)),
        )  # fmt: skip
    for name, p in module.named_parameters():
        torch.testing.assert_close(p.detach(), theta[name], rtol=1e-6, atol=1e-7)
    for name, t in phi.items():
        torch.testing.assert_close(learner.phi[name], t, rtol=1e-6, atol=1e-7)
    if "steps" in settings:
        with pytest.raises(lfl.UserError, match="is for 4 steps, and they are done"):
            learner.step(batch(4), batch(4, 1))


def test_what_a_schedule_needs_is_said() -> None:
    with pytest.raises(lfl.UserError, match=r'"cosine" needs steps.*give steps=1000'):
        lfl.Learner(made("plain"), schedule="cosine")
    with pytest.raises(lfl.UserError, match='outer_schedule "step" needs steps'):
        lfl.Learner(made("plain"), outer_schedule="step")
    with pytest.raises(lfl.UserError, match="unknown schedule 'linear'"):
        lfl.Learner(made("plain"), schedule="linear", steps=3)
    _, update = lfl.sgd(0.1)
    silent = lfl.Optimiser(lambda theta: {}, lambda grads, state, theta, lr=None: update(grads, {}, theta, lr))
    with pytest.raises(lfl.UserError, match=r"rate of optimizer, which this pair does not say.*update.lr"):
        lfl.Learner(made("plain"), schedule="cosine", steps=3, optimizer=silent)


def test_a_pair_that_says_its_rate_has_a_schedule() -> None:
    _, update = lfl.sgd(0.1)

    def own(grads: Any, state: Any, theta: Any, lr: Any = None) -> Any:
        return update(grads, {}, theta, lr)

    own.lr = 0.1  # type: ignore[attr-defined]
    modules = made("plain"), made("plain")
    for module, pair in zip(modules, (lfl.Optimiser(lambda theta: {}, own), lfl.sgd(0.1)), strict=True):
        learner = lfl.Learner(module, optimizer=pair, schedule="step", steps=4)
        for step in range(4):
            learner.step(batch(step), batch(step, 1))
    for a, b in zip(*(m.parameters() for m in modules), strict=True):
        torch.testing.assert_close(a, b)
