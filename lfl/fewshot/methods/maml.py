"""MAML: the start from which a few steps of gradient descent adapt best."""

from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed


def maml(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start.

        theta_0 = phi.init;   theta_k+1 = theta_k - a grad L_support(theta_k);   min_phi L_query(theta_K)

    Source: Finn, Abbeel and Levine (2017), Algorithms 1 and 2.
    """
    return composed(problem, {"init": problem.theta})
