"""Where a step that several processes take together averages over them: between its passes, never within one.

Each process differentiates the mean loss of its own examples. Gradients are linear, so that their averages are the
gradients of the mean loss of all examples: theta's before its update, theta's adjoint before it goes back through an
update, phi's at the end. An average is whole before the next pass begins; parts of it may be on their way while the
gradients of earlier layers are computed.
"""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from functools import partial

import torch

from ..types import ApplyFn, Batch, Tensors, Tree
from .bilevel import BasePass, Bilevel, InnerRun, base_pass, gradient, learned_loss, validation_loss


def average_pass(problem: Bilevel, base: BasePass, before: Tensors) -> BasePass:
    """A base pass with its gradient, its loss and its buffers averaged, in one call; the outputs stay as they are.

    Args:
        problem: its `average` is None where one process takes the step; the pass is then returned as it is.
        base: the pass over the examples of this process.
        before: the buffers before it.
    """
    if problem.average is None:
        return base
    changed = changes(problem.apply_fn, before, base.buffers)
    grads, loss, changed = problem.average((base.grads, base.loss, changed))
    return BasePass(grads, loss, base.outputs, moved(before, base.buffers, changed))


def averaged_base_pass(problem: Bilevel, theta: Tensors, phi: Tree, buffers: Tensors, batch: Batch) -> BasePass:
    """`base_pass` and `average_pass` in one: gradients are averaged while those of earlier layers are computed."""
    if problem.averaged_gradient is None:
        return average_pass(problem, base_pass(problem, theta, phi, buffers, batch), buffers)

    def beside(rest: tuple[torch.Tensor, Tree, Tensors]) -> Tree:
        return rest[0], changes(problem.apply_fn, buffers, rest[2])

    objective = partial(learned_loss, problem, phi, buffers, batch)
    grads, (_, outputs, after), (loss, changed) = problem.averaged_gradient(objective, theta, beside)
    return BasePass(grads, loss, outputs, moved(buffers, after, changed))


def averaged_validation_gradient(
    problem: Bilevel, theta: Tensors, buffers: Tensors, batch: Batch
) -> tuple[Tensors, torch.Tensor]:
    """Gradient and value of the task loss on a validation batch, averaged likewise."""

    def loss(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        value = validation_loss(problem, theta, buffers, batch)
        return value, value

    if problem.averaged_gradient is None:
        found = gradient(loss, theta)
        return found if problem.average is None else problem.average(found)
    grads, _, value = problem.averaged_gradient(loss, theta, lambda value: value)
    return grads, value


def average_result(problem: Bilevel, phi_grads: Tree, run: InnerRun) -> tuple[Tree, InnerRun]:
    """The gradient of phi and the validation loss averaged, in one call."""
    if problem.average is None:
        return phi_grads, run
    phi_grads, outer_loss = problem.average((phi_grads, run.outer_loss))
    return phi_grads, run._replace(outer_loss=outer_loss)


def average_buffers(problem: Bilevel, before: Tensors, after: Tensors) -> Tensors:
    """The buffers after a pass with their changes averaged; no call where there are none."""
    if problem.average is None:
        return after
    changed = changes(problem.apply_fn, before, after)
    return moved(before, after, problem.average(changed)) if changed else after


def moved(before: Tensors, after: Tensors, changed: Tensors) -> Tensors:
    """The buffers `after`, but real values those `before` with their averaged changes; equal on all processes."""
    return {
        name: torch.where(changed[name] == 0.0, before[name], before[name] + changed[name]) if name in changed else new
        for name, new in after.items()
    }


def changes(apply_fn: ApplyFn, before: Tensors, after: Tensors) -> Tensors:
    """How the real-valued buffers changed: what did not change (a mask with infinities, say) keeps its bits."""
    code = getattr(apply_fn, "training_code", None)
    frozen = set() if code is None else {name for name, _ in code.named_parameters(remove_duplicate=False)}
    return {
        name: torch.where(new == before[name], torch.zeros_like(new), new - before[name])
        for name, new in after.items()
        if new.is_floating_point() and name not in frozen
    }
