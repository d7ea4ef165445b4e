"""Symbolic losses: derivatives against differences, known losses to rounding, and every use that a learned loss has."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

import lfl
from lfl.loss import base_loss, draw_loss, formula_of, is_formula, symbolic_task_loss
from lfl.loss.curve import sample_curves
from lfl.loss.symbolic import MOST_LETTERS, MOST_NODES, Expression
from lfl.symbolic import FUNCTIONS, TERMINALS, Formula, Tree, arity, unit

from .kinds import CASES
from .steps import RATE, batches, check_hypergradient, double, model, task_loss

D = torch.float64
CROSS_ENTROPY = "abs(log(y*f))"
FORMULAS = {
    "classification": [
        "abs(log(1.1*y*f))",
        "sub(square(y - 0.9*f), tanh(3*y*f))",
        "div(log(y*f + 0.01), 1 + f)",
        "sqrt(abs(y - f)) + max(0.5*y, f)*min(y, 2*f)",
    ],
    "regression": [
        "square(y - f)",
        "abs(1.2*y - f) + 0.1*tanh(f*f)",
        "log(square(y - f) + 0.3)*sqrt(2 + square(y - 2*f))",
    ],
}


def random_tree(rng: random.Random, height: int) -> tuple[str, ...]:
    """Names of a random expression of at most a height, in prefix order."""
    name = rng.choice([*FUNCTIONS] if height else TERMINALS)
    return (name, *(node for _ in range(arity(name)) for node in random_tree(rng, height - 1)))


def points(kind: str, count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and predictions at which no formula of the tests has a kink."""
    g = torch.Generator().manual_seed(3)
    f = 0.05 + 0.9 * torch.rand(count, generator=g, dtype=D)
    y = (torch.arange(count) % 2).double() if kind == "classification" else torch.randn(count, generator=g, dtype=D)
    return y, f.requires_grad_()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_its_derivatives_by_f_and_by_the_weights(name: str) -> None:
    arguments = ("f",) if arity(name) == 1 else ("mul", "y", "f", "add", "f", "1")
    expression = Expression(Tree(("add", name, *arguments, "square", "f")))
    for sign in (1.0, -1.0):
        phi = {"weights": (sign * torch.linspace(0.7, 1.4, expression.tree.size - 1, dtype=D)).requires_grad_()}
        y, f = points("regression")

        def value(weights: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
            return expression({"weights": weights}, y, f)  # noqa: B023

        assert gradcheck(value, (phi["weights"], f))
        assert gradgradcheck(value, (phi["weights"], f))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_trees_have_their_derivatives(seed: int) -> None:
    rng = random.Random(seed)
    tree = Tree(("add", "mul", "y", "f", *random_tree(rng, 3)))
    y, f = points("regression")
    weights = torch.tensor([rng.uniform(0.7, 1.4) for _ in range(tree.size - 1)], dtype=D, requires_grad=True)

    def value(weights: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        return Expression(tree)({"weights": weights}, y, f)

    assert gradcheck(value, (weights, f))
    assert gradgradcheck(value, (weights, f))


@pytest.mark.parametrize(("kind", "formula"), [(kind, text) for kind, texts in FORMULAS.items() for text in texts])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_hypergradients_are_those_of_differences(kind: Any, formula: str, num_steps: int) -> None:
    phi, loss_fn = lfl.symbolic_loss(formula, kind)
    check_hypergradient(phi, loss_fn, kind, num_steps)


def trajectory(loss: Any, steps: int = 40) -> list[torch.Tensor]:
    """theta by step, of plain steps in float64."""
    theta, _, apply_fn = model()
    found, carry = [], None
    for step in range(steps):
        batch = batches("classification", count=3)[step % 3]
        theta, carry, _ = lfl.base_step(
            theta, batch, carry, loss=loss, apply_fn=apply_fn, task_loss=lfl.cross_entropy, inner=lfl.sgd(RATE)
        )
        found.append(torch.cat([t.flatten() for t in theta.values()]))
    return found


def test_the_five_nodes_train_like_cross_entropy() -> None:
    found = trajectory(symbolic_task_loss(CROSS_ENTROPY, "classification"))
    expected = trajectory(lfl.cross_entropy)
    assert (expected[-1] - expected[0]).abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("outer", "inner"), [(1.0, 1.1), (0.8, 1.25), (1.3, 0.9)])
def test_with_weights_they_are_absolute_cross_entropy(outer: float, inner: float) -> None:
    """phi_0 above the log, phi_1 the product of the three weights below it; each wrong class adds a constant."""
    formula = Formula(Tree(("abs", "log", "mul", "y", "f")), (outer, 1.0, inner, 1.0))
    loss = symbolic_task_loss(formula, "classification")
    (_, y), logits = (
        batches("classification")[0],
        torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=D),
    )
    by_hand = lambda f, y: lfl.absolute_cross_entropy(f, y, scale=outer, sharpness=inner)  # noqa: E731
    for each in (logits, 4 * logits):
        constant = 2 * outer * abs(torch.tensor(1e-7, dtype=D).log())
        torch.testing.assert_close(loss(each, y) - constant, by_hand(each, y), rtol=1e-12, atol=1e-12)
        slopes = [torch.func.grad(lambda f: fn(f, y).sum())(each) for fn in (loss, by_hand)]  # noqa: B023
        torch.testing.assert_close(*slopes, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("formula", "torch_s"), [("square(y - f)", F.mse_loss), ("abs(y - f)", F.l1_loss)])
