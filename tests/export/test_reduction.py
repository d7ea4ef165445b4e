"""With the pointwise losses that torch's own are made of, a learned loss must be torch's own, for whatever it takes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lfl
from lfl.choices import REDUCTIONS
from lfl.export.reduction import reduced_loss
from lfl.randomness import generator


def negative_log(phi, y, f):
    return -phi["scale"] * y * torch.log(f)


def square(phi, y, f):
    return phi["scale"] * (f - y) ** 2


ONE = {"scale": torch.tensor(1.0, dtype=torch.float64)}
CROSS_ENTROPY = lfl.LearnedLoss(negative_log, "classification", reduction="sum")
SQUARED_ERROR = lfl.LearnedLoss(square, "regression")
SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=3)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed, "data"), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), SHAPES, st.sampled_from(list(REDUCTIONS)), st.booleans())
def test_class_ids_are_taken_as_cross_entropy_takes_them(
    seed: int, classes: int, shape: list[int], reduction: str, some_ignored: bool
) -> None:
    logits = normal(seed, *shape[:1], classes, *shape[1:])
    ids = torch.randint(classes, shape, generator=generator(seed, "ids"))
    if some_ignored and ids.numel() > 1:
        ids.view(-1)[0] = 7
    expected = nn.CrossEntropyLoss(reduction=reduction, ignore_index=7)(logits, ids)
    found = reduced_loss(CROSS_ENTROPY, ONE, logits, ids, reduction=reduction, ignore_index=7)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), SHAPES, st.sampled_from(list(REDUCTIONS)))
def test_class_probabilities_give_the_expected_loss(seed: int, classes: int, shape: list[int], reduction: str) -> None:
    shape = [*shape[:1], classes, *shape[1:]]
    logits, shares = normal(seed, *shape), torch.softmax(normal(seed + 1, *shape), min(1, len(shape) - 1))
    expected = nn.CrossEntropyLoss(reduction=reduction)(logits, shares)
    found = reduced_loss(CROSS_ENTROPY, ONE, logits, shares, reduction=reduction)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_expected_loss_of_a_network_is_the_mean_over_draws_of_the_class() -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"), dtype=torch.float64)
    logits, shares = normal(1, 4, 3), torch.softmax(normal(2, 4, 3), -1)
    of_each = [reduced_loss(loss_fn, phi, logits, torch.full((4,), k), reduction="none") for k in range(3)]
    expected = sum(shares[:, k] * of_each[k] for k in range(3))
    torch.testing.assert_close(reduced_loss(loss_fn, phi, logits, shares, reduction="none"), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), SHAPES, st.sampled_from(list(REDUCTIONS)))
def test_values_are_taken_as_squared_error_takes_them(seed: int, shape: list[int], reduction: str) -> None:
    outputs, values = normal(seed, *shape), normal(seed + 1, *shape)
    expected = nn.MSELoss(reduction=reduction)(outputs, values)
    found = reduced_loss(SQUARED_ERROR, ONE, outputs, values, reduction=reduction)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("over_outputs", ["mean", "sum"])
def test_the_mean_is_what_training_descends(over_outputs: str) -> None:
    for kind in ("classification", "regression"):
        phi, loss_fn = lfl.loss_network(kind, reduction=over_outputs, generator=generator(0, "phi"))
        outputs = normal(1, 5, 3).float()
        targets = torch.tensor([0, 1, 2, 0, 2]) if kind == "classification" else normal(2, 5, 3).float()
        expected = loss_fn(phi, outputs, targets).mean()
        torch.testing.assert_close(reduced_loss(loss_fn, phi, outputs, targets), expected)


def test_all_ignored_is_not_a_number_as_in_cross_entropy() -> None:
    logits, ids = normal(0, 2, 3), torch.tensor([-100, -100])
    assert bool(nn.CrossEntropyLoss()(logits, ids).isnan())
    assert bool(reduced_loss(CROSS_ENTROPY, ONE, logits, ids).isnan())


def test_second_derivatives_are_right() -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"), gain=1.0, dtype=torch.float64)
    logits = normal(1, 3, 4).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: reduced_loss(loss_fn, phi, x, torch.tensor([0, 3, -100])), (logits,))


def test_the_wider_precision_counts_under_autocast_too() -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"), gain=1.0)
    logits, ids = normal(1, 8, 4), torch.arange(8) % 4
    exact = reduced_loss(loss_fn, phi, logits, ids)
    assert exact.dtype == torch.float64
    narrow = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = reduced_loss(loss_fn, phi, narrow, ids)
    assert found.dtype == torch.float32
    assert torch.equal(found, reduced_loss(loss_fn, phi, narrow.float(), ids))
    halves = {name: tensor.bfloat16() for name, tensor in phi.items()}
    assert reduced_loss(loss_fn, halves, narrow, ids).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("loss_fn", "outputs", "targets", "words"),
    [
        (
            CROSS_ENTROPY,
            torch.zeros(3, 4),
            torch.zeros(2, dtype=torch.long),
            r"need class ids, integers \[3\]",
        ),
        (CROSS_ENTROPY, torch.zeros(3, 4), torch.zeros(3), r", got targets \[3\] of torch.float32"),
        (CROSS_ENTROPY, torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.long), "need class ids"),
        (CROSS_ENTROPY, torch.zeros(()), torch.tensor(0), ", got a scalar"),
        (SQUARED_ERROR, torch.zeros(3, 1), torch.zeros(3), "differ in shape"),
    ],
)
def test_what_does_not_fit_is_named(loss_fn, outputs, targets, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        reduced_loss(loss_fn, ONE, outputs, targets)


@pytest.mark.parametrize("bad", [4, -1])
def test_class_ids_out_of_range_are_named(bad: int) -> None:
    ids = torch.tensor([0, bad])
    for call in (lambda loss: loss(torch.zeros(2, 4)), lambda loss: torch.func.grad(loss)(torch.zeros(2, 4))):
        with pytest.raises(lfl.UserError, match=rf"go from 0 to 3 .* got {bad};"):
            call(lambda outputs: reduced_loss(CROSS_ENTROPY, ONE, outputs, ids))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), SHAPES, st.sampled_from(list(REDUCTIONS)), st.booleans())
def test_one_logit_is_taken_as_binary_cross_entropy_takes_it(
    seed: int, shape: list[int], reduction: str, soft: bool
) -> None:
    logits = normal(seed, *shape[:1], 1, *shape[1:])
    ids = torch.randint(2, shape, generator=generator(seed, "ids"))
    shares = torch.rand(logits.shape, generator=generator(seed, "ids"), dtype=torch.float64)
    expected = nn.BCEWithLogitsLoss(reduction=reduction)(
        logits.reshape(shape), shares.reshape(shape) if soft else ids.double()
    )
    found = reduced_loss(CROSS_ENTROPY, ONE, logits, shares if soft else ids, reduction=reduction)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    if len(shape) == 1 and not soft:
        flat = reduced_loss(CROSS_ENTROPY, ONE, logits[:, 0], ids, reduction=reduction)
        torch.testing.assert_close(flat, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["mean", "none"])
def test_one_logit_is_taken_as_training_takes_it(form: str) -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"), dtype=torch.float64)
    logits, ids = normal(1, 5, 1), torch.tensor([0, 1, 1, 0, 1])
    losses = loss_fn(phi, logits, ids)
    expected = losses.mean() if form == "mean" else losses
    torch.testing.assert_close(reduced_loss(loss_fn, phi, logits, ids, reduction=form), expected, rtol=1e-12, atol=0.0)


def test_narrow_ids_are_not_mistaken_for_ignored_ones() -> None:
    logits, ids = normal(0, 1, 200), torch.tensor([156], dtype=torch.uint8)  # -100 modulo 256
    torch.testing.assert_close(reduced_loss(CROSS_ENTROPY, ONE, logits, ids), nn.CrossEntropyLoss()(logits, ids.long()))
