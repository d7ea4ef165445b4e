"""Every kind of target: against torch, against finite differences, within a step, compiled, and from one to another."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lfl
from lfl.export.reduction import reduced_loss
from lfl.randomness import generator

from .kinds import BATCH, CASES, CLASSES, Case, cases, learned

LEARNED = ["network", "residual-network", "residual", "weight-net", "true-class"]
PAIRS = [
    (case, name)
    for case in CASES
    for name in LEARNED
    if not (name == "true-class" and CASES[case].kind == "regression")
    and not (name == "weight-net" and case == "masked values")
]


def slope_matches(function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> None:
    slope = torch.func.grad(function)(at)
    g, size = generator(4, "along"), 1e-6
    for _ in range(3):
        along = torch.randn(at.shape, generator=g, dtype=at.dtype)
        expected = (function(at + size * along) - function(at - size * along)) / (2 * size)
        assert abs(expected) > 1e-7
        torch.testing.assert_close((slope * along).sum(), expected, rtol=1e-5, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(list(CASES)), st.integers(0, 10_000))
def test_made_by_hand_value_and_gradient_are_torch_s(name: str, seed: int) -> None:
    case = cases(seed)[name]

    def mean(outputs: torch.Tensor) -> torch.Tensor:
        losses = case.by_hand(outputs, case.targets)
        assert losses.shape == (BATCH,)
        return losses.mean()

    slope, value = torch.func.grad_and_value(mean)(case.outputs)
    expected_slope, expected = torch.func.grad_and_value(case.torch_s)(case.outputs)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-13, equal_nan=True)
    torch.testing.assert_close(slope, expected_slope, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_of_a_learned_loss_both_gradients_are_those_of_finite_differences(name: str, loss: str) -> None:
    case = CASES[name]
    phi, loss_fn = learned(loss, case)
    assert loss_fn(phi, case.outputs, case.targets).shape == (BATCH,)
    if loss != "weight-net":  # its weight is a constant to the model
        slope_matches(lambda outputs: loss_fn(phi, outputs, case.targets).mean(), case.outputs)
    for key in ["1.weight", "2.weight"]:
        if key in phi:
            slope_matches(lambda t, key=key: loss_fn(phi | {key: t}, case.outputs, case.targets).mean(), phi[key])


def step(case: Case, loss: str, form: str = "auto") -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A step of a linear model with the case's outputs, and its arguments."""
    phi, loss_fn = learned(loss, case)
    shape = case.outputs.shape[1:]
    model = nn.Sequential(nn.Linear(3, shape.numel()), nn.Unflatten(1, shape)).double()
    with torch.no_grad():
        for i, t in enumerate(model.parameters()):
            t.copy_(torch.randn(t.shape, generator=generator(i, "theta"), dtype=t.dtype))
    theta, _, apply_fn = lfl.functional(model)
    x = torch.randn(BATCH, 3, generator=generator(2, "x"), dtype=torch.float64)

    def run(theta: Any, phi: Any, targets: Any) -> Any:
        return lfl.meta_step(
            theta, phi, (x, targets), (x, targets), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=case.by_hand,
            inner=lfl.sgd(0.3), outer=lfl.sgd(1.0), hypergradient=form,
        )[:2]  # fmt: skip

    return run, (theta, phi, case.targets)


