"""The two-level problem, and the two passes over a batch that every form of the hypergradient is made of."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import forward_ad

from ..errors import UserError, reason
from ..model import PureModule
from ..model.functional import is_seed
from ..optimiser import Optimiser
from ..optimiser.optimiser import Linear, apply_update, hide_numbers
from ..randomness import seeded
from ..trees import hide_constants, leaves, show_constants
from ..types import ApplyFn, Average, AveragedGradient, Batch, LossFn, Rate, RateOfPhi, TaskLoss, Tensors, Tree


class Bilevel(NamedTuple):
    """The functions of a two-level problem: theta descends the learned loss, phi the task's loss after that.

        theta'(phi) = update(grad_theta M_phi(y, f_theta(x)))         inner level, train batches
        min_phi       L_T(y, f_theta'(phi)(x))                        outer level, a validation batch

    Args:
        apply_fn: the model f.
        loss_fn: the learned loss M_phi.
        task_loss: the task's own loss L_T.
        inner: optimiser of theta.
        inner_lr: its rate: a number, a tensor, `inner_lr(phi)` where phi holds it, or None for the optimiser's own.
        hidden: whether numbers and None in the optimiser's state are wrapped as `lfl.trees.Constant`.
        average: the mean over the processes that take the step together; None where one takes it alone.
        averaged_gradient: `gradient` with its mean over these processes, where there are several.
    """

    apply_fn: ApplyFn
    loss_fn: LossFn
    task_loss: TaskLoss
    inner: Optimiser
    inner_lr: Rate | RateOfPhi | None = None
    hidden: bool = False
    average: Average | None = None
    averaged_gradient: AveragedGradient | None = None

    def update(self, grads: Tensors, state: Tree, theta: Tensors, phi: Tree) -> tuple[Tensors, Tree]:
        """Theta and the optimiser's state after an update, at the rate that phi gives."""
        rate = self.inner_lr(phi) if callable(self.inner_lr) else self.inner_lr
        if not self.hidden:
            return apply_update(self.inner, grads, state, theta, rate)
        theta, state = apply_update(self.inner, grads, show_constants(state), theta, rate)
        return theta, hide_numbers(state)

    @property
    def updates_linearly(self) -> bool:
        """Whether the derivative of an update is the same at all gradients; where phi moves the rate it is not."""
        return isinstance(self.inner, Linear) and not callable(self.inner_lr)


class InnerRun(NamedTuple):
    """The inner steps of a fixed phi: where they ended, and what was measured on the way.

    Args:
        theta: parameters after the inner steps.
        inner: state of theta's optimiser after them.
        buffers: buffers after the train passes (the validation pass changes none).
        inner_loss: mean learned loss on the last train batch, before its step.
        theta_grad_norm: Euclidean norm of its gradient.
        outer_loss: mean task loss on the validation batch, after the steps.
    """

    theta: Tensors
    inner: Tree
    buffers: Tensors
    inner_loss: torch.Tensor
    theta_grad_norm: torch.Tensor
    outer_loss: torch.Tensor


class Hypergradient(Protocol):
    """A way to compute the gradient of phi: `lfl.unroll`, `lfl.mixed`, `lfl.implicit()`, or a function of your own.

    Args:
        problem: model, losses and inner optimiser.
        theta: parameters before the first inner step.
        phi: parameters of the learned loss, of the inner rate, or of both.
        batches_tr: K train batches, one for each inner step.
        batch_val: the validation batch.
        inner_state, buffers: state of theta's optimiser and the model's buffers before the first step.

    Returns:
        The gradient, a tree like phi, and the `InnerRun` that it went through.

    A form that can take the gradient over the first examples of each train batch has a keyword argument more,
    `meta_batch_size`, an int or None.
    """

    def __call__(
        self,
        problem: Bilevel,
        theta: Tensors,
        phi: Tree,
        batches_tr: Sequence[Batch],
        batch_val: Batch,
        inner_state: Tree,
        buffers: Tensors,
        /,
    ) -> tuple[Tree, InnerRun]: ...


class BasePass(NamedTuple):
    """A pass over a train batch: gradient and value of the mean learned loss, the outputs, the buffers after it."""

    grads: Tensors
    loss: torch.Tensor
    outputs: Tree
    buffers: Tensors


def base_pass(problem: Bilevel, theta: Tensors, phi: Tree, buffers: Tensors, batch: Batch) -> BasePass:
    """The gradient g = grad_theta of the mean learned loss on a train batch."""
    grads, rest = gradient(partial(learned_loss, problem, phi, buffers, batch), theta)
    return BasePass(grads, *rest)


def learned_loss(
    problem: Bilevel, phi: Tree, buffers: Tensors, batch: Batch, theta: Tensors
) -> tuple[torch.Tensor, tuple[torch.Tensor, Tree, Tensors]]:
    """Mean learned loss on a train batch; beside it the loss once more, the outputs and the buffers after it."""
    outputs, new_buffers = forward(problem.apply_fn, theta, buffers, batch)
    loss = mean_loss(partial(problem.loss_fn, phi), outputs, batch[1])
    return loss, (loss, outputs, new_buffers)


def validation_loss(problem: Bilevel, theta: Tensors, buffers: Tensors, batch: Batch) -> torch.Tensor:
    """Mean task loss on a validation batch, in training mode."""
    outputs, _ = forward(problem.apply_fn, theta, buffers, batch)
    return mean_loss(problem.task_loss, outputs, batch[1])


def gradient(function: Callable[[Any], tuple[torch.Tensor, Any]], theta: Tree) -> tuple[Any, Any]:
    """`torch.func.grad(function, has_aux=True)(theta)`, in half the memory where it is the outermost derivative.

    `torch.func.grad` always keeps its graph, since another derivative may be taken of it; the activations and their
    gradients are then in memory together. Where no other derivative is taken, in reverse or forward mode, the graph is
    not needed. Where one is taken, torch must keep the graph: without it the backward passes of some operations (a
    linear solve, SiLU) take short cuts that have no derivative, or a wrong one.

    Args:
        function: `function(theta) -> (value, aux)`, the value a scalar tensor.
        theta: where the gradient is taken, any tree of tensors.

    Returns:
        The gradient, like theta, and aux.
    """
    if torch.compiler.is_compiling() or is_differentiated() or is_forward_mode():
        grads, aux = torch.func.grad(function, has_aux=True)(theta)
        return grads, aux
    pulled: Any = torch.func.vjp(function, theta, has_aux=True)
    value, pull, aux = pulled
    again = value.requires_grad  # the caller's own autograd, without torch.func
    (grads,) = pull(torch.ones_like(value), retain_graph=again, create_graph=again)
    return grads, aux


def is_differentiated() -> bool:
    """Whether the caller runs inside a reverse-mode transform, in an eager program."""
    return any(level.key() == TransformType.Grad for level in get_interpreter_stack() or [])


def is_forward_mode() -> bool:
    """Whether the caller runs inside forward mode, of `torch.func` or of `torch.autograd`."""
    return forward_ad._current_level >= 0


def mean_loss(loss: TaskLoss, outputs: Tree, targets: Any) -> torch.Tensor:
    """The mean of a loss over the examples, for outputs in any form that a model returns.

    Raises:
        UserError: the outputs are not a tensor, and the loss cannot take them.
    """
    if isinstance(outputs, torch.Tensor):
        return loss(outputs, targets).mean()
    outputs = show_constants(outputs)
    try:
        return loss(outputs, targets).mean()
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise UserError(
            f"the model returns a {type(outputs).__name__}, which the loss cannot take ({reason(error)}). "
            f"{_WRAP_IT}, or give a loss_fn and a task_loss of your own that take it."
        ) from error


def forward(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch) -> tuple[Tree, Tensors]:
    """The model's outputs on a batch in training mode, and its buffers after the pass.

    `masks` is given only where the batch has some, so that a function of three arguments will do without them. Outputs
    that are not a tensor are returned as a tree of tensors and `lfl.trees.Constant`s.

    Raises:
        UserError: the outputs hold something else, or no tensor of real numbers.
    """
    if len(batch) < 3:
        return _run(apply_fn, theta, buffers, batch[0])
    if not is_seed(batch[2]):
        return _run(apply_fn, theta, buffers, batch[0], masks=batch[2])
    masks = {"masks": batch[2]} if _takes_masks(apply_fn) else {}
    with seeded(batch[2], (*theta.values(), *buffers.values())):
        outputs, buffers = _within_a_transform(lambda: _run(apply_fn, theta, buffers, batch[0], **masks))
    return outputs, buffers


def _run(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, x: Any, **masks: Any) -> tuple[Tree, Tensors]:
    outputs, buffers = apply_fn(theta, buffers, x, **masks)
    if isinstance(outputs, torch.Tensor):
        return outputs, buffers
    hidden = hide_constants(outputs, partial(_not_an_output, type(outputs).__name__))
    if not any(leaf.is_floating_point() for leaf in leaves(hidden)):
        raise UserError(
            f"the model returns a {type(outputs).__name__} without a tensor of real numbers, so that no loss of it has "
            "a gradient; return logits or predictions."
        )
    return hidden, buffers


def _within_a_transform(function: Callable[[], Any]) -> Any:
    """`function()`, a tree of tensors, within a transform that does nothing, unless there is one already.

    From one seed torch draws dropout in another order inside its transforms than outside.
    """
    if get_interpreter_stack():
        return function()
    idle: Any = torch.func.vjp(lambda zero: (zero, function()), torch.zeros(()), has_aux=True)
    return idle[2]


def _takes_masks(apply_fn: ApplyFn) -> bool:
    if isinstance(apply_fn, PureModule):
        return True
    parameters = inspect.signature(apply_fn).parameters
    return "masks" in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


_WRAP_IT = (
    "Wrap the model in a module whose forward returns its logits alone, such as "
    "`def forward(self, x): return self.model(x).logits`"
)


def _not_an_output(outputs: str, leaf: Any) -> UserError:
    return UserError(
        f"the model returns a {outputs} with a {type(leaf).__name__} in it, which is no tensor. {_WRAP_IT}, or switch "
        "that output off."
    )
