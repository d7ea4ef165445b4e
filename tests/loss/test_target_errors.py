"""Targets that do not fit the outputs are told in words, with what was given and what to do."""

import pytest
import torch

import lfl
from lfl.randomness import generator

PHI, NETWORK = lfl.loss_network("classification", generator=generator(0, "phi"))
LABELS = lfl.loss_network("multilabel", generator=generator(0, "phi"))[1]


def ids(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.long)


@pytest.mark.parametrize("loss", [lfl.cross_entropy, lambda f, y: NETWORK(PHI, f, y)])
@pytest.mark.parametrize(
    ("outputs", "targets", "words"),
    [
        ((2, 5, 4), ids(2, 5), r"got \[2, 5, 4\] and \[2, 5\]; for classes in the last .*in_layout\(loss, \"last\"\)"),
        ((2, 4, 4), ids(2, 4), r"could be dimension 1 or the last one, 2; say which: lfl.in_layout"),
        ((2, 4, 3, 3), ids(2, 3), r"got \[2, 4, 3, 3\] and \[2, 3\] of torch.int64; dense class ids"),
        ((2, 4, 3), torch.zeros(2, 3), r"got \[2, 4, 3\] and \[2, 3\] of torch.float32"),
        ((2, 3), torch.tensor([[0.5, 0.5, 0.5], [0.2, 0.3, 0.5]]), r"a sum of 1, got a row .*\[0.5, 0.5, 0.5\]"),
        ((2, 3), torch.tensor([[1.5, -0.5, 0.0], [0.2, 0.3, 0.5]]), r"at least 0 .* got .*\[1.5, -0.5, 0.0\]"),
        ((2, 3), lfl.Weighted(ids(2), torch.ones(3)), r"weight or mask .* must be \[2\], got \[3\]"),
        ((2, 3, 5), lfl.Weighted(ids(2, 5), torch.ones(5)), r"must be \[2\] or \[2, 5\], got \[5\]"),
        ((2, 3), lfl.Weighted(ids(2), torch.tensor([1.0, -2.0])), r"weights are at least 0, got -2;"),
        ((2, 3), lfl.Weighted(ids(2) + 3, torch.ones(2)), r"go from 0 to 2 .* got 3;"),
    ],
)  # fmt: skip
def test_of_classes(loss, outputs, targets, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(lfl.UserError, match=words):
        loss(torch.zeros(outputs), targets)


@pytest.mark.parametrize("loss", [lfl.binary_cross_entropy, lambda f, y: LABELS(PHI, f, y), lfl.each_label(lfl.focal)])
@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (ids(2), r"the same shape, each 0 or 1, got \[2, 3\] and \[2\]; class ids \[batch\] are for classification"),
        (ids(2, 3) + 2, r"go from 0 to 1 .* got 2;"),
        (torch.full((2, 3), 1.5), r"labels are 0, 1 or a probability between, got 1.5"),
        (lfl.Weighted(ids(2, 3), torch.ones(2, 2)), r"must be \[2\] or \[2, 3\], got \[2, 2\]"),
    ],
)
def test_of_labels(loss, targets, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(lfl.UserError, match=words):
        loss(torch.zeros(2, 3), targets)


def test_of_real_values_and_of_losses_that_count_classes() -> None:
    values = torch.zeros(2, 3)
    with pytest.raises(lfl.UserError, match=r"must be \[2\] or \[2, 3\], got \[3\]"):
        lfl.squared_error(values, lfl.Weighted(values, torch.ones(3)))
    phi, loss_fn = lfl.weight_net("regression", generator=generator(0, "phi"))
    with pytest.raises(lfl.UserError, match=r"takes weights \[batch\], got \[2, 3\]"):
        loss_fn(phi, values, lfl.Weighted(values, torch.ones(2, 3)))
    for loss in (lfl.balanced_cross_entropy, lfl.soft_f1):
        with pytest.raises(lfl.UserError, match=r"counts the examples of each class, got probabilities \[2, 3\]"):
            loss(values, torch.full((2, 3), 1 / 3))
    with pytest.raises(lfl.UserError, match="unknown layout 'middle'"):
        lfl.in_layout(lfl.cross_entropy, "middle")  # type: ignore[arg-type]


def test_a_layout_that_is_said_settles_sizes_that_fit_both() -> None:
    f = torch.randn(2, 4, 4, generator=generator(0, "f"))
    y = torch.tensor([[0, 1, 2, 3], [1, 1, 0, 2]])
    first, last = (lfl.in_layout(lfl.cross_entropy, layout)(f, y).mean() for layout in ("first", "last"))
    torch.testing.assert_close(first, torch.nn.functional.cross_entropy(f, y))
    torch.testing.assert_close(last, torch.nn.functional.cross_entropy(f.movedim(2, 1), y))
    learned = [lfl.in_layout(NETWORK, layout)(PHI, f, y) for layout in ("first", "last")]
    torch.testing.assert_close(learned[0], lfl.in_layout(NETWORK, "last")(PHI, f.movedim(1, 2), y))
    assert not torch.allclose(*learned)
