"""The shapes of things that pass between the layers."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch

Tensors = dict[str, torch.Tensor]
"""A flat pytree of named tensors: theta, phi, buffers."""

Kind = Literal["classification", "regression"]
"""What targets are: class ids, or real values."""

Batch = tuple[Any, ...]
"""`(x, y)`; `(x, y, masks)`, the masks being dropout masks drawn by `lfl.draw_masks`; or `(x, y, seed)`, the seed an
int: what the model draws by itself is then drawn from it."""

TaskLoss = Callable[[Any, Any], torch.Tensor]
"""`task_loss(outputs, targets) -> [batch]`, the hand-made loss L_T. Outputs are what the model returns: lfl's own
losses take a tensor, a user's may take a pytree."""

LossFn = Callable[[Any, Any, Any], torch.Tensor]
"""`loss_fn(phi, outputs, targets) -> [batch]`, the learned loss M_phi; outputs as in `TaskLoss`."""


class ApplyFn(Protocol):
    """`apply_fn(theta, buffers, x) -> (outputs, buffers)`, a model as a pure function."""

    def __call__(
        self, theta: Tensors, buffers: Tensors, x: Any, *, training: bool = True, masks: Any = ()
    ) -> tuple[Any, Tensors]: ...
