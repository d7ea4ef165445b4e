"""Trees share a key only if they have the same values and slopes; numbers decide."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.symbolic import (
    Formula,
    Tree,
    arity,
    canonical,
    evaluate,
    half_and_half,
    plain_key,
    read_formula,
    unit,
    weighted_key,
)

from .trees import trees

KINKS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)] * 2).T
Y, F = torch.cat([KINKS, torch.randn(2, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))], 1)


def tree(text: str) -> Tree:
    return read_formula(text).tree


def values_and_slopes(formula: Formula) -> list[torch.Tensor]:
    """The loss and dl/df at zeros, ties and random points, and again near zero, where log and sqrt are clamped."""
    found = []
    for scale in (1.0, 1e-4):

        def total(f: torch.Tensor, scale: float = scale) -> torch.Tensor:
            return evaluate(formula.tree, formula.weights, scale * Y, f).sum()

        found += [evaluate(formula.tree, formula.weights, scale * Y, scale * F), torch.func.grad(total)(scale * F)]
    return found


def assert_equal(first: Formula, second: Formula) -> None:
    for one, two in zip(values_and_slopes(first), values_and_slopes(second), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-9, equal_nan=True)


def shuffled(nodes: Tree, rng: random.Random) -> Tree:
    """The same meaning for all weights: operands exchanged, abs put below log, sqrt and square."""

    def rewrite(part: Tree) -> tuple[str, ...]:
        name = part.nodes[0]
        starts = [1, part.end(1)][: arity(name)] if arity(name) else []
        arguments = [rewrite(part.subtree(i)) for i in starts]
        if name in ("add", "mul", "min", "max") and rng.random() < 0.5:
            arguments.reverse()
        if name in ("log", "sqrt", "square", "abs") and rng.random() < 0.5:
            arguments = [("abs", *arguments[0])]
        return (name, *(node for argument in arguments for node in argument))

    return Tree(rewrite(nodes))


@settings(deadline=None)
@given(trees, st.integers())
def test_the_canonical_formula_has_the_same_value_for_all_weights(nodes: Tree, seed: int) -> None:
    rng = random.Random(seed)
    weights = tuple(rng.choice([-1, 1]) * rng.uniform(0.7, 1.4) for _ in range(nodes.size - 1))
    formula = Formula(nodes, weights)
    simpler = canonical(formula)
    assert_equal(formula, simpler)
    assert simpler.tree.size <= nodes.size
    assert canonical(simpler) == simpler
    assert canonical(unit(nodes)) == unit(simpler.tree)


@settings(deadline=None)
@given(trees, st.integers())
def test_formulas_of_one_key_are_one_family(nodes: Tree, seed: int) -> None:
    """Weights of either become weights of the canonical tree, and each weight of that tree is reached."""
    rng = random.Random(seed)
    other = shuffled(nodes, rng)
    assert weighted_key(other) == weighted_key(nodes)
    for each in (nodes, other):
        reached = canonical(Formula(each, tuple(rng.uniform(0.5, 2) for _ in range(each.size - 1))))
        assert str(reached.tree) == weighted_key(nodes)
        assert len({*reached.weights}) == reached.tree.size - 1  # no weight is lost, none is shared
    assert_equal(unit(nodes), unit(other))


@settings(deadline=None)
@given(trees, st.integers())
def test_the_plain_key_is_blind_to_what_means_the_same(nodes: Tree, seed: int) -> None:
    other = shuffled(nodes, random.Random(seed))
    assert plain_key(other) == plain_key(nodes)


@pytest.mark.slow
@pytest.mark.parametrize("key", [weighted_key, plain_key])
def test_trees_of_one_key_have_the_same_values_and_slopes(key: Callable[[Tree], str]) -> None:
    """Among 6,000 small random trees; those of one key are compared with each other."""
    families: dict[str, set[Tree]] = {}
    for seed in range(6000):
        found = half_and_half(random.Random(seed), 1, 3)
        families.setdefault(key(found), set()).add(found)
    shared = [sorted(family, key=str) for family in families.values() if len(family) > 1]
    assert sum(len(family) for family in shared) > 300
    for family in shared:
        for first, second in pairwise(family):
            assert_equal(unit(first), unit(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("y*f", "f*y"),
        ("min(log(y), f)", "min(f, log(y))"),
        ("log(abs(y*f))", "log(f*y)"),
        ("sqrt(abs(abs(f)))", "sqrt(f)"),
        ("square(abs(f - y))", "square(y - f)"),
        ("abs(y - f)", "abs(f - y)"),
        ("log(y*abs(f))", "log(y*f)"),
        ("div(y, abs(f))", "div(y, f)"),
        ("sign(sign(f))", "sign(f)"),
        ("abs(tanh(abs(f)))", "abs(tanh(f))"),
    ],
)
def test_equal_families(first: str, second: str) -> None:
    assert weighted_key(tree(first)) == weighted_key(tree(second))
    assert plain_key(tree(first)) == plain_key(tree(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("abs(square(f))", "square(f)"),
        ("abs(sqrt(f))", "sqrt(f)"),
        ("min(f, f)", "f"),
        ("tanh(max(y*f, f*y))", "tanh(f*y)"),
        ("f + (1 + 1)", "f + (1 - (-1))"),
        ("(1)*f", "f"),
        ("log((-1)*f)", "log(f)"),
    ],
)
def test_equal_without_weights_only(first: str, second: str) -> None:
    assert plain_key(tree(first)) == plain_key(tree(second))
    assert weighted_key(tree(first)) != weighted_key(tree(second))
    assert_equal(unit(tree(first)), unit(tree(second)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("log(square(f))", "log(f) + log(f)"),
        ("sqrt(square(f))", "f"),
        ("sqrt(square(f))", "abs(f)"),
        ("div(f, f)", "(1)*(1)"),
        ("div(f, y)", "div(y, f)"),
        ("y - f", "y + f"),
        ("y - f", "f - y"),
        ("tanh(y - f)", "tanh(f - y)"),
        ("log(tanh(y) - abs(f))", "log(tanh(y) - f)"),
        ("abs(f)", "f"),
        ("square(square(f))", "square(f)"),
        ("tanh(tanh(f))", "tanh(f)"),
        ("log(log(f))", "log(f)"),
    ],
)
def test_different_meanings_have_different_keys(first: str, second: str) -> None:
    assert weighted_key(tree(first)) != weighted_key(tree(second))
    assert plain_key(tree(first)) != plain_key(tree(second))
    pairs = zip(values_and_slopes(unit(tree(first))), values_and_slopes(unit(tree(second))), strict=True)
    assert not all(torch.allclose(one, two, rtol=1e-9, atol=0, equal_nan=True) for one, two in pairs)


@pytest.mark.parametrize(
    ("first", "second"),
    [("sign(f)*square(f)", "f*abs(f)"), ("y - y + log(f)", "log(f)"), ("y - f", "y + (-1)*f")],
)
def test_equal_values_of_different_families_have_different_keys(first: str, second: str) -> None:
    assert weighted_key(tree(first)) != weighted_key(tree(second))
    torch.testing.assert_close(*(evaluate(tree(text), None, Y, F) for text in (first, second)))
