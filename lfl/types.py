"""Types of what passes between the layers: trees of tensors, batches, models and losses."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch

Tree = Any
"""A pytree of tensors: a tensor, or dicts, lists, tuples and NamedTuples of trees. Python's type checkers have no
narrower type for it."""

Tensors = dict[str, torch.Tensor]
"""A flat tree of named tensors: theta, buffers, and most phi."""

Rate = float | torch.Tensor
"""A learning rate: a number, or a scalar tensor, which may be differentiated and changes without recompiling."""

Rates = Any
"""A rate, or a tree of rates that is a prefix of theta's: the rate of each parameter, or of all that are below it."""

RateOfPhi = Callable[[Any], Rate]
"""`rate(phi)`, a learning rate that phi holds."""

Kind = Literal["classification", "regression", "multilabel"]
"""What targets are: class ids, real values, or several labels that are each 0 or 1."""
Shape = Any
"""Shape of one input: a tuple of sizes; or, for a model with several inputs, dicts and tuples of these."""

Batch = tuple[Any, ...]
"""`(x, y)`; `(x, y, masks)` with dropout masks from `lfl.draw_masks`; or `(x, y, seed)`, where the model draws its own
random numbers from the seed, an int."""


Average = Callable[[Any], Any]
"""`average(tree) -> tree`, the mean over processes that train together of each real-valued tensor of a tree."""

WithAux = Callable[[Any], tuple[torch.Tensor, Any]]
"""`function(theta) -> (value, aux)`, the value a scalar tensor."""

AveragedGradient = Callable[[WithAux, Any, Callable[[Any], Any]], tuple[Any, Any, Any]]
"""`averaged_gradient(function, theta, beside) -> (gradient, aux, averaged beside(aux))`: the mean gradient over
processes, which is under way while it is computed."""

Group = Any
"""The processes of a step: an `lfl.Ranks`, or a `torch.distributed.ProcessGroup`."""


class ApplyFn(Protocol):
    """A model as a pure function: `apply_fn(theta, buffers, x) -> (outputs, buffers)`.

    `lfl.functional` makes one of a module. Of a function of your own, lfl gives `masks` only where a batch has some;
    `training=False` only where a model is evaluated.
    """

    def __call__(
        self, theta: Tensors, buffers: Tensors, x: Any, *, training: bool = True, masks: Any = ()
    ) -> tuple[Any, Tensors]: ...


class TaskLoss(Protocol):
    """A loss made by hand, L_T: `task_loss(outputs, targets) -> [batch]`.

    Outputs are what the model returns: lfl's own losses take a tensor, a loss of your own may take a tree.
    """

    def __call__(self, outputs: Any, targets: Any, /) -> torch.Tensor: ...


class LossFn(Protocol):
    """A learned loss, M_phi: `loss_fn(phi, outputs, targets) -> [batch]`; outputs as in `TaskLoss`."""

    def __call__(self, phi: Any, outputs: Any, targets: Any, /) -> torch.Tensor: ...
