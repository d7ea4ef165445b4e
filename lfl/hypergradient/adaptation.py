"""The inner level of a general two-level problem: steps of theta down any objective that phi shapes."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, Protocol

import torch

from ..errors import UserError
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update, as_optimiser, hide_numbers
from ..trees import hide_constants, leaves, map_tree, show_constants
from ..types import Rates, Tree
from .bilevel import gradient


class Objective(Protocol):
    """An objective of one task: `objective(theta, phi, task) -> scalar tensor`, or `(scalar tensor, aux)`.

    Aux is a tree of tensors, numbers and None that nothing is differentiated by: an accuracy, a model's buffers.
    """

    def __call__(self, theta: Any, phi: Any, task: Any, /) -> Any: ...


class Adaptation(NamedTuple):
    """How theta adapts to a task: `num_steps` steps of an optimiser down an objective, the inner level.

        theta_k+1 = update(grad_theta G(theta_k, phi, task), theta_k; rate(phi, k))            k = 0 .. num_steps - 1

    Args:
        objective: G, the inner objective. It may use phi anywhere: in the model, in the loss, in both.
        optimiser: of theta; its state is fresh for each task.
        num_steps: inner steps; 0 leaves theta as it is.
        rate: the optimiser's rate in place of its own: a number, a tensor, or a tree of them that is a prefix of
            theta's (a rate for each tensor, or for each of its elements); or `rate(phi, step) -> ` one of these, where
            phi holds it or it changes over the steps, counted from 0.
        part: `part(task, step)`, what G sees of the task at each step, such as a batch of its own; the whole task when
            omitted. It may put the step's number there for G to read.
        proximal: lambda; adds `lambda/2 |theta - theta_0|^2` to G.

    Example:
        >>> from lfl.optimiser import sgd
        >>> inner = Adaptation(lambda theta, phi, task: (theta["w"] - task).square().sum(), sgd(0.25), num_steps=2)
        >>> adapt(inner, {"w": torch.tensor(4.0)}, {}, torch.tensor(0.0)).theta
        {'w': tensor(1.)}

    Source: Finn, Abbeel and Levine (2017), Algorithm 1; the proximal term: Rajeswaran et al. (2019), eq. 3.
    """

    objective: Objective
    optimiser: Optimiser
    num_steps: int
    rate: Rates | Callable[[Any, int], Rates] | None = None
    part: Callable[[Any, int], Any] | None = None
    proximal: float | torch.Tensor = 0.0


class Adapted(NamedTuple):
    """What `lfl.adapt` returns.

    Args:
        theta: the adapted parameters.
        state: the optimiser's state after the last step.
        losses: `[num_steps]`, the inner objective before each step, its proximal term included.
        aux: what the inner objective returned beside its value, a list of one for each step.
    """

    theta: Tree
    state: Tree
    losses: torch.Tensor
    aux: list[Tree]


class InnerStep(NamedTuple):
    """A step of theta: what it led to, the gradient that it went along, value and aux of the objective before it."""

    theta: Tree
    state: Tree
    grads: Tree
    loss: torch.Tensor
    aux: Tree


def adapt(inner: Adaptation, theta: Tree, phi: Tree, task: Tree) -> Adapted:
    """Adapts parameters to one task; the result can be differentiated, vmapped and compiled.

        theta_0 = theta;   theta_k+1 = update(grad_theta G(theta_k, phi, task), theta_k; rate(phi, k))

    Args:
        inner: objective, optimiser and number of steps. For more steps than in training:
            `inner._replace(num_steps=10)`.
        theta: parameters to start from, a tree of tensors of real numbers.
        phi: what the objective and the rate read beside them, any tree of tensors.
        task: what the objective reads, any tree of tensors. For several tasks at once with a leading axis:
            `torch.func.vmap(lambda task: lfl.adapt(inner, theta, phi, task))(tasks)`.

    Returns:
        An `Adapted`.

    Raises:
        UserError: the objective returns no scalar, or the rates are no tree that fits theta.

    Example: see `lfl.Adaptation`.
    """
    inner = checked(inner)
    start = overlap_free(theta)
    theta, state, steps = start, first_state(inner, start), []
    for k in range(inner.num_steps):
        step = inner_step(inner, lambda _: start, theta, phi, state, task, k)
        theta, state = step.theta, step.state
        steps.append(step)
    aux = [show_constants(step.aux) for step in steps]
    return Adapted(theta, show_constants(state), stacked_losses(steps, theta), aux)


def inner_value(
    inner: Adaptation, start: Callable[[Tree], Tree], theta: Tree, phi: Tree, task: Tree, k: int
) -> tuple[torch.Tensor, Tree]:
    """The inner objective of step k with its proximal term, and its aux; `start(phi)` is theta_0."""
    value, aux = evaluate("inner", inner.objective, theta, phi, inner.part(task, k) if inner.part else task)
    if isinstance(inner.proximal, torch.Tensor) or inner.proximal:
        apart = map_tree(lambda p, q: (p - q).square().sum(), theta, overlap_free(start(phi)))
        value = value + 0.5 * inner.proximal * reduce(torch.add, leaves(apart))
    return value, aux


def inner_step(
    inner: Adaptation, start: Callable[[Tree], Tree], theta: Tree, phi: Tree, state: Tree, task: Tree, k: int
) -> InnerStep:
    """Step k of theta."""

    def value(theta: Tree) -> tuple[torch.Tensor, Any]:
        loss, aux = inner_value(inner, start, theta, phi, task, k)
        return loss, (loss, aux)

    grads, (loss, aux) = gradient(value, theta)
    return InnerStep(*updated(inner, grads, state, theta, phi, k), grads, loss, aux)


def updated(inner: Adaptation, grads: Tree, state: Tree, theta: Tree, phi: Tree, k: int) -> tuple[Tree, Tree]:
    """Theta and the optimiser's state after the update of step k."""
    rate = inner.rate(phi, k) if callable(inner.rate) else inner.rate
    theta, state = apply_update(inner.optimiser, grads, show_constants(state), theta, rate)
    return theta, hide_numbers(state)


