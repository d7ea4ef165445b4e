"""Meta-SGD: MAML with a learned rate for each element of each parameter."""

import torch

from ...trees import map_tree
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed


def meta_sgd(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start, and the size and sign of each one's steps.

        theta_k+1 = theta_k - phi.rates * grad L_support(theta_k)          elementwise

    All rates begin at the problem's inner rate. They may become negative.

    Source: Li, Zhou, Chen and Li (2017), Algorithm 1.
    """
    rates = map_tree(lambda p: torch.full_like(p, problem.inner_lr), problem.theta)
    return composed(problem, {"init": problem.theta, "rates": rates}, rate=lambda phi, k: phi["rates"])
