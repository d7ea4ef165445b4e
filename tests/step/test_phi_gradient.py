"""The gradient of phi without a step: against central differences, and against what `meta_step` descends."""

import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.randomness import generator

from ..hypergradient.cases import HELD, MODELS, Case, assert_close, make_case
from .test_meta import assert_same

STEPS = {"one step": 1, "three steps": 3}


def gradient(case: Case, train: Any = None, **more: Any) -> tuple[Any, lfl.Info]:
    functions = {name: value for name, value in case.kwargs.items() if name != "outer"}
    train = case.batch_tr if train is None else train
    return lfl.phi_gradient(case.theta, case.phi, train, case.batch_val, case.carry, **functions | more)


def batches(case: Case, num_steps: int) -> list[Any]:
    return [case.batch_tr, case.batch_val, case.batch_tr][:num_steps]


@pytest.mark.slow
@pytest.mark.parametrize("num_steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize(
    ("model", "optimiser", "kind"),
    [("plain", "adam", "regression"), ("batch norm", "nesterov", "classification"), ("dropout", "sgd", "regression")],
)
def test_equals_central_differences_of_the_validation_loss(
    model: str, optimiser: str, kind: str, held: str, num_steps: int
) -> None:
    case = make_case(model, optimiser, kind, torch.float64, held=held)
    train = batches(case, num_steps)
    grads, info = gradient(case, train)
    g, h = generator(0, "direction"), 2e-6
    for _ in range(3):
        direction = tree_map(lambda t: torch.randn(t.shape, generator=g, dtype=t.dtype), case.phi)

        def loss_at(h: float, direction: Any = direction) -> float:
            moved = tree_map(lambda p, d: p + h * d, case.phi, direction)
            return float(gradient(case._replace(phi=moved), train)[1].outer_loss)

        pairs = zip(tree_leaves(grads), tree_leaves(direction), strict=True)
        slope = sum(float((a * b).sum()) for a, b in pairs)
        assert slope == pytest.approx((loss_at(h) - loss_at(-h)) / (2 * h), rel=1e-6)
    assert float(info.phi_grad_norm) == pytest.approx(sum(float(t.square().sum()) for t in tree_leaves(grads)) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["auto", "unroll", "mixed", "finite-difference", "implicit", lfl.implicit("cg")])
@pytest.mark.parametrize("num_steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("model", MODELS)
def test_it_is_what_a_step_of_gradient_descent_goes_along(model: str, num_steps: int, form: Any) -> None:
    """phi - phi' = rate * gradient, with the same diagnostics."""
    rate = 0.5  # halving rounds nothing
    case = make_case(model, "adam", "classification", torch.float64)
    train, kwargs = batches(case, num_steps), case.kwargs | {"outer": lfl.sgd(rate)}
    grads, info = gradient(case, train, hypergradient=form)
    carry = case.carry._replace(outer={})
    _, phi, _, expected = lfl.meta_step(
        case.theta, case.phi, train, case.batch_val, carry, **kwargs, hypergradient=form
    )
    assert_same(phi, tree_map(lambda p, g: p - rate * g, case.phi, grads))
    assert_same(info, expected)


def test_part_of_a_batch_and_a_given_rate_are_those_of_the_step() -> None:
    case = make_case("batch norm", "nesterov", "classification", torch.float64)
    more = {"meta_batch_size": 5, "inner_lr": torch.tensor(0.7, dtype=torch.float64)}
    grads, _ = gradient(case, **more)
    assert_same(grads, lfl.meta_step(*case[1:6], **case.kwargs, **more)[2].outer)


def test_the_outer_part_of_a_carry_is_not_used_and_a_carry_left_out_is_a_fresh_one() -> None:
    case = make_case("batch norm", "adam", "classification", torch.float64)
    expected = gradient(case)
    assert_same(gradient(case._replace(carry=case.carry._replace(outer=None))), expected)
    apply_fn, inner = case.kwargs["apply_fn"], case.kwargs["inner"]
    fresh = lfl.fresh_carry(case.theta, None, apply_fn=apply_fn, inner=inner)
    assert_same(gradient(case._replace(carry=None)), gradient(case._replace(carry=fresh)))
    assert not torch.equal(gradient(case._replace(carry=None))[1].phi_grad_norm, expected[1].phi_grad_norm)


def test_it_writes_to_nothing() -> None:
    case = make_case("dropout", "nesterov", "regression", torch.float32)
    before = tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, case[1:6])
    first = gradient(case)
    assert_same(case[1:6], before)
    assert_same(gradient(case), first)


def test_vmapped_over_phi_it_equals_the_loop() -> None:
    case = make_case("dropout", "adam", "regression", torch.float64)
    phis = tree_map(lambda t: torch.stack([t, 1.1 * t, 0.9 * t]), case.phi)
    found = torch.func.vmap(lambda phi: gradient(case._replace(phi=phi))[0])(phis)
    for i in range(3):
        alone, _ = gradient(case._replace(phi=tree_map(lambda t, i=i: t[i], phis)))
        assert_close(tree_map(lambda t, i=i: t[i], found), alone)


def test_a_gradient_of_0_without_a_carry_is_warned_of_at_the_caller() -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)._replace(carry=None)
    functions = {name: value for name, value in case.kwargs.items() if name != "outer"}
    call = partial(lfl.phi_gradient, **functions, inner_lr=0.0)
    with pytest.warns(lfl.ZeroGradientWarning, match="a rate of 0") as caught:
        call(case.theta, case.phi, case.batch_tr, case.batch_val)
    assert caught[0].filename == __file__
    carry = lfl.fresh_carry(case.theta, None, apply_fn=functions["apply_fn"], inner=functions["inner"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(case.theta, case.phi, case.batch_tr, case.batch_val, carry)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"hypergradient": "magic"}, "choose one of: auto, unroll, mixed"),
        ({"inner": torch.optim.SGD}, "inner must be an lfl.Optimiser"),
        ({"train": []}, "at least one train batch"),
        ({"meta_batch_size": 0}, "at least 1"),
    ],
)
def test_misuse_is_refused_as_by_the_step(more: dict[str, Any], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        gradient(make_case("plain", "sgd", "regression", torch.float64), **more)
