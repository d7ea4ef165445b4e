"""What an evaluation found: the fitness goes with the verdict."""

import math

import pytest

import lfl
from lfl.evolution import Outcome
from lfl.symbolic import Tree

TREE = Tree(("square", "sub", "y", "f"))


def outcome(verdict: str, fitness: float) -> Outcome:
    return Outcome(TREE, (1.0, 0.5, 2.0), verdict, "", fitness, None, 0.0)  # type: ignore[arg-type]


def test_an_accepted_outcome_is_a_formula_with_finite_fitness() -> None:
    found = outcome("accepted", 0.25)
    assert found.formula.tree is TREE
    assert found.formula.weights == (1.0, 0.5, 2.0)


@pytest.mark.parametrize(
    ("verdict", "fitness"),
    [("accepted", math.inf), ("accepted", math.nan), ("rejected", 0.5), ("rejected", math.nan), ("not finite", 0.1)],
)
def test_fitness_goes_with_the_verdict(verdict: str, fitness: float) -> None:
    with pytest.raises(lfl.UserError, match=f"got {fitness}"):
        outcome(verdict, fitness)
