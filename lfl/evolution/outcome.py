"""What the evaluation of a candidate found: whether it can train a model, and how well."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import UserError
from ..run.searched import Verdict
from ..symbolic import Formula, Tree


@dataclass(frozen=True, slots=True)
class Outcome:
    """The evaluation of one tree.

    Args:
        tree: the candidate.
        weights: of its edges when the evaluation ended, size - 1 finite numbers; after local search where there was
            one. A step of local search that was not finite is left out of them.
        verdict: `"accepted"`; `"rejected"` by a gate or the rejection test; `"not finite"` where local search,
            training or the validation error was not finite.
        reason: in words; empty for an accepted one.
        fitness: validation error after partial training, lower is better; infinite unless accepted, never NaN.
        improvement: error before the rejection test minus error after it; None where it was not reached or not finite.
        seconds: of wall-clock time; of lanes that ran together each has an equal share.

    Raises:
        UserError: a fitness that does not go with the verdict.
    """

    tree: Tree
    weights: tuple[float, ...]
    verdict: Verdict
    reason: str
    fitness: float
    improvement: float | None
    seconds: float

    def __post_init__(self) -> None:
        if math.isnan(self.fitness) or math.isfinite(self.fitness) != (self.verdict == "accepted"):
            raise UserError(
                f"the fitness of an accepted candidate is finite and of any other infinite, got {self.fitness} for one "
                f"that is {self.verdict}."
            )

    @property
    def formula(self) -> Formula:
        """The tree with its weights."""
        return Formula(self.tree, self.weights)


Evaluate = Callable[[Sequence[Tree]], list[Outcome]]
"""Evaluates candidates: an outcome for each tree, in the same order. It depends on the tree alone, up to rounding: not
on the others, nor on what was evaluated before."""
