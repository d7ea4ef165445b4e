"""The training of a few-shot method: one step as a pure function, and the loop over its steps."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch

from ..errors import Diverged
from ..fewshot_settings import FewShot
from ..hypergradient import BilevelRun
from ..optimiser import Optimiser, adam
from ..schedules import schedule_factor
from ..types import Kind, Tree
from .episode import Episode, Episodes
from .evaluation import query_error
from .method import FewShotMethod, gradient_on

TRAIN = "train"


class FewShotState(NamedTuple):
    """What a step changes: what is learned, and the state of its optimiser."""

    phi: Tree
    slots: Tree


Program = Callable[..., tuple[FewShotState, BilevelRun]]
Programs = Callable[[Any], Program]
"""What `step_program` makes: a program for each form of the hypergradient."""


class StepInfo(NamedTuple):
    """Numbers of a step, scalar tensors, means over its tasks.

    Args:
        inner_loss: the inner objective on the support sets before the last inner step; None where there is none.
        outer_loss: the outer objective on the query sets after adaptation.
        error: error rate, or mean squared error, on the query sets; None where the method gives no outputs.
    """

    inner_loss: torch.Tensor | None
    outer_loss: torch.Tensor
    error: torch.Tensor | None


class Stage(NamedTuple):
    """A stretch of training: its name, and its number of steps."""

    name: str
    num_steps: int


@dataclass(frozen=True)
class FewShotProgress:
    """Where the training of a few-shot run is after a step.

    Args:
        phase: the stretch of training that it is in.
        step: its steps that are done.
        state: what was learned so far, and the optimiser's state.
        metrics: losses and errors as numbers, a list of one, at the steps where they are measured.
    """

    phase: Stage
    step: int
    state: FewShotState
    metrics: list[dict[str, float]] | None


def first_state(method: FewShotMethod) -> FewShotState:
    """The state before the first step."""
    return FewShotState(method.phi, outer_optimiser().init(method.phi))


def outer_optimiser() -> Optimiser:
    """Adam, which is given its rate at each step."""
    return adam(0.0)


def few_shot_step(
    method: FewShotMethod,
    episodes: Episodes,
    settings: FewShot,
    state: FewShotState,
    step: int,
    program: Programs | None = None,
) -> tuple[FewShotState, StepInfo]:
    """Takes one step of what is learned, on the episodes of that step.

        phi' = adam(mean over tasks of grad_phi L_query(theta_K(phi)), phi; eta_step)

    Args:
        method, episodes, settings: of the run.
        state: after `step` steps.
        step: counted from 0.
        program: `step_program(method, settings)`, which may be compiled.

    Returns:
        The state after it, the same for the same arguments; and numbers of the step.
    """
    program = program or step_program(method, settings)
    episode = episodes.draw("train", step, settings.meta_batch)
    rate = settings.outer_lr * schedule_factor(settings.outer_schedule, step, settings.steps)
    form = method.form_of(step) if settings.hypergradient == "auto" else settings.hypergradient
    given = method.weights(step)
    device = episode.x.device
    weights = None if given is None else torch.tensor(given, device=device)
    state, run = program(form)(state, method.prepare(episode), torch.tensor(rate, device=device), weights)
    return state, info_of(run, episode, episodes.kind)


def step_program(method: FewShotMethod, settings: FewShot, *, compiled: bool = False) -> Programs:
    """Makes the part of a step that comes after its episodes: gradient and update.

    Args:
        method, settings: of the run.
        compiled: whether torch compiles it, at its first call.

    Returns:
        `program(form)(state, tasks, rate, weights) -> (state, run)`, a pure function.
    """
    update = outer_optimiser().update

    def of_form(form: Any) -> Program:
        def program(
            state: FewShotState, tasks: Tree, rate: torch.Tensor, weights: torch.Tensor | None
        ) -> tuple[FewShotState, BilevelRun]:
            grads, run = gradient_on(method, state.phi, tasks, form, weights, settings.tasks_at_once)
            phi, slots = update(grads, state.slots, state.phi, rate)
            return FewShotState(method.after(phi, run), slots), run

        return torch.compile(program, fullgraph=True, dynamic=False) if compiled else program

    return lru_cache(of_form)  # the form may change while it trains


def info_of(run: BilevelRun, episode: Episode, kind: Kind) -> StepInfo:
    """Numbers of a step."""
    inner = run.inner_losses[:, -1].mean() if run.inner_losses.numel() else None
    outputs = getattr(run.outer_aux, "outputs", None)
    error = None if outputs is None else torch.func.vmap(partial(query_error, kind))(outputs, episode.query_y).mean()
    return StepInfo(inner, run.outer_loss.mean(), error)


def run_steps(
    step_of: Callable[[FewShotState, int], tuple[FewShotState, StepInfo]],
    measure: Callable[[FewShotState, int], dict[str, float]],
    settings: FewShot,
    state: FewShotState,
    done: int = 0,
) -> Iterator[FewShotProgress]:
    """Takes the steps of a run, or the rest of them.

    Args:
        step_of: `step_of(state, step)`, as `few_shot_step`.
        measure: `measure(state, step)`, numbers of an evaluation; called every `eval_every` steps.
        settings: of the run.
        state: after `done` steps.

    Yields:
        A `FewShotProgress` at the start, and after each step.

    Raises:
        Diverged: a loss is not finite; looked at every `log_every` steps.
    """
    phase = Stage(TRAIN, settings.steps)
    yield FewShotProgress(phase, done, state, None)
    for first in range(done, settings.steps):
        state, info = step_of(state, first)
        step, metrics = first + 1, None
        evaluated = step == settings.steps or step % settings.eval_every == 0
        if evaluated or step % settings.log_every == 0:
            metrics = _numbers(info, step)
            if evaluated:
                metrics |= measure(state, step)
        yield FewShotProgress(phase, step, state, None if metrics is None else [metrics])


def _numbers(info: StepInfo, step: int) -> dict[str, float]:
    """The numbers of a step, which must be finite."""
    numbers = {name: float(value) for name, value in info._asdict().items() if value is not None}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise Diverged(
                f"{name} became {value} by step {step}; lower --inner-lr or --outer-lr, or take fewer --inner-steps."
            )
    return numbers
