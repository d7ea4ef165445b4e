"""Evaluates candidates one after the other, each loss as an ordinary function: for any loss, of any size."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from ..hypergradient import Bilevel
from ..hypergradient.bilevel import base_pass
from ..loss import AnyLearnedLoss, symbolic_loss
from ..loss.symbolic import WEIGHTS
from ..optimiser import Optimiser, adam, clip
from ..run.searched import Verdict
from ..step import fresh_carry
from ..step.meta import through_horizon
from ..symbolic import Tree
from ..task import Task
from ..training import Settings, mean_error, outputs_on
from ..training.compilation import compile_program
from ..trees import norm
from ..types import LossFn, Tensors
from .gates import PASSED, Tested, grid_gate, not_finite, rejection_test
from .outcome import Outcome
from .protocol import Protocol
from .shared import Shared, share
from .slopes import slopes_of
from .steps import search_direction


class Measured(NamedTuple):
    """The evaluation of a loss; the fields are those of `Outcome`, with phi in place of tree and weights."""

    phi: Tensors
    verdict: Verdict
    reason: str
    fitness: float
    improvement: float | None
    seconds: float


@dataclass(frozen=True)
class Closures:
    """An evaluator of losses one by one: `evaluator(trees) -> outcomes`.

    Args:
        shared: what all candidates share.
        direction: the model's part of a step of local search, as `search_direction` from theta on.
    """

    shared: Shared
    direction: Callable[..., tuple[torch.Tensor, torch.Tensor]]

    def __call__(self, trees: Sequence[Tree]) -> list[Outcome]:
        """Evaluates trees; their weights start at 1 with the protocol's noise."""
        return [self._evaluate_tree(tree) for tree in trees]

    def _evaluate_tree(self, tree: Tree) -> Outcome:
        if (unusable := why_unusable(tree)) is not None:
            return unusable
        phi, loss_fn = first_loss(self.shared, tree)
        measured = self.evaluate_loss(phi, loss_fn, search=True)
        return Outcome(tree, tuple(measured.phi[WEIGHTS].double().tolist()), *measured[1:])

    def evaluate_loss(self, phi: Tensors, loss_fn: AnyLearnedLoss, *, search: bool) -> Measured:
        """Evaluates a learned loss of any form.

        Args:
            phi: its first parameters.
            loss_fn: `loss_fn(phi, outputs, targets) -> [batch]`.
            search: whether phi goes through local search; for a population of numbers, such as TaylorGLO's, not.

        Returns:
            Verdict, fitness and the last phi; see `Outcome`.
        """
        started = time.perf_counter()
        protocol, improvement = self.shared.protocol, None
        search = search and protocol.local_steps > 0

        def ended(verdict: Verdict, reason: str, fitness: float = math.inf) -> Measured:
            return Measured(phi, verdict, reason, fitness, improvement, time.perf_counter() - started)

        if protocol.order == "gate first":
            tested = self._tested(phi, loss_fn, grid_too=True)
            improvement = tested.improvement
            if tested.reason:
                return ended("rejected", tested.reason)
        if search:
            phi, reason = self.local_search(phi, loss_fn)
            if reason:
                return ended("not finite", reason)
        if protocol.order == "published":
            tested = self._tested(phi, loss_fn, grid_too=protocol.wide_gate)
            improvement = tested.improvement
            if tested.reason:
                return ended("rejected", tested.reason)
        fitness, reason = self.fitness(phi, loss_fn)
        return ended("not finite", reason) if reason else ended("accepted", "", fitness)

    def _tested(self, phi: Tensors, loss_fn: AnyLearnedLoss, *, grid_too: bool) -> Tested:
        tested = grid_gate(self.shared, phi, loss_fn) if grid_too else PASSED
        return tested if tested.reason else rejection_test(self.shared, phi, loss_fn)

    def local_search(self, phi: Tensors, loss_fn: LossFn) -> tuple[Tensors, str]:
        """Takes the steps of local search: each from a fresh model, its step on the loss, then Adam on phi.

        Returns:
            Phi after them, and why they ended early, if they did; phi is then from before the step that failed.
        """
        protocol, outer = self.shared.protocol, outer_optimiser(self.shared.protocol)
        state = outer.init(phi)
        for step in range(protocol.local_steps):
            grads, value = self._phi_gradient(phi, loss_fn, step)
            if not math.isfinite(float(value + norm(grads))):
                return phi, not_finite("local search", step, protocol.local_steps)
            phi, state = outer.update(grads, state, phi)
        return phi, ""

    def _phi_gradient(self, phi: Tensors, loss_fn: LossFn, step: int) -> tuple[Tensors, torch.Tensor]:
        shared, start = self.shared, self.shared.start(step)
        if shared.protocol.inner_steps > 1:
            return _long_gradient(shared, phi, loss_fn, step)
        found = slopes_of(loss_fn, phi, shared.first_outputs(step), start.train[0][1], of_phi=True)
        u, value = self.direction(start.theta, shared.buffers, start.train[0], start.valid, found.slopes)
        return found.pull(u), value

    def fitness(self, phi: Tensors, loss_fn: LossFn) -> tuple[float, str]:
        """Trains a fresh model on the loss and measures its error over the validation split.

        Returns:
            The error; or infinity, and where a value was not finite.
        """
        shared = self.shared
        problem = Bilevel(shared.apply_fn, loss_fn, shared.task_loss, shared.inner)
        theta, buffers, state = shared.theta_0, shared.buffers, shared.inner.init(shared.theta_0)
        for step in range(shared.protocol.fitness_steps):
            base = base_pass(problem, theta, phi, buffers, shared.batch(step))
            if not math.isfinite(float(base.loss)):
                return math.inf, not_finite("training", step, shared.protocol.fitness_steps)
            theta, state = problem.update(base.grads, state, theta, phi)
            buffers = base.buffers
        outputs, targets = outputs_on(shared.apply_fn, theta, buffers, shared.valid)
        return validation_error(shared, outputs, targets)


