"""What the methods share: from the parts that differ to a whole method."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from typing import Any

from ...types import Tensors, Tree
from ..method import FewShotMethod
from ..problem import FewShotProblem, Judged, carry_statistics

Parameters = Callable[[Any, Any, int], Tensors]
"""`parameters(theta, phi, k)`: all parameters of the model when theta has taken k steps."""


def whole(theta: Any, phi: Any, k: int) -> Tensors:
    """The parameters of a model that adapts as a whole: theta itself."""
    parameters: Tensors = theta
    return parameters


def composed(
    problem: FewShotProblem,
    phi: dict[str, Tree],
    *,
    parameters: Parameters = whole,
    loss: Callable[[Any, Any, Any, int], Any] | None = None,
    rate: Callable[[Any, int], Any] | None = None,
    proximal: float = 0.0,
    **others: Any,
) -> FewShotMethod:
    """Makes a method that starts at `phi["init"]`, and is judged by the task's own loss on the query set.

    Args:
        problem: model, targets and inner optimiser.
        phi: what is learned.
        parameters: of the model, from what adapts and what is learned.
        loss: `loss(theta, phi, task, k)`, the inner objective at step k; the task's own loss on the support set when
            omitted.
        rate, proximal: of the `Adaptation`.
        others: further fields of the method.
    """

    def inner(theta: Any, phi: Any, at: Any) -> Any:
        task, k = at
        if loss is not None:
            return loss(theta, phi, task, k)
        return problem.support_loss(parameters(theta, phi, k), task)

    def outer(theta: Any, phi: Any, at: Any) -> tuple[Any, Judged]:
        task, k = at
        return problem.query_loss(parameters(theta, phi, k), task)

    def predict(theta: Any, phi: Any, at: Any) -> Any:
        task, k = at
        return problem.predicted(parameters(theta, phi, k), phi, task)

    fields: dict[str, Any] = {
        "phi": problem.first_phi(phi),
        "start": lambda phi: phi["init"],
        "inner": problem.adaptation(inner, rate=rate, part=with_step, proximal=proximal),
        "outer": outer,
        "predict": predict,
        "outer_part": with_step,
        "after": carry_statistics,
        "transductive": problem.model.transductive,
    }
    return FewShotMethod(**(fields | others))


def with_step(task: Any, k: int) -> tuple[Any, int]:
    """What the objectives see: the task, and how many steps theta has taken."""
    return task, k


def at_step(k: int, num_steps: int) -> int:
    """The place, among those of `num_steps` steps in training, of what belongs to step k: later ones share the last."""
    return min(k, num_steps - 1)
