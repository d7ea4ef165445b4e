"""The rules that make a pointwise loss of many classes start as it does with ten."""

import math
from typing import NamedTuple

import torch

MANY = 10
"""Above this number of classes the rules for many classes apply."""


class Many(NamedTuple):
    """The rules that make many classes like ten: power of f, weight of a wrong class, divisor of a mean."""

    power: float | torch.Tensor
    weight: float | torch.Tensor
    divisor: float | torch.Tensor


def rules_for(outputs: torch.Tensor) -> Many | None:
    """The rules for outputs `[..., classes]`; None if there are too few classes for any."""
    classes = outputs.shape[-1]
    if torch.compiler.is_exporting():  # the program is for any number of classes
        count = torch.full((), classes, dtype=outputs.dtype, device=outputs.device)
        return Many(
            (math.log(MANY) / count.log()).clamp(max=1.0),
            ((MANY - 1) / (count - 1)).clamp(max=1.0),
            count.clamp(max=MANY),
        )
    if classes <= MANY:
        return None
    return Many(math.log(MANY) / math.log(classes), (MANY - 1) / (classes - 1), MANY)
