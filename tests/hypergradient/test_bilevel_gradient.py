"""The general gradient against finite differences, closed forms and plain autograd; tasks, weights, bad input."""


import pytest
from torch.utils._pytree import tree_leaves

from .adaptation_cases import (
    along,
    combinations,
    covering,
    difference,
    direction_like,
    gradient,
    pairs_of,
    problem,
)
from .cases import assert_close

COVERING = covering()


def test_the_fast_cases_cover_every_pair() -> None:
    assert set().union(*map(pairs_of, COVERING)) == set().union(*map(pairs_of, combinations()))
    assert len(COVERING) < 40


def check_all(part: str, optimiser: str, num_steps: int, norm: str, run: str) -> None:
    p = problem(part, optimiser, num_steps, norm)
    mixed, unroll = gradient(p, "mixed", run), gradient(p, "unroll", run)
    assert_close(mixed, unroll, 1e-9)
    assert max(leaf.abs().max() for leaf in tree_leaves(mixed)) > 1e-5
    direction = direction_like(p.phi)
    assert along(mixed, direction) == pytest.approx(difference(p, direction), rel=2e-6, abs=1e-9)


@pytest.mark.parametrize(("part", "optimiser", "num_steps", "norm", "run"), COVERING)
def test_both_exact_forms_are_the_finite_difference(
    part: str, optimiser: str, num_steps: int, norm: str, run: str
) -> None:
    check_all(part, optimiser, num_steps, norm, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "optimiser", "num_steps", "norm", "run"), [row for row in combinations() if row not in COVERING]
)
def test_and_in_every_combination(part: str, optimiser: str, num_steps: int, norm: str, run: str) -> None:
    check_all(part, optimiser, num_steps, norm, run)
