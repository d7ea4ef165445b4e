"""The inner level: what a step of theta needs, and what it leaves for the gradient of phi."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch._C._functorch import get_interpreter_stack

from ..errors import UserError, reason
from ..model import PureModule, is_seed
from ..optimiser import Optimiser
from ..optimiser.optimiser import Linear, Rate, apply_update
from ..randomness import seeded
from ..trees import hide_constants, leaves, show_constants
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .gradient import gradient


class Bilevel(NamedTuple):
    """The functions of a two-level problem; `lfl.meta_step` describes them.

    Args:
        apply_fn: the model.
        loss_fn: the learned loss, descended by theta.
        task_loss: the task's own, descended by phi.
        inner: optimiser of theta.
        inner_lr: its rate: a number, a tensor, `inner_lr(phi)` where phi holds it, or None for its own.
        hidden: whether numbers and None in the slots are `Constant`s.
    """

    apply_fn: ApplyFn
    loss_fn: LossFn
    task_loss: TaskLoss
    inner: Optimiser
    inner_lr: Rate | Callable[[Any], Rate] | None = None
    hidden: bool = False

    def update(self, grads: Tensors, state: Any, theta: Tensors, phi: Any) -> tuple[Tensors, Any]:
        """Theta and the slots after an update, at the rate that holds for phi."""
        rate = self.inner_lr(phi) if callable(self.inner_lr) else self.inner_lr
        if not self.hidden:
            return apply_update(self.inner, grads, state, theta, rate)
        theta, state = apply_update(self.inner, grads, show_constants(state), theta, rate)
        return theta, hide_constants(state, not_a_slot)

    @property
    def updates_linearly(self) -> bool:
        """Whether the derivative of an update is the same at all gradients; where phi moves the rate it is not."""
        return isinstance(self.inner, Linear) and not callable(self.inner_lr)


class Lookahead(NamedTuple):
    """What the inner steps led to, for a fixed phi.

    Args:
        theta: parameters after the inner steps.
        inner: the inner optimiser's slots after them.
        buffers: buffers after the base passes (the validation pass leaves none behind).
        inner_loss: mean learned loss on the last train batch, before its step.
        theta_grad_norm: Euclidean norm of its gradient.
        outer_loss: mean task loss on the validation batch, after the steps.
    """

    theta: Tensors
    inner: Any
    buffers: Tensors
    inner_loss: torch.Tensor
    theta_grad_norm: torch.Tensor
    outer_loss: torch.Tensor


class BasePass(NamedTuple):
    """A pass over a train batch: gradient and value of the mean learned loss, the outputs, the buffers after it."""

    grads: Tensors
    loss: torch.Tensor
    outputs: Any
    buffers: Tensors


def base_pass(problem: Bilevel, theta: Tensors, phi: Any, buffers: Tensors, batch: Batch) -> BasePass:
    """grad_theta of the mean learned loss on a train batch."""

    def learned_loss(theta: Tensors) -> tuple[torch.Tensor, Any]:
        outputs, new_buffers = forward(problem.apply_fn, theta, buffers, batch)
        loss = mean_loss(partial(problem.loss_fn, phi), outputs, batch[1])
        return loss, (loss, outputs, new_buffers)

    grads, rest = gradient(learned_loss, theta)
    return BasePass(grads, *rest)


def validation_loss(problem: Bilevel, theta: Tensors, buffers: Tensors, batch: Batch) -> torch.Tensor:
    """Mean task loss on a validation batch, in training mode."""
    outputs, _ = forward(problem.apply_fn, theta, buffers, batch)
    return mean_loss(problem.task_loss, outputs, batch[1])


def mean_loss(loss: Callable[[Any, Any], torch.Tensor], outputs: Any, targets: Any) -> torch.Tensor:
    """The mean of a loss of outputs as the model returned them.

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


def forward(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch) -> tuple[Any, Tensors]:
    """Training-mode pass over a batch; a plain three-argument function serves where there are no masks.

    Outputs that are no tensor come as a tree of tensors and `Constant`s.
    """
    if len(batch) < 3:
        return _run(apply_fn, theta, buffers, batch[0])
    if not is_seed(batch[2]):
        return _run(apply_fn, theta, buffers, batch[0], masks=batch[2])
    masks = {"masks": batch[2]} if _takes_masks(apply_fn) else {}
    with seeded(batch[2], (*theta.values(), *buffers.values())):
        outputs, buffers = _within_a_transform(lambda: _run(apply_fn, theta, buffers, batch[0], **masks))
    return outputs, buffers


def _run(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, x: Any, **masks: Any) -> tuple[Any, Tensors]:
    outputs, buffers = apply_fn(theta, buffers, x, **masks)
    if isinstance(outputs, torch.Tensor):
        return outputs, buffers
    hidden = hide_constants(outputs, partial(_not_an_output, type(outputs).__name__))
    if not any(leaf.is_floating_point() for leaf in leaves(hidden)):
        raise UserError(f"the model returns a {type(outputs).__name__} without a tensor of real numbers.")
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


def not_a_slot(leaf: Any) -> UserError:
    """The error about an optimiser's state that holds something else than tensors, numbers and None."""
    return UserError(
        f"an optimiser's state must be a tree of tensors, numbers and None, got a {type(leaf).__name__} in it; see "
        "docs/own-optimiser.md."
    )
