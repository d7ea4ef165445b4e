"""ANIL: almost no inner loop; the head alone adapts."""

from ...errors import UserError
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed


def anil(problem: FewShotProblem) -> FewShotMethod:
    """Learns a body that stays as it is within a task, and where the head starts, which adapts.

        theta_0 = phi.init, the head;   theta_k+1 = theta_k - a grad_theta L_support(phi.held, theta_k)

    Its gradient is taken through all steps: they differentiate by the head alone, so that unrolling passes the body
    backwards once, where the form of the others differentiates it twice for each step.

    Source: Raghu, Raghu, Bengio and Vinyals (2020), section 4.1.
    """
    return partly(problem, problem.head)._replace(form="unroll")


def partly(problem: FewShotProblem, adapting: tuple[str, ...]) -> FewShotMethod:
    """MAML in which only the named parameters adapt; the others, phi.held, are learned with their start.

    Raises:
        UserError: no parameter is left to adapt.
    """
    init = {name: p for name, p in problem.theta.items() if name in adapting}
    held = {name: p for name, p in problem.theta.items() if name not in adapting}
    if not init:
        raise UserError("nothing is left to adapt: the model is its head alone; choose maml, or a deeper model.")
    return composed(problem, {"init": init, "held": held}, parameters=lambda theta, phi, k: {**phi["held"], **theta})
