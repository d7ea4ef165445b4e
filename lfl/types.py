"""The shapes of things that pass between the layers."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch

Tensors = dict[str, torch.Tensor]
"""A flat pytree of named tensors: theta, phi, buffers."""

Kind = Literal["classification", "regression"]
"""What targets are: class ids, or real values."""

Batch = tuple[Any, ...]
"""`(x, y)` or `(x, y, masks)`, the masks being dropout masks drawn by `lfl.draw_masks`."""

TaskLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""`task_loss(outputs, targets) -> [batch]`, the hand-made loss L_T."""

LossFn = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""`loss_fn(phi, outputs, targets) -> [batch]`, the learned loss M_phi."""


class ApplyFn(Protocol):
    """`apply_fn(theta, buffers, x) -> (outputs, buffers)`, a model as a pure function."""

    def __call__(
        self, theta: Tensors, buffers: Tensors, x: Any, *, training: bool = True, masks: Any = ()
    ) -> tuple[torch.Tensor, Tensors]: ...
