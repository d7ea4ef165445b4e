"""When compiling pays, and when seeds are faster as one program."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..types import Tensors
from .compilation import compiler_is_there

MANY_STEPS = 5_000
"""From so many steps on, a compilation of half a minute pays for any model."""

MUCH_WORK = {"cpu": 1e13, "cuda": 1e15}
"""So do fewer steps whose forward passes come to so many floating-point operations together."""

SMALL_MODEL = 100_000
"""Parameters up to which seeds train together on the CPU."""


def worth_compiling(num_steps: int, forward_flops: int, device: torch.device) -> bool:
    """What `--compile auto` decides: by numbers that are the same each time, so that a run repeats bit for bit.

    Args:
        num_steps: steps to come.
        forward_flops: of one forward pass over a batch.
        device: where they run.
    """
    much = num_steps >= MANY_STEPS or num_steps * forward_flops >= MUCH_WORK.get(device.type, math.inf)
    return much and compiler_is_there(device)


def vmap_pays(theta: Tensors, device: torch.device) -> bool:
    """Whether many seeds are faster as one program than one after the other.

    Stacked models are faster where a step is bound by the number of operations rather than by their size: small
    ones on the CPU. Stacked convolutions become grouped ones, which the CPU computes slowly.
    """
    if device.type != "cpu":
        return True
    small = sum(p.numel() for p in theta.values()) <= SMALL_MODEL
    return small and all(p.dim() <= 2 for p in theta.values())


def forward_flops(forward: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products and convolutions of a call."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())