def test_real_values_are_summed_over_the_outputs(formula: str, torch_s: Any) -> None:
    outputs, targets = torch.randn(5, 3, dtype=D), torch.randn(5, 3, dtype=D)
    expected = torch_s(outputs, targets, reduction="none")
    phi, loss_fn = lfl.symbolic_loss(formula, "regression")
    torch.testing.assert_close(loss_fn(phi, outputs, targets), expected.sum(1))
    phi, mean = lfl.symbolic_loss(formula, "regression", reduction="mean")
    torch.testing.assert_close(mean(phi, outputs, targets), expected.mean(1))
    torch.testing.assert_close(symbolic_task_loss(formula, "regression")(outputs[:, 0], targets[:, 0]), expected[:, 0])


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_target_is_taken_and_vmapped_and_fixed_equals_learned(name: str) -> None:
    case = CASES[name]
    formula = FORMULAS["regression" if case.kind == "regression" else "classification"][1]
    phi, loss_fn = lfl.symbolic_loss(formula, case.kind, dtype=D)
    fixed = symbolic_task_loss(formula, case.kind)
    if case.layout:
        loss_fn, fixed = lfl.in_layout(loss_fn, case.layout), None
    losses = loss_fn(phi, case.outputs, case.targets)
    assert losses.shape == (5,)
    if fixed is not None:
        torch.testing.assert_close(fixed(case.outputs, case.targets), losses)
    several = {"weights": torch.stack([phi["weights"], 0.5 * phi["weights"]])}
    both = torch.func.vmap(lambda phi: loss_fn(phi, case.outputs, case.targets))(several)
    for one, weights in zip(both, several["weights"], strict=True):
        torch.testing.assert_close(one, loss_fn({"weights": weights}, case.outputs, case.targets))


@pytest.mark.parametrize(("kind", "formula"), [(kind, text) for kind, texts in FORMULAS.items() for text in texts])
def test_without_vmap_over_the_outputs_it_is_the_same(kind: Any, formula: str) -> None:
    phi, loss_fn = lfl.symbolic_loss(formula, kind, dtype=D)
    (_, y), outputs = batches(kind)[0], torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=D)
    for make in (loss_fn, replace(loss_fn, reduction="mean", many_classes=True)):
        vmapped = replace(make, elementwise_only=False)
        for slope in (lambda loss: loss, torch.func.grad):
            found, expected = (slope(lambda f, loss=loss: loss(phi, f, y).sum())(outputs) for loss in (make, vmapped))
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_compiled_steps_equal_eager_ones(kind: Any) -> None:
    phi, loss_fn = lfl.symbolic_loss(FORMULAS[kind][-1], kind, dtype=D)
    theta, _, apply_fn = model()
    train, valid = batches(kind, count=2)

    def step(theta: Any, phi: Any) -> Any:
        theta, phi, _, _ = lfl.meta_step(
            theta, phi, train, valid, apply_fn=apply_fn, loss_fn=loss_fn, task_loss=task_loss(kind),
            inner=lfl.sgd(RATE), outer=lfl.adam(1e-2),
        )  # fmt: skip
        return theta, phi

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(theta, phi), step(theta, phi), rtol=1e-9, atol=1e-12)


