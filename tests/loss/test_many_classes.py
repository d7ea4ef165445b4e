"""The rules for many classes: none up to ten, and beyond a loss that starts as it does with ten."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lfl
from lfl.export.reduction import reduced_loss
from lfl.randomness import generator


def losses(reduction: str = "mean") -> tuple[dict[str, torch.Tensor], lfl.LearnedLoss, lfl.LearnedLoss]:
    """phi, the loss of `loss_network`, and the same without rules for many classes."""
    phi, loss_fn = lfl.loss_network(
        "classification", reduction=reduction, gain=1.0, generator=generator(0, "phi"), dtype=torch.float64
    )
    return phi, loss_fn, lfl.LearnedLoss(loss_fn.pointwise, "classification", reduction)


def batch(seed: int, classes: int, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed, "batch")
    return 3.0 * torch.randn(size, classes, generator=g, dtype=torch.float64), torch.randint(
        classes, (size,), generator=g
    )


@pytest.mark.parametrize("classes", range(1, 11))
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_up_to_ten_classes_not_a_bit_is_changed(classes: int, reduction: str) -> None:
    phi, ours, plain = losses(reduction)
    outputs, ids = batch(classes, classes)
    assert torch.equal(ours(phi, outputs, ids), plain(phi, outputs, ids))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(11, 60), st.sampled_from(["mean", "sum"]))
def test_of_many_classes_wrong_ones_count_as_nine_and_a_power_is_seen(seed: int, classes: int, reduction: str) -> None:
    phi, ours, plain = losses(reduction)
    outputs, ids = batch(seed, classes)
    f = torch.softmax(outputs, 1) ** (math.log(10) / math.log(classes))
    at_one, at_zero = (plain.elementwise(phi, y, f) for y in (torch.ones_like(f), torch.zeros_like(f)))
    true = torch.nn.functional.one_hot(ids, classes).bool()
    wrong = at_zero[~true].reshape(len(ids), classes - 1).mean(1)
    expected = (at_one[true] + 9 * wrong) / (10 if reduction == "mean" else 1)
    torch.testing.assert_close(ours(phi, outputs, ids), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("classes", [11, 100, 1000])
def test_at_even_chances_a_loss_of_many_classes_is_that_of_ten(classes: int) -> None:
    phi, ours, _ = losses()
    many, ten = (ours(phi, torch.zeros(1, count, dtype=torch.float64), torch.tensor([2])) for count in (classes, 10))
    torch.testing.assert_close(many, ten, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("classes", [11, 100, 1000])
def test_at_even_chances_the_true_class_is_pushed_as_with_ten_classes(classes: int) -> None:
    """By log 10 / log C of it, for one output more than the others' mean."""
    phi, ours, plain = losses()

    def slope(y: float) -> torch.Tensor:
        """dl_phi/df at f = 1/10."""
        at = torch.full((1, 1), 0.1, dtype=torch.float64)
        return torch.func.grad(lambda f: plain.elementwise(phi, torch.full_like(f, y), f).sum())(at)[0, 0]

    even = torch.zeros(1, classes, dtype=torch.float64)
    found = torch.func.grad(lambda outputs: ours(phi, outputs, torch.tensor([2])).sum())(even)[0, 2]
    p = math.log(10) / math.log(classes)
    expected = p * 0.1 / 10 * (slope(1) * (1 - 1 / classes) - slope(0) * 9 / classes)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0.0)


def first_move(loss_fn: lfl.LearnedLoss, phi: dict[str, torch.Tensor], classes: int) -> float:
    """How far the first step of Adam at a rate of 1 moves phi: 1, unless its gradient drowns in epsilon."""
    g = generator(0, "clusters")
    centres = torch.randn(classes, 64, generator=g)

    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.randint(classes, (64,), generator=g)
        return centres[ids] + torch.randn(64, 64, generator=g), ids

    with torch.random.fork_rng():
        torch.manual_seed(0)
        theta, _, apply_fn = lfl.functional(nn.Linear(64, classes))
    _, moved, _, _ = lfl.meta_step(
        theta,
        phi,
        drawn(),
        drawn(),
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.01),
        outer=lfl.adam(1.0),
    )
    return float(torch.cat([(moved[name] - phi[name]).abs().flatten() for name in phi]).median())


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "least", "as_published"), [(100, 0.4, 0.01), (1000, 0.1, 1e-5)])
def test_phi_moves_however_many_classes_there_are(classes: int, least: float, as_published: float) -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"))
    assert first_move(loss_fn, phi, classes) > least
    plain = lfl.LearnedLoss(loss_fn.pointwise, "classification")
    assert first_move(plain, phi, classes) < as_published


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_that_is_handed_over_has_the_same_rules(reduction: str) -> None:
    phi, ours, _ = losses(reduction)
    outputs, ids = batch(0, 30)
    expected = ours(phi, outputs, ids)
    torch.testing.assert_close(reduced_loss(ours, phi, outputs, ids), expected.mean(), rtol=1e-12, atol=0.0)
    shares = nn.functional.one_hot(ids, 30).double()
    found = reduced_loss(ours, phi, outputs, shares, reduction="none")
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_the_gradient_stays_finite_where_a_probability_is_nothing() -> None:
    phi, ours, _ = losses()
    outputs = torch.zeros(1, 50, dtype=torch.float64)
    outputs[0, 3] = 1e4
    slope = torch.func.grad(lambda outputs: ours(phi, outputs, torch.tensor([0])).sum())(outputs)
    assert torch.isfinite(slope).all()
