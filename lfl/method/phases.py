"""The stretches of steps that methods are made of.

A phase draws what is random about a step outside of it (`draw`), so that the step itself is a pure function
that can be repeated, vmapped and compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..step import Info
from .problem import Problem, State


@dataclass(frozen=True)
class Phase:
    """A stretch of like steps. It starts from theta_0 with empty slots, and with phi as the one before has left it.

    Args:
        name: `"init"` or `"train"`.
        num_steps: its length.
        draw: `draw(step)`, the batches and starts that a step uses, by seed and step.
        step: `step(state, drawn) -> (state, info)`, a pure function.
        stride: steps that are taken at once: `step` is called for every `stride`-th.
        learns: `learns(step)`, whether phi takes a step there.
    """

    name: str
    num_steps: int
    draw: Callable[[int], Any]
    step: Callable[[State, Any], tuple[State, Info]]
    stride: int = 1
    learns: Callable[[int], bool] = lambda _: False


def first_state(problem: Problem) -> State:
    """Where a method starts."""
    return State(problem.theta_0, problem.phi_0, problem.programs.fresh(problem.theta_0, problem.phi_0))


def offline_phase(problem: Problem) -> Phase:
    """Algorithm 1: phi learns from short runs, or along a long one; theta is thrown away."""
    programs = problem.programs

    def draw(step: int) -> Any:
        first = step * problem.inner_steps
        batches = [problem.batch("train", "offline train", first + k) for k in range(problem.inner_steps)]
        if problem.offline_objective == "valid":
            judged = problem.batch("valid", "offline valid", step)
        else:  # the same rows gathered again: a program that saw one tensor twice would be another than the online one
            judged = problem.batch("train", "offline train", first + problem.inner_steps - 1)
        return problem.init_theta(step), batches, judged

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        theta_0, batches_tr, batch_val = drawn
        theta, phi, carry = state
        if theta_0 is not None:
            theta, carry = theta_0, programs.fresh(theta_0, phi)._replace(outer=carry.outer)
        rates = problem.inner_rate(0), problem.offline_lr
        theta, phi, carry, info = programs.meta(theta, phi, batches_tr, batch_val, carry, *rates)
        return State(theta, phi, carry), info

    return Phase("init", problem.offline_steps, draw, step, learns=lambda _: True)


def online_phase(problem: Problem) -> Phase:
    """Algorithm 2: a step of phi after each step of theta, or after each `meta_every`-th.

    A step of phi is differentiated through the `horizon` steps of theta before it.
    """
    programs, horizon = problem.programs, problem.horizon
    period = problem.meta_every // horizon

    def learns(step: int) -> bool:
        return (step // horizon) % period == period - 1

    def draw(step: int) -> Any:
        batches = [problem.batch("train", "train", step + k) for k in range(horizon)]
        rates = problem.inner_rate(step), problem.outer_rate(step)
        if not learns(step):
            return batches, None, rates
        if problem.meta_objective == "valid":
            return batches, problem.batch("valid", "valid", step), rates
        return batches, problem.batch("train", "train", step + horizon - 1), rates

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        batches, batch_val, rates = drawn
        if batch_val is None:
            return _base_steps(problem, state, batches, rates[0])
        theta, phi, carry, info = programs.meta(state.theta, state.phi, batches, batch_val, state.carry, *rates)
        return State(theta, phi, carry), info

    return Phase("train", problem.steps, draw, step, stride=horizon, learns=learns)


def fixed_phase(problem: Problem) -> Phase:
    """Ordinary training: on the learned loss as it stands, or on the task's own where there is none."""

    def draw(step: int) -> Any:
        return [problem.batch("train", "train", step)], problem.inner_rate(step)

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        return _base_steps(problem, state, *drawn)

    return Phase("train", problem.steps, draw, step)


def _base_steps(problem: Problem, state: State, batches: list[Any], rate: torch.Tensor) -> tuple[State, Info]:
    """Steps of theta that leave phi alone."""
    theta, carry = state.theta, state.carry
    for batch in batches:
        theta, carry, info = problem.programs.base(theta, state.phi, batch, carry, rate)
    return State(theta, state.phi, carry), info