def test_online_its_weights_reduce_the_task_loss() -> None:
    """From a loss with the wrong sign of its slope, learned online, to one that the model can learn from."""
    phi, loss_fn = lfl.symbolic_loss("square(y + 0.1*f)", "regression")
    phi = double(phi)
    theta, _, apply_fn = model()
    (x, y), carry, losses = batches("regression")[0], None, []
    for _ in range(300):
        theta, phi, carry, info = lfl.meta_step(
            theta, phi, (x, y), (x, y), carry, apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.squared_error,
            inner=lfl.sgd(0.05), outer=lfl.adam(1e-2),
        )  # fmt: skip
        losses.append(float(info.outer_loss))
    plain, _, _ = model()
    fixed, carry = symbolic_task_loss("square(y + 0.1*f)", "regression"), None
    for _ in range(300):
        plain, carry, _ = lfl.base_step(
            plain, (x, y), carry, loss=fixed, apply_fn=apply_fn, task_loss=lfl.squared_error, inner=lfl.sgd(0.05)
        )
    assert losses[-1] < 0.9 * losses[0]
    assert losses[-1] < 0.9 * float(lfl.squared_error(apply_fn(plain, {}, x)[0], y).mean())


@pytest.mark.parametrize("draw", [lfl.residual_loss, lfl.weight_net, lfl.true_class_loss])
def test_a_formula_is_the_base_of_the_losses_that_have_one(draw: Any) -> None:
    def drawn(base: Any) -> Any:
        return draw("classification", base=base, generator=torch.Generator().manual_seed(0))

    (phi, on_text), (_, on_function) = (
        drawn("abs(log(1.1*y*f))"),
        drawn(lambda f, y: lfl.absolute_cross_entropy(f, y, scale=1.0, sharpness=1.1)),
    )
    phi, (_, y) = double(phi), batches("classification")[0]
    logits = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=D)
    if draw is not lfl.weight_net:  # which sees the loss itself, constants and all
        slopes = [torch.func.grad(lambda f: loss(phi, f, y).sum())(logits) for loss in (on_text, on_function)]  # noqa: B023
        torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)
    check_hypergradient(phi, on_text, "classification")


def test_a_formula_may_be_the_correction_of_a_residual_loss() -> None:
    drawn = lfl.symbolic_loss("0.1*f*y + square(f)", "classification")
    phi, loss_fn = lfl.residual_loss("classification", correction=drawn, generator=torch.Generator())
    logits, ids = torch.randn(12, 3, dtype=D), batches("classification")[0][1]
    torch.testing.assert_close(
        loss_fn(double(phi), logits, ids), lfl.cross_entropy(logits, ids) + drawn[1](double(phi), logits, ids)
    )


def test_noise_is_asked_for_and_drawn_from_the_generator() -> None:
    def weights(seed: int) -> torch.Tensor:
        g = torch.Generator().manual_seed(seed)
        return lfl.symbolic_loss(CROSS_ENTROPY, "classification", noise=0.001, generator=g)[0]["weights"]

    exact = lfl.symbolic_loss(CROSS_ENTROPY, "classification", generator=torch.Generator())[0]["weights"]
    assert exact.tolist() == [1.0] * 4
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    many = torch.cat([weights(seed) for seed in range(500)])
    assert float(many.mean()) == pytest.approx(1.0, abs=1e-4)
    assert float(many.std()) == pytest.approx(0.001, rel=0.06)
    with pytest.raises(lfl.UserError, match="give generator="):
        lfl.symbolic_loss(CROSS_ENTROPY, "classification", noise=0.1)
    with pytest.raises(lfl.UserError, match=r"standard deviation.*got -1\.0"):
        lfl.symbolic_loss(CROSS_ENTROPY, "classification", noise=-1.0, generator=torch.Generator())


