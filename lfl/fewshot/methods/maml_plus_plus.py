"""MAML++: MAML made stable by losses on the way, and rates and batch norm of each step."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ...types import Tensors
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import at_step, composed

LEAST_SHARE = 0.03
"""Of an even weight: what the loss after a step on the way keeps until the last step alone counts."""


def maml_plus_plus(
    problem: FewShotProblem, *, multi_step_share: float = 0.1, first_order_share: float = 0.3
) -> FewShotMethod:
    """Learns where parameters start, a rate for each tensor and step, and batch norm's scale and shift for each step.

        theta_k+1[t] = theta_k[t] - phi.rates[t][k] grad_t L_support(theta_k, phi.norm[k])
        min_phi  sum_k w_k L_query(theta_k, phi.norm[k])        k = 1 .. K, from even w_k to the last alone

    Batch norm's scale and shift stay as they are within a task, one pair for each theta_k. Statistics are always those
    of the step; running ones belong to the last. Steps beyond those of training take the last one's rates and norm.
    The paper's cosine schedule is the training loop's.

    Args:
        problem: model, targets, inner optimiser, and the number of steps of training.
        multi_step_share: share of training in which the losses on the way count, falling linearly (10 of 100 epochs).
        first_order_share: share of training before second derivatives are taken.

    Source: Antoniou, Edwards and Storkey (2019), section 4.
    """
    num_steps = problem.inner_steps
    norms = _affine_of_batch_norm(problem)
    init = {name: p for name, p in problem.theta.items() if name not in norms}
    rates = {name: p.new_full((num_steps,), problem.inner_lr) for name, p in init.items()}
    norm = {name: torch.stack([problem.theta[name]] * (num_steps + 1)) for name in norms}

    def parameters(theta: Any, phi: Any, k: int) -> Tensors:
        return {**theta, **{name: p[at_step(k, num_steps + 1)] for name, p in phi["norm"].items()}}

    def rate(phi: Any, k: int) -> Tensors:
        return {name: r[at_step(k, num_steps)] for name, r in phi["rates"].items()}

    def weights(step: int) -> Sequence[float] | None:
        return multi_step_weights(num_steps, step, multi_step_share * problem.steps)

    return composed(
        problem,
        {"init": init, "rates": rates, "norm": norm},
        parameters=parameters,
        rate=rate,
        weights=weights,
        form_at=lambda step: "first-order" if step < first_order_share * problem.steps else "mixed",
    )


def multi_step_weights(num_steps: int, step: int, until: float) -> list[float] | None:
    """Weights of the losses after each inner step at a step of training; None for the last alone.

    They fall linearly from even ones to `LEAST_SHARE` of that at `until`, and the last has the rest of 1.
    """
    if step >= until or num_steps < 2:
        return None
    even = 1.0 / num_steps
    early = max(even * (1.0 - step / until), LEAST_SHARE * even)
    return [early] * (num_steps - 1) + [1.0 - early * (num_steps - 1)]


def _affine_of_batch_norm(problem: FewShotProblem) -> list[str]:
    layers = [name for name, layer in problem.module.named_modules() if isinstance(layer, _BatchNorm)]
    names = [f"{layer}.{name}" if layer else name for layer in layers for name in ("weight", "bias")]
    return [name for name in names if name in problem.theta]
