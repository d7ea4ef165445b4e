"""What a step on a learned loss amounts to, as a step on the task's own loss."""

import torch

from ..data.splits import Split
from ..trees import leaves
from ..types import ApplyFn, TaskLoss, Tensors


def effective_rate(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, *, loss: TaskLoss, task_loss: TaskLoss
) -> torch.Tensor:
    """How far a gradient step on `loss` moves theta along the gradient of `task_loss`.

        <grad loss, grad task_loss> / <grad task_loss, grad task_loss>

    Times the learning rate this is the rate of gradient descent on the task loss that goes as far in its direction;
    what the optimiser does with the gradient is left out.

    Args:
        apply_fn, theta, buffers: the model, in evaluation mode.
        split: examples that the gradients are means over.
        loss, task_loss: `loss(outputs, targets) -> [batch]`.

    Returns:
        A scalar tensor; below zero where the two point apart.
    """

    def gradient(of: TaskLoss) -> torch.Tensor:
        def mean(theta: Tensors) -> torch.Tensor:
            return of(apply_fn(theta, buffers, split.x, training=False)[0], split.y).mean()

        return torch.cat([leaf.flatten() for leaf in leaves(torch.func.grad(mean)(theta))])

    own = gradient(task_loss)
    return gradient(loss) @ own / (own @ own)
