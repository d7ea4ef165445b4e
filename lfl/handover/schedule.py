"""phi as a function of the step, between the steps at which it was kept."""

from typing import NamedTuple

import torch

from ..loss import AnyLearnedLoss
from ..trees import map_tree
from ..types import Tensors


class Schedule(NamedTuple):
    """A learned loss at some steps of training.

    Args:
        loss_fn: what phi are parameters of.
        steps: steps that were done, from 0 on.
        phis: phi after each of them.
    """

    loss_fn: AnyLearnedLoss
    steps: list[int]
    phis: list[Tensors]


def phi_at(stacked: Tensors, steps: torch.Tensor, taken: torch.Tensor, num_steps: int) -> Tensors:
    """phi after a step, linear between those that were kept.

    Args:
        stacked: tensors `[n, ...]`, phi at `steps`.
        steps: `[n]`, integers that grow from 0, n at least 2.
        taken: steps that are done, a scalar integer tensor.
        num_steps: steps that the whole is stretched to; after them phi stays.
    """
    where = taken.clamp(max=num_steps) * steps[-1]  # in steps / num_steps, so that whole numbers do
    after = torch.searchsorted(steps * num_steps, where, right=True).clamp(max=len(steps) - 1)
    pair = torch.stack((after - 1, after))
    low, high = steps.index_select(0, pair).unbind()
    share = (where - low * num_steps) / ((high - low) * num_steps)

    def between(kept: torch.Tensor) -> torch.Tensor:
        first, last = kept.index_select(0, pair).unbind()
        return torch.lerp(first, last, share.to(kept.dtype))

    phi: Tensors = map_tree(between, stacked)
    return phi
