"""Losses that are formulas of the target and the output, with a weight on each edge that can be learned."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ..errors import UserError, one_of
from ..symbolic import Formula, Tree, evaluate, read_formula, unit
from ..types import Kind, TaskLoss, Tensors
from .learned_loss import LearnedLoss, Reduction

WEIGHTS = "weights"
"""The entry of phi that is a formula's weights."""

MOST_NODES = 1000
"""Most nodes of a formula: more than any search grows, and little enough for every program that is made of it."""

MOST_LETTERS = 20_000
"""Most letters of a formula's text, which may come in somebody else's file."""

_OPERATORS = re.compile(r"[()*+/,]")
_OPERAND = re.compile(r"y|f|(\d+\.?\d*|\.\d+)(e\d+)?", re.IGNORECASE)


@dataclass(frozen=True, repr=False)
class Expression:
    """l(y, f) of a formula, as the `pointwise` of a `LearnedLoss`.

    Args:
        tree: the formula without its weights.
        weights: they, where they are not learned; None where phi holds them.
    """

    tree: Tree
    weights: tuple[float, ...] | None = None

    def __call__(self, phi: Any, target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Computes l(y, f) elementwise; target and output have one shape."""
        weights = phi[WEIGHTS].unbind() if self.weights is None else self.weights
        return evaluate(self.tree, weights, target, output)

    def __repr__(self) -> str:  # vmap asks for it, and the compiler cannot trace a dataclass's own
        return f"Expression({'.'.join(self.tree.nodes)})"


def symbolic_loss(
    formula: str | Formula | Tree,
    kind: Kind,
    *,
    reduction: Reduction = "sum",
    many_classes: bool = False,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensors, LearnedLoss]:
    """Makes a learned loss of a formula: its weights are what is learned.

        M_phi(y, f) = sum_i l_phi(y_i, f_i)

    For classes f_i is the softmax probability of class i and y_i is 1 for the true class, else 0; one logit z has the
    two classes 0 and 1, with f = (1 - p, p) and p = sigmoid(z). Of several labels f_i is sigmoid(logit). For real
    values both are raw. `docs/formulas.md` has the functions.

    Args:
        formula: text such as `"abs(log(1.1*y*f))"`, in which a number times an expression is a weight; a `Formula`; or
            a `Tree`, whose weights are then 1.
        kind: `"classification"`, `"regression"` or `"multilabel"`.
        reduction: `"sum"`, as published, or `"mean"` over the outputs.
        many_classes: whether more than ten classes are treated like ten, as in `lfl.LearnedLoss`: f is then a power of
            the probability, no longer itself.
        noise: standard deviation of normal noise on the first weights. EvoMAL's local search has 0.001.
        generator: source of the noise; phi is on its device. None for no noise, and phi on the CPU.
        dtype: of phi.

    Returns:
        `phi`, `{"weights": [size - 1]}`: number i is the weight of node i + 1 of the tree, whose root has none;
        `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: text that is no formula; a formula without f, or so small that it has no weight, or too large; an
            unknown kind or reduction; noise without a generator.

    Example:
        >>> phi, loss_fn = symbolic_loss("abs(log(1.1*y*f))", "classification")
        >>> phi["weights"]
        tensor([1.0000, 1.0000, 1.1000, 1.0000])

    Source: Raymond et al. (2023), EvoMAL: from a tree to a network.
    """
    one_of("kind", kind, ["classification", "regression", "multilabel"])
    one_of("reduction", reduction, ["mean", "sum"])
    known = as_formula(formula)
    if not 0.0 <= noise < float("inf"):
        raise UserError(f"noise is a standard deviation, a finite number of at least 0, got {noise!r}.")
    device = None if generator is None else generator.device
    weights = torch.tensor(known.weights, dtype=dtype, device=device)
    if noise:
        if generator is None:
            raise UserError(f"noise of {noise} on the weights is drawn from a generator; give generator=, or noise=0.")
        weights = weights + noise * torch.randn(len(weights), generator=generator, dtype=dtype, device=device)
    expression = Expression(known.tree)
    return {WEIGHTS: weights}, LearnedLoss(
        expression, kind, reduction, many_classes=many_classes, elementwise_only=True
    )


def symbolic_task_loss(formula: str | Formula | Tree, kind: Kind) -> TaskLoss:
    """Makes a hand-made loss of a formula, `(outputs, targets) -> [batch]`: the sum over the outputs, weights fixed.

    Args:
        formula, kind: as in `symbolic_loss`.

    Raises:
        UserError: as `symbolic_loss`.

    Example:
        >>> loss = symbolic_task_loss("square(y - f)", "regression")
        >>> loss(torch.tensor([3.0]), torch.tensor([1.0]))
        tensor([4.])
    """
    one_of("kind", kind, ["classification", "regression", "multilabel"])
    known = as_formula(formula)
    return partial(LearnedLoss(Expression(known.tree, known.weights), kind, "sum", elementwise_only=True), {})


def is_formula(name: object) -> bool:
    """Whether the name of a loss is a formula: it has a parenthesis or an operator, or is y, f and numbers alone.

    Names of losses have hyphens; `f-y` is a formula all the same. What has a colon names a user's own.

    Example:
        >>> [is_formula(name) for name in ("abs(log(y*f))", "f - y", "cross-entropy", "my_losses:robust")]
        [True, True, False, False]
    """
    if not isinstance(name, str) or ":" in name:
        return False
    operands = [part.strip() for part in name.split("-") if part.strip()]
    return bool(_OPERATORS.search(name)) or bool(operands and all(_OPERAND.fullmatch(part) for part in operands))


def as_formula(formula: str | Formula | Tree) -> Formula:
    """Reads a formula that is to be a loss, and checks that it can be one.

    Raises:
        UserError: text that is no formula; a formula without f, with one node, or with too many.
    """
    if isinstance(formula, Tree):
        known = unit(formula)
    elif isinstance(formula, str):
        if len(formula) > MOST_LETTERS:
            raise UserError(f"a formula has at most {MOST_LETTERS:,} letters, got {len(formula):,}; simplify it.")
        known = read_formula(formula)
    elif isinstance(formula, Formula):
        known = formula
    else:
        raise UserError(f"a formula is text, an lfl.Formula or an lfl.Tree, got a {type(formula).__name__}.")
    nodes = known.tree.nodes
    shown = str(known) if len(nodes) <= MOST_NODES else f"one of {len(nodes):,} nodes"
    if "f" not in nodes:
        raise UserError(
            f"the formula {shown} lacks f, the output, so that the model could not learn from it; y is the target."
        )
    if len(nodes) == 1:
        raise UserError(f"the formula {shown} is one node, which has no weight; apply a function: square(f - y).")
    if len(nodes) > MOST_NODES:
        raise UserError(f"a formula has at most {MOST_NODES:,} nodes, got {len(nodes):,}; simplify it.")
    return known


def formula_of(loss_fn: object, phi: Tensors) -> Formula | None:
    """Returns the formula that a learned loss is with its present weights; None for a loss of another form.

    Args:
        loss_fn: a learned loss. Of one with a base it is what is added to that.
        phi: its parameters.
    """
    if not isinstance(loss_fn, LearnedLoss) or not isinstance(loss_fn.pointwise, Expression):
        return None
    fixed = loss_fn.pointwise.weights
    return Formula(loss_fn.pointwise.tree, tuple(phi[WEIGHTS].double().tolist()) if fixed is None else fixed)