def first_state(inner: Adaptation, theta: Tree) -> Tree:
    """The optimiser's state before the first step, its numbers hidden from torch's transforms."""
    return hide_numbers(inner.optimiser.init(theta))


def stacked_losses(steps: list[InnerStep], theta: Tree) -> torch.Tensor:
    """The inner objectives of all steps, `[num_steps]`."""
    return torch.stack([step.loss for step in steps]) if steps else leaves(theta)[0].new_zeros(0)


def overlap_free(theta: Tree) -> Tree:
    """Theta with tensors made by `expand` written out: forward mode refuses elements that share their memory."""
    return map_tree(lambda p: p.contiguous() if 0 in p.stride() else p, theta)


def evaluate(level: str, objective: Objective, theta: Tree, phi: Tree, task: Tree) -> tuple[torch.Tensor, Tree]:
    """An objective's value and its aux, `()` where it has none.

    Raises:
        UserError: the value is no scalar, or aux is no tree of tensors.
    """
    result = objective(theta, phi, task)
    value, aux = result if isinstance(result, tuple) and len(result) == 2 else (result, ())
    if not isinstance(value, torch.Tensor) or value.dim() != 0:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise UserError(
            f"the {level} objective must return a scalar tensor, or (scalar tensor, aux), got {got}; take the mean "
            "over the examples."
        )
    return value, hide_constants(aux, lambda leaf: _not_aux(level, leaf))


def checked(inner: Adaptation) -> Adaptation:
    """An `Adaptation` whose optimiser is an `Optimiser`.

    Raises:
        UserError: its parts cannot work together.
    """
    if not isinstance(inner, Adaptation):
        raise UserError(f"the inner level must be an lfl.Adaptation, got {type(inner).__name__}.")
    if not isinstance(inner.num_steps, int) or isinstance(inner.num_steps, bool) or inner.num_steps < 0:
        raise UserError(f"num_steps must be a whole number of at least 0, got {inner.num_steps!r}; 5 is usual.")
    return inner._replace(optimiser=as_optimiser("optimiser", inner.optimiser))


def _not_aux(level: str, leaf: Any) -> UserError:
    return UserError(
        f"the second value of the {level} objective, aux, must be a tree of tensors, numbers and None, got a "
        f"{type(leaf).__name__} in it."
    )
