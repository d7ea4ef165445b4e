"""MAML: the start from which a few steps of gradient descent adapt best."""

from typing import Any

from ...types import Tensors
from ..method import FewShotMethod
from ..problem import FewShotProblem, Judged, carry_statistics


def maml(problem: FewShotProblem) -> FewShotMethod:
    """Learns where all parameters start.

        theta_0 = phi.init;   theta_k+1 = theta_k - a grad L(support; theta_k);   min_phi L(query; theta_K)

    Source: Finn, Abbeel and Levine (2017), Algorithms 1 and 2.
    """

    def inner(theta: Tensors, phi: Any, task: Any) -> Any:
        return problem.support_loss(theta, task)

    def outer(theta: Tensors, phi: Any, task: Any) -> tuple[Any, Judged]:
        return problem.query_loss(theta, task)

    return FewShotMethod(
        phi=problem.first_phi({"init": problem.theta}),
        start=lambda phi: phi["init"],
        inner=problem.adaptation(inner),
        outer=outer,
        predict=problem.predicted,
        after=carry_statistics,
        transductive=problem.model.transductive,
    )
