"""First-order MAML: MAML without second derivatives."""

from ..method import FewShotMethod
from ..problem import FewShotProblem
from .maml import maml


def fomaml(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start by the gradient at the adapted ones.

        theta_K as in MAML;   gradient = grad L_query(theta_K)

    Each gradient on the way is taken for a constant, so that d theta_K / d phi.init is the identity.

    Source: Finn, Abbeel and Levine (2017), section 5.2; Nichol, Achiam and Schulman (2018), section 3.
    """
    return maml(problem)._replace(form="first-order")
