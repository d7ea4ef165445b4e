"""Reptile: the start moves towards where training on a task leads."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch

from ...errors import UserError
from ...trees import leaves, map_tree
from ..method import FewShotMethod
from ..problem import FewShotProblem, Judged
from .maml import maml


def reptile(problem: FewShotProblem, *, with_query: bool = True, batches: int | None = None) -> FewShotMethod:
    """Learns where all parameters start by the way from there to the adapted ones.

        gradient = mean over tasks of  phi.init - theta_K

    Reptile has no query set in training: `with_query` trains on the support and query examples together, in `batches`
    that take turns. In evaluation theta adapts to the support set alone, all of it at each step.

    Args:
        problem: model, targets and inner optimiser, without weight decay.
        with_query: whether query examples and their targets are trained on, too.
        batches: parts that a task's examples are split into, one for each inner step in turn; part b holds the
            examples b, b + batches, ... As many as inner steps when omitted, or 1 for the support set alone.

    Raises:
        UserError: batches below 1, or weight decay.

    Source: Nichol, Achiam and Schulman (2018), Algorithm 1.
    """
    count = (max(1, problem.inner_steps) if with_query else 1) if batches is None else batches
    if count < 1:
        raise UserError(f"batches must be at least 1, got {batches}.")
    if problem.weight_decay:
        raise UserError(f"reptile takes no weight decay, got {problem.weight_decay}; leave it out.")
    method = maml(problem)

    def examples(task: Any, k: int) -> Any:
        x, y = (task.x, task.y)
        if with_query:
            x, y = torch.cat([x, task.query_x]), torch.cat([y, task.query_y])
        return task._replace(x=x[k % count :: count], y=y[k % count :: count]), k

    def outer(theta: Any, phi: Any, at: Any) -> tuple[torch.Tensor, Judged]:
        """The query loss, with a gradient by theta of theta_0 - theta; first order carries it to theta_0 as it is."""
        loss, judged = problem.query_loss(map_tree(torch.Tensor.detach, theta), at[0])
        way = map_tree(lambda p, first: (first.detach() - p.detach()) * p, theta, phi["init"])
        pull = torch.stack([part.sum() for part in leaves(way)]).sum()
        return loss + (pull - pull.detach()), judged

    return method._replace(
        inner=method.inner._replace(part=examples), test_inner=method.inner, outer=outer, form="first-order"
    )
