"""iMAML: MAML by implicit differentiation, whatever path adaptation took."""

from ...hypergradient import implicit_differentiation
from ..method import FewShotMethod
from ..problem import FewShotProblem
from .composed import composed


def imaml(problem: FewShotProblem, *, proximal: float = 2.0, damping: float = 22.0, cg_steps: int = 5) -> FewShotMethod:
    """Learns where all parameters start, with adapted ones that stay near it.

        theta* = argmin G,   G(theta) = L_support(theta) + lambda/2 |theta - phi.init|^2
        gradient = lambda (H + (lambda + damping) I)^-1 grad L_query(theta*)          H = d^2 L_support / d theta^2

    Without damping it is exact where the inner steps reach the minimum, so that they should be many (16 in the paper),
    at a rate well below 2 / (lambda + the largest curvature). Networks with ReLUs and batch norm have directions in
    which H + lambda I curves downwards. Conjugate gradient then goes astray, and `BilevelRun.residual` is above 1.

    Args:
        problem: model, targets and inner optimiser.
        proximal: lambda.
        damping: added to the curvature. The authors' code solves (2 I + H / (lambda + 10)) p = v, which up to a factor,
            that Adam does not feel, is a damping of lambda + 20.
        cg_steps: iterations of conjugate gradient for the inverse.

    Source: Rajeswaran, Finn, Kakade and Levine (2019), Algorithms 1 and 2.
    """
    form = implicit_differentiation("cg", num_terms=cg_steps, damping=damping)
    return composed(problem, {"init": problem.theta}, proximal=proximal, form=form)