def test_text_trees_and_formulas_are_the_same_loss() -> None:
    tree = Tree(("abs", "log", "mul", "y", "f"))
    found = [
        lfl.symbolic_loss(each, "classification") for each in (CROSS_ENTROPY, "abs(log(mul(y, f)))", tree, unit(tree))
    ]
    assert all(loss_fn == found[0][1] and torch.equal(phi["weights"], torch.ones(4)) for phi, loss_fn in found)
    drawn = draw_loss(CROSS_ENTROPY, "classification", num_outputs=3, generator=torch.Generator())
    assert drawn[1] == found[0][1]
    assert formula_of(*reversed(drawn)) == unit(tree)
    assert formula_of(base_loss("classification", "abs(log(1.1*y*f))").func, {}) == Formula(tree, (1.0, 1.0, 1.1, 1.0))  # type: ignore[attr-defined]
    assert formula_of(lfl.cross_entropy, {}) is None


def test_many_classes_are_the_formula_itself_unless_asked() -> None:
    logits, ids = torch.randn(6, 40, dtype=D), torch.arange(6)
    f, one_hot = logits.softmax(1), F.one_hot(ids, 40).double()
    phi, loss_fn = lfl.symbolic_loss("square(y - f)", "classification")
    torch.testing.assert_close(loss_fn(phi, logits, ids), (one_hot - f).square().sum(1))
    phi, like_ten = lfl.symbolic_loss("square(y - f)", "classification", many_classes=True)
    f = f ** (torch.tensor(10.0, dtype=D).log() / torch.tensor(40.0, dtype=D).log())
    weight = torch.where(one_hot == 1, 1.0, 9 / 39)
    torch.testing.assert_close(like_ten(phi, logits, ids), (weight * (one_hot - f).square()).sum(1))


def test_its_curves_are_the_formula() -> None:
    phi, loss_fn = lfl.symbolic_loss("square(y - 0.5*f)", "classification")
    f = torch.linspace(0, 1, 101)
    torch.testing.assert_close(sample_curves(loss_fn, phi), torch.stack([(1 - 0.5 * f) ** 2, (0.5 * f) ** 2]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((text, True) for texts in FORMULAS.values() for text in texts),
        *(("y-f", True), ("f - y", True), ("-f", True), ("f", True), ("2-f", True), ("-1.5e3", True), ("y f)", True)),
        *(("", False), ("-", False), ("my_losses:abs", False), ("os:system('y*f')", False), (None, False), (3, False)),
    ],
)
def test_a_formula_is_told_from_a_name(name: object, expected: bool) -> None:
    assert is_formula(name) is expected


def test_no_name_of_the_catalogue_is_taken_for_a_formula() -> None:
    from lfl import catalogue

    assert not any(map(is_formula, catalogue.LEARNED_LOSSES | catalogue.HANDMADE_LOSSES | catalogue.OBJECTIVES))


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("abs(log(y*g))", r"position 11: unknown name 'g'.*\n +abs\(log\(y\*g\)\)\n +\^"),
        ("square(y - 1)", "lacks f, the output"),
        ("f", "one node, which has no weight"),
        (Tree(("f",)), "one node"),
        (Tree(("square", "y")), "lacks f"),
        (3, "got a int"),
        ("abs(" * 50 + "f" + ")" * 50 + "+ f" * MOST_LETTERS, "letters, got"),
        (Tree(("square",) * MOST_NODES + ("f",)), f"{MOST_NODES:,} nodes, got {MOST_NODES + 1:,}"),
    ],
    ids=range(8),
)
def test_what_cannot_be_a_loss_is_refused(formula: Any, words: str) -> None:
    for make in (lfl.symbolic_loss, symbolic_task_loss):
        with pytest.raises(lfl.UserError, match=words):
            make(formula, "classification")


def test_unknown_names_are_told_of_formulas() -> None:
    with pytest.raises(lfl.UserError, match="FORMULA, MODULE:FUNCTION"):
        base_loss("classification", "crossentropy")
    with pytest.raises(lfl.UserError, match="FORMULA, MODULE:FUNCTION"):
        draw_loss("netwerk", "classification", num_outputs=2, generator=torch.Generator())


def test_a_learner_takes_a_formula() -> None:
    x, y = batches("classification")[0]
    module = torch.nn.Linear(4, 3, dtype=D)
    learner = lfl.Learner(module, loss="abs(log(1.1*y*f))", optimizer=lfl.sgd(0.1), num_outputs=3)
    first = learner.phi["weights"].clone()
    for _ in range(5):
        learner.step((x, y), (x, y))
    assert first.tolist() == pytest.approx([1.0, 1.0, 1.1, 1.0])
    assert not torch.equal(learner.phi["weights"], first)