def assert_same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        for key in other:
            torch.testing.assert_close(one[key], other[key], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("loss", ["network", "residual"])
def test_both_exact_forms_agree_on_every_kind(name: str, loss: str) -> None:
    by_unroll, by_mixed = (
        run(*arguments) for run, arguments in (step(CASES[name], loss, form) for form in ("unroll", "mixed"))
    )
    assert_same(by_unroll, by_mixed)
    phi = step(CASES[name], loss)[1][1]
    assert any(float((by_mixed[1][key] - phi[key]).norm()) > 1e-6 for key in phi)


@pytest.mark.parametrize("name", CASES)
def test_many_seeds_together_are_each_alone(name: str) -> None:
    run, (theta, phi, targets) = step(CASES[name], "residual")
    twice = [torch.utils._pytree.tree_map(lambda t: torch.stack([t, t]), tree) for tree in (theta, targets)]
    phis = {key: torch.stack([t, 1.5 * t]) for key, t in phi.items()}
    together = torch.func.vmap(run)(twice[0], phis, twice[1])
    for i, factor in enumerate([1.0, 1.5]):
        alone = run(theta, {key: factor * t for key, t in phi.items()}, targets)
        assert_same([{key: t[i] for key, t in tree.items()} for tree in together], alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["dense, one logit", "tokens", "weighted soft", "masked dense", "labels", "masked values"]
)
def test_compiled_in_one_piece_a_step_is_the_same(name: str) -> None:
    run, arguments = step(CASES[name], "residual")
    assert_same(torch.compile(run, fullgraph=True, backend="aot_eager")(*arguments), run(*arguments))
    torch._dynamo.reset()


@pytest.mark.parametrize("loss", LEARNED)
def test_learned_on_ids_it_applies_densely_position_by_position(loss: str) -> None:
    flat, dense = CASES["ids"], CASES["dense"]
    phi, loss_fn = learned(loss, flat)
    rows, ids = dense.outputs.movedim(1, -1).reshape(-1, CLASSES), dense.targets.reshape(-1)
    counted = ids != -100
    expected = loss_fn(phi, rows[counted], ids[counted]).mean()
    torch.testing.assert_close(loss_fn(phi, dense.outputs, dense.targets).mean(), expected, rtol=1e-11, atol=0.0)
    last = lfl.in_layout(loss_fn, "last")
    torch.testing.assert_close(
        last(phi, dense.outputs.movedim(1, -1), dense.targets), loss_fn(phi, dense.outputs, dense.targets)
    )


@pytest.mark.parametrize("loss", ["residual", "weight-net", "true-class"])
def test_learned_on_two_classes_it_applies_to_each_label(loss: str) -> None:
    """A label is an example with the two classes 0 and 1."""
    phi, of_classes = learned(loss, CASES["ids"])
    case = CASES["labels"]
    of_labels = replace(of_classes, kind="multilabel")
    alone = torch.stack([of_classes(phi, case.outputs[:, i], case.targets[:, i]) for i in range(3)], 1)
    torch.testing.assert_close(of_labels(phi, case.outputs, case.targets), alone.mean(1))


def test_a_pointwise_loss_sees_the_sigmoid_of_each_label() -> None:
    phi, of_classes = learned("network", CASES["ids"])
    case = CASES["labels"]
    found = replace(of_classes, kind="multilabel")(phi, case.outputs, case.targets)
    expected = of_classes.elementwise(phi, case.targets.double(), case.outputs.sigmoid()).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("loss", LEARNED)
def test_of_hard_soft_labels_it_is_the_loss_of_class_ids(loss: str) -> None:
    case = CASES["ids"]
    phi, loss_fn = learned(loss, case)
    hard = nn.functional.one_hot(case.targets, CLASSES).double()
    found, expected = loss_fn(phi, case.outputs, hard), loss_fn(phi, case.outputs, case.targets)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["ids", "dense", "tokens", "labels", "values", "soft"])
@pytest.mark.parametrize("loss", ["network", "residual-network", "residual"])
def test_weights_of_one_change_nothing_and_those_of_zero_remove(name: str, loss: str) -> None:
    case = CASES[name]
    phi, loss_fn = learned(loss, case)
    plain = loss_fn(phi, case.outputs, case.targets)
    ones = lfl.Weighted(case.targets, torch.ones(BATCH))
    torch.testing.assert_close(loss_fn(phi, case.outputs, ones), plain, rtol=1e-11, atol=1e-13)
    some = torch.tensor([True, False, True, True, False])
    found = loss_fn(phi, case.outputs, lfl.Weighted(case.targets, some))
    assert not found[~some].any()
    left = loss_fn(phi, case.outputs[some], case.targets[some])
    torch.testing.assert_close(found.mean(), left.mean(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", LEARNED)
def test_handed_over_a_loss_of_labels_or_tokens_is_what_training_descends(loss: str) -> None:
    for name in ["labels", "tokens", "soft labels"]:
        case = CASES[name]
        phi, loss_fn = learned(loss, case)
        found = [reduced_loss(loss_fn, phi, case.outputs, case.targets, reduction=r) for r in ("mean", "none", "sum")]
        torch.testing.assert_close(found[0], loss_fn(phi, case.outputs, case.targets).mean())
        assert found[1].shape == case.targets.shape
        torch.testing.assert_close(found[1].sum(), found[2])
        counted = (case.targets != -100).sum()
        torch.testing.assert_close(found[2] / counted, found[0])
    weighted = CASES["weighted ids"]
    with pytest.raises(lfl.UserError, match=r"takes no weights, got lfl\.Weighted"):
        reduced_loss(loss_fn, phi, weighted.outputs, weighted.targets)
