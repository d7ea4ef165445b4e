"""AdaLFL in few-shot form: a learned loss in place of the task's own while adapting."""

from typing import Any

import torch

from ...loss import TASK_LOSSES, draw_loss
from ...randomness import generator
from ...trees import map_tree
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed


def adalfl(
    problem: FewShotProblem, *, loss: str = "residual-network", base: str | None = None, learn_init: bool = True
) -> FewShotMethod:
    """Learns the loss that theta adapts by, and where theta starts.

        theta_k+1 = theta_k - a grad mean_i M_phi.loss(y_i, f_i(theta_k));   min_phi L_query(theta_K)

    Args:
        problem: model, targets and inner optimiser.
        loss: a learned loss of lfl by name. The default starts at the task's own and learns a correction of each
            output, so that the method starts as MAML; `"network"` starts nearly flat.
        base: what a loss that has a base starts from; the task's own when omitted.
        learn_init: False learns the loss alone, for a start that stays as it was drawn.

    Source: Raymond, Chen, Xue and Zhang (2025), eq. 3, with the loss learned across tasks as in Bechtle et al. (2021).
    """
    drawn, loss_fn = draw_loss(
        loss,
        problem.kind,
        num_outputs=problem.num_outputs,
        base=TASK_LOSSES[problem.kind] if base is None else base,
        generator=generator(problem.seed, "few-shot loss"),
    )
    first = next(iter(problem.theta.values()))
    phi: dict[str, Any] = {"loss": map_tree(lambda p: p.to(first), drawn)}

    def inner(theta: Any, phi: Any, task: Any, k: int) -> torch.Tensor:
        losses: torch.Tensor = loss_fn(phi["loss"], problem.model.support(theta, task.x), task.y)
        return losses.mean()

    if learn_init:
        return composed(problem, phi | {"init": problem.theta}, loss=inner)
    return composed(problem, phi, loss=inner, start=lambda phi: problem.theta)
