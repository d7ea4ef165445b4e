"""Formulas have the value of a recursive reading, and derivatives that agree with finite differences."""

import math

import torch
from hypothesis import given, settings

from lfl.symbolic import Formula, Tree, evaluate, unit

from .trees import Nested, nested, trees

Y, F = torch.meshgrid(
    torch.tensor([0.0, 1.0, -0.8], dtype=torch.float64), torch.linspace(0.05, 0.95, 7, dtype=torch.float64),
    indexing="ij",
)  # fmt: skip


def by_hand(node: Nested, y: float, f: float) -> float:
    """Plain Python, without weights."""
    name, *rest = node
    a, b = [*(by_hand(argument, y, f) for argument in rest), 0.0, 0.0][:2]
    unary = {
        "sign": (a > 0) - (a < 0),
        "square": a * a,
        "abs": abs(a),
        "log": math.log(max(abs(a), 1e-7)),
        "sqrt": math.sqrt(max(abs(a), 1e-7)),
        "tanh": math.tanh(a),
    }
    binary = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / math.sqrt(1 + b * b), "min": min(a, b)}
    return {"y": y, "f": f, "1": 1.0, "-1": -1.0, "max": max(a, b), **unary, **binary}[name]


@settings(deadline=None)
@given(trees)
def test_values_are_those_of_plain_python(tree: Tree) -> None:
    wanted = [
        [by_hand(nested(tree), y, f) for y, f in zip(*row, strict=True)]
        for row in zip(Y.tolist(), F.tolist(), strict=True)
    ]
    found = evaluate(tree, None, Y, F)
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    assert torch.equal(evaluate(tree, unit(tree).weights, Y, F), found)


def test_a_weight_multiplies_its_node_before_its_parent() -> None:
    formula = Formula(Tree(("sub", "log", "f", "mul", "-1", "y")), (2.0, 3.0, 5.0, 7.0, 11.0))
    torch.testing.assert_close(evaluate(formula.tree, formula.weights, Y, F), 2 * (3 * F).log() - 5 * (-7 * 11 * Y))


def test_gradients_of_a_whole_tree_agree_with_finite_differences() -> None:
    tree = Tree(("div", "tanh", "add", "sqrt", "f", "y", "max", "log", "mul", "f", "-1", "square", "sub", "y", "1"))
    weights = torch.linspace(0.8, 1.3, tree.size - 1, dtype=torch.float64, requires_grad=True)
    f = F.clone().requires_grad_()

    def value(weights: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        return evaluate(tree, weights, Y, f)

    assert torch.autograd.gradcheck(value, (weights, f))
    assert torch.autograd.gradgradcheck(value, (weights, f))


def test_it_is_vmapped_over_weights() -> None:
    tree = Tree(("abs", "log", "mul", "y", "f"))
    weights = torch.rand(3, 4, dtype=torch.float64) + 0.5
    together = torch.vmap(lambda w: evaluate(tree, w, Y, F))(weights)
    torch.testing.assert_close(together, torch.stack([evaluate(tree, w, Y, F) for w in weights]))
