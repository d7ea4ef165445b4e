"""BOIL: body only update in the inner loop; all but the head adapts."""

from ..method import FewShotMethod
from ..problem import FewShotProblem
from .anil import partly


def boil(problem: FewShotProblem) -> FewShotMethod:
    """Learns a head that stays as it is within a task, and where the body starts, which adapts.

        theta_0 = phi.init, the body;   theta_k+1 = theta_k - a grad_theta L_support(theta_k, phi.held)

    Source: Oh, Yoo, Kim and Yun (2021), section 3.
    """
    return partly(problem, tuple(name for name in problem.theta if name not in problem.head))
