"""The stretches of steps that methods are made of.

A phase draws what is random about a step outside of it (`draw`), so that the step itself is a pure function
that can be repeated, vmapped and compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..step import Info, base_step, fresh_carry, meta_step, offline_step
from .problem import Problem, State


@dataclass(frozen=True)
class Phase:
    """A stretch of like steps.

    Args:
        name: `"init"` or `"train"`.
        num_steps: its length.
        start: `start(state) -> state`, before its first step.
        draw: `draw(step)`, the batches and starts that a step uses, by seed and step.
        step: `step(state, drawn) -> (state, info)`, a pure function.
    """

    name: str
    num_steps: int
    start: Callable[[State], State]
    draw: Callable[[int], Any]
    step: Callable[[State, Any], tuple[State, Info]]


def first_state(problem: Problem, *, learned: bool) -> State:
    """Where a method starts."""
    phi = problem.phi_0 if learned else None
    outer = problem.outer if learned else None
    carry = fresh_carry(problem.theta_0, phi, apply_fn=problem.apply_fn, inner=problem.inner, outer=outer)
    return State(problem.theta_0, phi, carry)


def offline_phase(problem: Problem) -> Phase:
    """Algorithm 1: phi learns from short runs, theta is thrown away."""
    step_fn = partial(
        offline_step,
        apply_fn=problem.apply_fn,
        loss_fn=problem.loss_fn,
        task_loss=problem.task_loss,
        inner=problem.inner,
        outer=problem.init_outer,
    )

    def start(state: State) -> State:
        return state._replace(carry=state.carry._replace(outer=problem.init_outer.init(state.phi)))

    def draw(step: int) -> Any:
        first = step * problem.inner_steps
        batches = [problem.batch("train", "offline train", first + k) for k in range(problem.inner_steps)]
        valid = problem.init_objective == "valid"
        judged = problem.batch("valid", "offline valid", step) if valid else batches[-1]
        return problem.redraw_theta(step), batches, judged

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        theta_0, batches_tr, batch_val = drawn
        phi, outer, info = step_fn(theta_0, state.phi, batches_tr, batch_val, state.carry.outer)
        return state._replace(phi=phi, carry=state.carry._replace(outer=outer)), info

    return Phase("init", problem.init_steps, start, draw, step)


def online_phase(problem: Problem) -> Phase:
    """Algorithm 2: one step of phi after each step of theta."""
    step_fn = partial(
        meta_step,
        apply_fn=problem.apply_fn,
        loss_fn=problem.loss_fn,
        task_loss=problem.task_loss,
        inner=problem.inner,
        outer=problem.outer,
    )

    def start(state: State) -> State:
        return state._replace(carry=state.carry._replace(outer=problem.outer.init(state.phi)))

    def draw(step: int) -> Any:
        return problem.batch("train", "train", step), problem.batch("valid", "valid", step)

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        batch_tr, batch_val = drawn
        theta, phi, carry, info = step_fn(state.theta, state.phi, batch_tr, batch_val, state.carry)
        return State(theta, phi, carry), info

    return Phase("train", problem.steps, start, draw, step)


def fixed_phase(problem: Problem) -> Phase:
    """Ordinary training: on the learned loss as it stands, or on the task's own where there is none."""
    step_fn = partial(base_step, apply_fn=problem.apply_fn, task_loss=problem.task_loss, inner=problem.inner)

    def draw(step: int) -> Any:
        return problem.batch("train", "train", step)

    def step(state: State, drawn: Any) -> tuple[State, Info]:
        loss = problem.task_loss if state.phi is None else partial(problem.loss_fn, state.phi)
        theta, carry, info = step_fn(state.theta, drawn, state.carry, loss=loss)
        return State(theta, state.phi, carry), info

    return Phase("train", problem.steps, lambda state: state, draw, step)