def closures(task: Task, settings: Settings, protocol: Protocol | None = None) -> Closures:
    """Makes an evaluator of candidates one after the other.

    Args:
        task: data, on the device to train on.
        settings: of the search, from `lfl.training.resolve`: model, optimiser, batch size, seed, corruption.
        protocol: how a candidate is evaluated; the default one when omitted.

    Returns:
        An `Evaluate`, `evaluator(trees) -> outcomes`, with `evaluate_loss` for losses that are no trees.

    Raises:
        UserError: the model or the objective does not fit the task.
    """
    return closures_of(share(task, settings, protocol or Protocol()))


def closures_of(shared: Shared) -> Closures:
    """Makes that evaluator from what candidates share."""
    direction = partial(search_direction, shared.apply_fn, shared.inner, shared.task_loss)
    if shared.settings.compile == "on":
        compiled = compile_program(direction, shared.task.device)
        return Closures(shared, compiled)
    return Closures(shared, direction)


def outer_optimiser(protocol: Protocol) -> Optimiser:
    """The optimiser of phi in local search."""
    return adam(protocol.local_lr) if protocol.clip is None else clip(adam(protocol.local_lr), protocol.clip)


def first_loss(shared: Shared, tree: Tree) -> tuple[Tensors, AnyLearnedLoss]:
    """A tree as a loss, and its first weights: 1 with noise, of which each tree has the same numbers."""
    phi, loss_fn = symbolic_loss(tree, shared.task.kind, dtype=shared.noise.dtype)
    weights = phi[WEIGHTS].to(shared.noise.device)
    return {WEIGHTS: weights + shared.noise[: len(weights)]}, loss_fn


def why_unusable(tree: Tree) -> Outcome | None:
    """The outcome of a tree that cannot be a loss: one without the output, or of a single node."""
    weights = (1.0,) * (tree.size - 1)
    if "f" not in tree.nodes:
        return Outcome(tree, weights, "rejected", "the formula lacks f, the output", math.inf, None, 0.0)
    if tree.size == 1:
        return Outcome(tree, weights, "rejected", "the formula is one node", math.inf, None, 0.0)
    return None


def validation_error(shared: Shared, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[float, str]:
    """The error of outputs on the validation split; or infinity, and why."""
    error = mean_error(outputs, targets, shared.error)
    if bool(torch.isfinite(outputs).all()) and math.isfinite(error):
        return error, ""
    return math.inf, "the outputs on the validation split are not finite"


def _long_gradient(shared: Shared, phi: Tensors, loss_fn: LossFn, step: int) -> tuple[Tensors, torch.Tensor]:
    """The gradient through several inner steps."""
    start = shared.start(step)
    grads, _, info = through_horizon(
        start.theta,
        phi,
        start.train,
        start.valid,
        fresh_carry(start.theta, phi, apply_fn=shared.apply_fn, inner=shared.inner),
        apply_fn=shared.apply_fn,
        loss_fn=loss_fn,
        task_loss=shared.task_loss,
        inner=shared.inner,
        inner_lr=None,
        hypergradient="auto",
    )
    return grads, info.outer_loss
