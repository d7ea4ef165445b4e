"""Vector scaling: cross-entropy with a learned weight, offset and temperature of each class (AutoBalance)."""

import torch

from ..errors import UserError
from ..types import Kind, TaskLoss, Tensors
from .handcrafted import cross_entropy
from .learned_loss import ExampleLoss


def vector_scaling(
    kind: Kind, *, num_outputs: int, base: str | TaskLoss | None = None, generator: torch.Generator
) -> tuple[Tensors, ExampleLoss]:
    """Builds the learned vector-scaling loss, for classes that are not equally common.

        M_phi(y, f) = w_y CE(Delta * f + iota, y)        f the logits; w, Delta and iota one number for each class

    w and Delta are positive: phi holds their logarithms. The loss starts exactly at cross-entropy: w = Delta = 1 and
    iota = 0.

    Args:
        kind: `"classification"`.
        num_outputs: the number of classes; 1, one logit, means 2 classes.
        base: ignored, since it starts at cross-entropy.
        generator: nothing is drawn; phi is on its device.

    Returns:
        `phi`: `log_weight`, `log_temperature` and `offset`, `[classes]`; `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: the kind is regression.

    Example:
        >>> phi, loss_fn = vector_scaling("classification", num_outputs=4, generator=torch.Generator())
        >>> loss_fn(phi, torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])

    Source: Li et al. (2021), eq. 2; Kini et al. (2021).
    """
    if kind != "classification":
        raise UserError(f"vector-scaling is for classes, but the targets are for {kind}; choose another loss.")
    del base
    classes = max(2, num_outputs)
    names = ("log_weight", "log_temperature", "offset")
    phi = {name: torch.zeros(classes, device=generator.device) for name in names}
    return phi, ExampleLoss(_scaled, kind, num_outputs=classes)


def _scaled(phi: Tensors, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    losses = cross_entropy(phi["log_temperature"].exp() * logits + phi["offset"], ids)
    return phi["log_weight"].exp().index_select(0, ids) * losses
