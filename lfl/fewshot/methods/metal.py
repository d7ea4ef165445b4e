"""MeTAL-like: a learned loss that sees the state of the task, and adapts to it at each step."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ...loss.network import draw_layers
from ...randomness import generator
from ...types import Tensors
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import at_step, composed

GAIN = 0.1
"""Factor on the drawn weights of the loss: small, so that the first steps are nearly MAML's."""

TINY = 1e-5
"""Added to a deviation."""


def metal(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start, and a network for each step whose output is added to the inner loss.

        s_k = (L_support(theta_k), mean of each tensor of theta_k), normalised             the task's state
        c_i = (s_k, outputs f_i, target y_i), normalised                                   of a support example
        G(theta_k) = L_support(theta_k) + mean_i l_k(c_i)                 l_k = w_2 relu(W_1 c_i + b_1) + b_2
        W_1 <- (1 + a_k(s_k)) W_1 + b_k(s_k),  and so each tensor of l_k: two numbers that a network of s_k gives

    It is the inductive part of MeTAL: the paper's second network, of query examples without their labels, is left out,
    so that no query example is seen while adapting. The network of s_k starts at 0.

    Source: Baik, Choi, Kim, Cho, Min and Lee (2021), section 3.
    """
    source = generator(problem.seed, "metal")
    num_steps, state_size = max(1, problem.inner_steps), 1 + len(problem.theta)
    width = state_size + 2 * problem.num_outputs
    first = next(iter(problem.theta.values()))

    def drawn(sizes: list[int], last: float) -> Tensors:
        """A network with biases for each step, the last layer's weights times `last`."""
        steps = [
            draw_layers(sizes, nn.init.xavier_uniform_, gain=1.0, bias=True, generator=source) for _ in range(num_steps)
        ]
        stacked = {name: torch.stack([step[name] for step in steps]).to(first) for name in steps[0]}
        return {name: p * last if name.startswith("1.") else p for name, p in stacked.items()}

    loss = drawn([width, width, 1], GAIN)
    adapter = drawn([state_size, state_size, 2 * len(loss)], 0.0)

    def inner(theta: Tensors, phi: Any, task: Any, k: int) -> torch.Tensor:
        k = at_step(k, num_steps)
        outputs = problem.model.support(theta, task.x)
        base = problem.loss(outputs, task.y)
        state = normalised(torch.stack([base, *(p.mean() for p in theta.values())]))
        shift = layers({name: p[k] for name, p in phi["adapter"].items()}, state).view(2, -1)
        own = {name: (1.0 + shift[0, i]) * p[k] + shift[1, i] for i, (name, p) in enumerate(phi["loss"].items())}
        seen = torch.cat([state.expand(len(outputs), -1), outputs, _target(problem, task.y).to(outputs)], 1)
        return base + layers(own, normalised(seen)).mean()

    return composed(problem, {"init": problem.theta, "loss": loss, "adapter": adapter}, loss=inner)


def layers(phi: Tensors, x: torch.Tensor) -> torch.Tensor:
    """Two linear layers with a ReLU between."""
    return F.linear(F.relu(F.linear(x, phi["0.weight"], phi["0.bias"])), phi["1.weight"], phi["1.bias"])


def normalised(x: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 over the last axis."""
    x = x - x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + TINY).sqrt()


def _target(problem: FewShotProblem, y: torch.Tensor) -> torch.Tensor:
    """One-hot classes, or the real values."""
    if problem.kind == "regression":
        return y.flatten(1)
    return y[:, None] == torch.arange(problem.num_outputs, device=y.device)
