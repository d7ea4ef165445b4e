"""One step of AdaLFL: theta descends the learned loss, and phi the validation loss that this led to."""

from collections.abc import Callable
from typing import Any

from ..hypergradient import Hypergradient
from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .batches import as_batch, as_batches
from .carry import Carry, Info
from .lookahead import lookahead_step


def meta_step(
    theta: Tensors,
    phi: Any,
    batch_tr: Batch | list[Any],
    batch_val: Batch | list[Any],
    carry: Carry | None = None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    outer: Optimiser,
    inner_lr: Rate | Callable[[Any], Rate] | None = None,
    outer_lr: Rate | None = None,
    hypergradient: str | Hypergradient = "auto",
    meta_batch_size: int | None = None,
) -> tuple[Tensors, Any, Carry, Info]:
    """One online step of AdaLFL: a step of theta, then one of phi.

        theta' = theta - alpha grad_theta M_phi(y, f_theta(x))         train batch
        phi'   = phi   - eta   grad_phi   L_T(y, f_theta'(x))          validation batch, through theta'(phi)

    A pure function: it writes to none of its inputs, draws no random numbers, and can be vmapped and compiled.

    Args:
        theta: parameters of the model by name.
        phi: parameters of the learned loss, of the learning rate, or of both; a pytree.
        batch_tr: train batch, in one of three forms; or a list of K of them: theta takes K steps, and phi one along the
            gradient through them all. A list whose first entry is no tuple or list is one batch, a `DataLoader`'s.
            `(x, y)`: for a model without randomness.
            `(x, y, masks)`: for one with dropout, the masks from `lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x),
            generator)`.
            `(x, y, seed)`: for one that draws random numbers by itself, the seed an int: every pass over the batch
            draws from torch's generators set to the seed, and leaves them as they were. In eager steps alone.
        batch_val: validation batch in the same forms.
        carry: from the step before. When omitted, momentum, Adam's slots and running statistics start afresh:
            right for a single step or the first one, wrong in a loop. Under `vmap` give it, so that batch norm
            finds statistics of its own for each copy.
        apply_fn: the model, `apply_fn(theta, buffers, x) -> (outputs, buffers)`, as from `lfl.functional`.
        loss_fn: the learned loss, `loss_fn(phi, outputs, targets) -> [batch]`; the step takes its mean. Outputs and
            targets are what the model returns and the batch holds; lfl's own losses take tensors.
        task_loss: the task's own loss, `task_loss(outputs, targets) -> [batch]`; likewise.
        inner: optimiser of theta, such as `lfl.sgd(0.01)`, or a pair `(init, update)`; `docs/own-optimiser.md`.
        outer: optimiser of phi, such as `lfl.adam(1e-5)`; likewise.
        inner_lr, outer_lr: rates of this step in place of the optimisers' own; as tensors they change without
            recompiling. `inner_lr(phi)` takes the rate out of phi, so that it is learned.
        hypergradient: how the gradient of phi is computed.
            `"unroll"`: exactly, `torch.func.grad` composed with itself.
            `"mixed"`: exactly, forward over reverse mode, in the memory of a plain step.
            `"auto"`: the faster of these two: `unroll` for a single step, unless the model has convolutions and
            is not being compiled; else `mixed`.
            `"finite-difference"`: an approximation by one more forward pass.
            `"implicit"`: an approximation that takes theta for a minimum of the learned loss; `lfl.implicit` gives
            it with other settings.
        meta_batch_size: examples of each batch that the gradient of phi is taken over, the first ones; all of them
            when omitted. Fewer are cheaper, and an estimate. Theta's own steps always use whole batches.

    Returns:
        `theta`, `phi` and `carry` after the step, and `info`, an `lfl.Info` of losses and gradient norms.

    Raises:
        UserError: an unknown `hypergradient`, or one that takes whole batches with a `meta_batch_size`; the model
            has an operation that cannot be differentiated twice, lacks dropout masks, or draws random numbers
            itself; outputs and targets do not fit; a batch in another form; no optimiser; no trainable parameter.

    Warns:
        ZeroGradientWarning: at an eager step without a carry, where the gradient of phi is exactly 0.

    Example:
        >>> import torch, lfl
        >>> g = torch.Generator().manual_seed(0)
        >>> theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
        >>> phi, loss_fn = lfl.loss_network("classification", generator=g)
        >>> batch = torch.randn(8, 3, generator=g), torch.randint(2, (8,), generator=g)
        >>> theta, phi, carry, info = lfl.meta_step(
        ...     theta, phi, batch, batch, apply_fn=apply_fn, loss_fn=loss_fn,
        ...     task_loss=lfl.cross_entropy, inner=lfl.sgd(0.01), outer=lfl.adam(1e-5))
        >>> info.phi_grad_norm > 0
        tensor(True)

    Source: Raymond et al. (2025), Algorithm 2, eqs. 6 to 9.
    """
    return lookahead_step(
        theta,
        phi,
        as_batches("batch_tr", batch_tr),
        as_batch("batch_val", batch_val),
        carry,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=task_loss,
        inner=inner,
        outer=outer,
        inner_lr=inner_lr,
        outer_lr=outer_lr,
        hypergradient=hypergradient,
        meta_batch_size=meta_batch_size,
    )
