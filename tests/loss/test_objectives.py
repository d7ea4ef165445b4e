"""Objectives against scikit-learn, closed forms and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, f1_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn

import lfl
from lfl.loss import HANDCRAFTED, OBJECTIVES

from ..hypergradient.cases import assert_close, make_case, phi_gradient

OF_CLASSES = OBJECTIVES["classification"]
OWN = {name: OF_CLASSES[name] for name in ("balanced", "brier", "soft-f1")}
"""Those that are no hand-made loss already."""

BATCHES = st.tuples(st.integers(0, 2**31), st.integers(2, 7), st.integers(1, 40), st.sampled_from([0.1, 3.0, 40.0]))


def batch(seed: int, classes: int, size: int, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and ids, the first classes rarer than the last; often not all are there."""
    g = torch.Generator().manual_seed(seed)
    ids = (classes * torch.rand(size, generator=g) ** 0.4).long().clamp(max=classes - 1)
    return scale * torch.randn(size, classes, generator=g, dtype=torch.float64), ids


def probabilities(outputs: torch.Tensor) -> np.ndarray:
    return torch.softmax(outputs, -1).numpy()


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_balanced_is_scikit_learns_log_loss_with_balanced_weights(drawn) -> None:
    outputs, ids = batch(*drawn[:3], min(drawn[3], 3.0))  # log_loss takes no probability below the rounding of 1
    weights = compute_sample_weight("balanced", ids.numpy())
    expected = log_loss(ids, probabilities(outputs), sample_weight=weights, labels=range(drawn[1]))
    losses = lfl.balanced_cross_entropy(outputs, ids)
    assert float(losses.mean()) == pytest.approx(expected, rel=1e-9)
    torch.testing.assert_close(losses, lfl.cross_entropy(outputs, ids) * torch.tensor(weights), rtol=1e-12, atol=0)


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_brier_is_scikit_learns(drawn) -> None:
    outputs, ids = batch(*drawn)
    expected = brier_score_loss(ids, probabilities(outputs), labels=range(drawn[1]), scale_by_half=False)
    assert float(lfl.brier(outputs, ids).mean()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_soft_f1_of_certain_probabilities_is_macro_f1(drawn) -> None:
    """Probabilities of exactly 0 and 1, over the classes that are there."""
    outputs, ids = batch(*drawn)
    chosen = outputs.argmax(1)
    certain = 1e4 * torch.nn.functional.one_hot(chosen, drawn[1]).double()
    expected = f1_score(ids, chosen, labels=ids.unique(), average="macro", zero_division=0.0)
    values = lfl.soft_f1(certain, ids)
    assert values.shape == ids.shape
    assert torch.equal(values, values[:1].expand_as(values))
    assert float(values.mean()) == pytest.approx(1 - expected, abs=1e-12)


def test_soft_f1_by_hand() -> None:
    """p of class 1 is 3/4, 1/4, 1/2 for the true classes 1, 0, 1."""
    z = torch.tensor([3.0, 1 / 3, 1.0], dtype=torch.float64).log()
    one, zero = 2 * 1.25 / (1.5 + 2), 2 * 0.75 / (1.5 + 1)
    assert float(lfl.soft_f1(z, torch.tensor([1, 0, 1])).mean()) == pytest.approx(1 - (one + zero) / 2, rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(BATCHES, st.sampled_from(sorted(OF_CLASSES)))
def test_ignored_examples_are_as_if_left_out_and_order_does_not_matter(drawn, name: str) -> None:
    loss = OF_CLASSES[name]
    outputs, ids = batch(*drawn)
    g = torch.Generator().manual_seed(drawn[0])
    counted = torch.rand(len(ids), generator=g) < 0.6
    counted[0] = True
    expected = loss(outputs[counted], ids[counted]).mean()
    order = torch.randperm(len(ids), generator=g)
    found = loss(outputs[order], torch.where(counted, ids, -100)[order]).mean()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_one_logit_is_two_classes_and_nothing_that_counts_is_not_a_number(name: str) -> None:
    outputs, ids = batch(3, 2, 20, 2.0)
    z = outputs[:, :1]
    torch.testing.assert_close(
        OF_CLASSES[name](z, ids), OF_CLASSES[name](torch.cat((torch.zeros_like(z), z), 1), ids), rtol=1e-12, atol=0
    )
    assert torch.isnan(OF_CLASSES[name](outputs, torch.full_like(ids, -100)).mean())


@pytest.mark.parametrize("name", OWN)
def test_class_ids_out_of_range_are_refused_and_unseen_are_not_a_number(name: str) -> None:
    outputs, ids = batch(0, 3, 6, 1.0)
    ids[2] = 3
    with pytest.raises(lfl.UserError, match="go from 0 to 2"):
        OWN[name](outputs, ids)
    stacked = torch.func.vmap(lambda o, i: OWN[name](o, i).mean())(outputs[None], ids[None])
    assert torch.isnan(stacked).all()


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_values_and_slopes_stay_finite_with_classes_that_are_not_there(name: str, scale: float) -> None:
    outputs, _ = batch(1, 50, 6, scale)
    slope, value = torch.func.grad_and_value(lambda o: OF_CLASSES[name](o, torch.tensor([0, 0, 0, 0, 1, 1])).mean())(
        outputs.float()
    )
    assert torch.isfinite(slope).all()
    assert torch.isfinite(value)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_vmapped_objective_is_each_batchs_own(name: str) -> None:
    each = [batch(seed, 4, 9, 2.0) for seed in range(3)]
    outputs, ids = (torch.stack(parts) for parts in zip(*each, strict=True))
    found = torch.func.vmap(OF_CLASSES[name])(outputs, ids)
    torch.testing.assert_close(found, torch.stack([OF_CLASSES[name](*one) for one in each]), rtol=1e-12, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_a_compiled_objective_and_its_slope_are_the_eager_ones(name: str) -> None:
    outputs, ids = batch(5, 4, 9, 2.0)

    def both(outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.func.grad_and_value(lambda o: OWN[name](o, ids).mean())(outputs)

    for a, b in zip(torch.compile(both, fullgraph=True)(outputs), both(outputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def by_differences(case, step: float = 1e-5) -> dict[str, torch.Tensor]:
    """The phi-gradient of a step by central differences of the objective after it, along one direction a tensor."""

    def after(phi) -> float:
        info = lfl.meta_step(case.theta, phi, *case[3:6], **case.kwargs, hypergradient="unroll")[3]
        return float(info.outer_loss)

    found = {}
    for name, tensor in case.phi.items():
        along = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        ends = [after({**case.phi, name: tensor + sign * step * along}) for sign in (1, -1)]
        found[name] = along, (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, losses in OBJECTIVES.items() for name in losses])
def test_the_hypergradient_of_each_objective_is_that_of_finite_differences(kind: str, name: str) -> None:
    case = make_case("plain", "nesterov", kind, torch.float64)
    case = case._replace(kwargs=case.kwargs | {"task_loss": OBJECTIVES[kind][name]})
    unroll, mixed = (phi_gradient(case, form) for form in ("unroll", "mixed"))
    assert_close(mixed, unroll)
    scale = max(float(g.abs().max()) for g in unroll.values())
    assert scale > 0
    for tensor, (along, slope) in by_differences(case).items():
        assert float((unroll[tensor] * along).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-6 * scale)


def test_hand_made_losses_are_taken_as_they_are_and_the_tasks_own_comes_first() -> None:
    for kind, losses in OBJECTIVES.items():
        assert next(iter(losses)) == next(iter(HANDCRAFTED[kind]))
        shared = losses.keys() & HANDCRAFTED[kind].keys()
        assert losses.keys() - shared == (set() if kind == "regression" else OWN.keys())
        if kind != "multilabel":
            assert all(losses[name] is HANDCRAFTED[kind][name] for name in shared)
        else:  # each is made of the one for classes
            outputs, labels = torch.tensor([[0.3, -2.0], [1.0, 0.2]]), torch.tensor([[0, 1], [1, 1]])
            assert all(torch.equal(losses[n](outputs, labels), HANDCRAFTED[kind][n](outputs, labels)) for n in shared)


def test_a_step_judged_by_brier_is_plain_autograd_on_brier() -> None:
    """By hand: a step of gradient descent, and backward through it with torch.autograd alone."""
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 4).double()
    theta, _, apply_fn = lfl.functional(model)
    phi, loss_fn = lfl.loss_network("classification", generator=g, dtype=torch.float64, gain=2.0)
    (x, y), (u, v) = ((torch.randn(9, 3, generator=g).double(), torch.randint(4, (9,), generator=g)) for _ in "ab")
    moved, _, carry, _ = lfl.meta_step(
        theta, phi, (x, y), (u, v), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.brier, inner=lfl.sgd(0.3),
        outer=lfl.Optimiser(lambda phi: phi, lambda grads, state, phi, lr=None: (phi, grads)),
    )  # fmt: skip
    leaves = {name: t.clone().requires_grad_() for name, t in phi.items()}
    own = {name: p.clone().requires_grad_() for name, p in theta.items()}
    grads = torch.autograd.grad(
        loss_fn(leaves, torch.func.functional_call(model, own, (x,)), y).mean(), list(own.values()), create_graph=True
    )
    after = {name: p - 0.3 * g for (name, p), g in zip(own.items(), grads, strict=True)}
    likely = torch.softmax(torch.func.functional_call(model, after, (u,)), -1)
    value = ((likely - nn.functional.one_hot(v, 4)) ** 2).sum(1).mean()
    expected = torch.autograd.grad(value, list(leaves.values()))
    for found, wanted in zip(carry.outer.values(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-13)
    for name, p in moved.items():
        torch.testing.assert_close(p, after[name].detach(), rtol=1e-12, atol=1e-14)
