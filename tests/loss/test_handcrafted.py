"""Hand-made losses against torch's."""

import pytest
import torch
import torch.nn.functional as F

import lfl
from lfl.loss import HANDCRAFTED


def test_cross_entropy_equals_torch() -> None:
    g = torch.Generator().manual_seed(0)
    outputs = 30.0 * torch.randn(50, 7, generator=g, dtype=torch.float64)
    targets = torch.randint(7, (50,), generator=g)
    expected = F.cross_entropy(outputs, targets, reduction="none")
    torch.testing.assert_close(lfl.cross_entropy(outputs, targets), expected, rtol=1e-13, atol=1e-13)


def test_cross_entropy_has_no_nan_where_softmax_underflows() -> None:
    gradient = torch.func.grad(lambda o: lfl.cross_entropy(o, torch.tensor([0])).sum())(torch.tensor([[1e4, -1e4]]))
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3)])
def test_squared_error_equals_torch(shape: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    f, y = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(lfl.squared_error(f, y).mean(), F.mse_loss(f, y), rtol=1e-13, atol=1e-13)
    assert lfl.squared_error(f, y).shape == (6,)


def test_squared_error_refuses_to_broadcast() -> None:
    with pytest.raises(lfl.UserError, match="differ in shape"):
        lfl.squared_error(torch.zeros(4, 1), torch.zeros(4))


def test_error_rate_counts_wrong_classes() -> None:
    outputs = torch.tensor([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]])
    assert lfl.error_rate(outputs, torch.tensor([1, 1, 1])).tolist() == [0.0, 1.0, 0.0]


def logits(classes: int = 7, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    outputs = scale * torch.randn(50, classes, generator=g, dtype=torch.float64)
    return outputs, torch.randint(classes, (50,), generator=g)


@pytest.mark.parametrize(
    ("loss", "torchs"),
    [(lfl.absolute_error, F.l1_loss), (lfl.huber, F.huber_loss), (lfl.squared_error, F.mse_loss)],
)
def test_losses_of_real_values_equal_torch(loss, torchs) -> None:
    f, y = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(loss(f, y).mean(), torchs(f, y), rtol=1e-13, atol=1e-13)


def test_label_smoothing_equals_torch() -> None:
    outputs, targets = logits()
    expected = F.cross_entropy(outputs, targets, reduction="none", label_smoothing=0.3)
    torch.testing.assert_close(lfl.label_smoothing(outputs, targets, 0.3), expected, rtol=1e-12, atol=1e-12)


def test_focal_turns_from_cross_entropy_and_has_derivatives_where_examples_are_right() -> None:
    outputs, targets = logits()
    p = F.softmax(outputs, -1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(lfl.focal(outputs, targets), -((1 - p) ** 2) * p.log(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(lfl.focal(outputs, targets, 0.0), lfl.cross_entropy(outputs, targets))
    for gamma in (0.5, 2.0):
        right = torch.func.grad(lambda o: lfl.focal(o, torch.tensor([0]), gamma).sum())(torch.tensor([[1e4, 0.0]]))  # noqa: B023
        assert torch.isfinite(right).all()


def test_generalised_cross_entropy_lies_between_cross_entropy_and_absolute_error() -> None:
    outputs, targets = logits()
    p = F.softmax(outputs, -1)
    true = p.gather(1, targets[:, None])[:, 0]
    loss = lfl.generalised_cross_entropy
    torch.testing.assert_close(loss(outputs, targets), (1 - true**0.7) / 0.7, rtol=1e-12, atol=1e-12)
    one_hot = F.one_hot(targets, 7).double()
    torch.testing.assert_close(loss(outputs, targets, 1.0), (p - one_hot).abs().sum(1) / 2, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss(outputs, targets, 1e-9), lfl.cross_entropy(outputs, targets), rtol=1e-7, atol=0.0)


def test_absolute_cross_entropy_has_its_minimum_where_it_says() -> None:
    p = torch.linspace(0.05, 0.999, 4000, dtype=torch.float64)
    outputs = torch.stack([p.log(), (1 - p).log()], 1)
    losses = lfl.absolute_cross_entropy(outputs, torch.zeros(4000, dtype=torch.long), 2.0, 1.25)
    assert float(p[losses.argmin()]) == pytest.approx(1 / 1.25, abs=1e-3)
    torch.testing.assert_close(losses, 2.0 * (1.25 * p).log().abs(), rtol=1e-9, atol=1e-12)


def test_sparse_label_smoothing_is_its_formula_and_points_where_dense_smoothing_points() -> None:
    """Where the other classes are equally likely the two are the same; elsewhere the true class is pushed alike."""
    outputs, targets = logits()
    f = F.softmax(outputs, -1).gather(1, targets[:, None])[:, 0]
    formula = -(1 - 0.2 + 0.2 / 7) * f.log() - 0.2 * 6 / 7 * ((1 - f) / 6).log()
    torch.testing.assert_close(lfl.sparse_label_smoothing(outputs, targets, 0.2), formula, rtol=1e-11, atol=1e-11)
    even = torch.zeros(5, 7, dtype=torch.float64)
    even[:, 2] = torch.linspace(-3, 3, 5, dtype=torch.float64)
    class_2 = torch.full((5,), 2)
    dense, sparse = (loss(even, class_2, 0.2) for loss in (lfl.label_smoothing, lfl.sparse_label_smoothing))
    torch.testing.assert_close(sparse, dense)
    slopes = [
        torch.func.grad(lambda o: loss(o, class_2, 0.2).sum())(even)  # noqa: B023
        for loss in (lfl.label_smoothing, lfl.sparse_label_smoothing)
    ]
    torch.testing.assert_close(slopes[1], slopes[0])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("classes", [2, 10_000])
def test_sparse_label_smoothing_stays_finite(classes: int, scale: float) -> None:
    outputs = scale * torch.randn(8, classes, generator=torch.Generator().manual_seed(0))
    outputs[0, 0], outputs[1, 0] = 10 * scale, -10 * scale
    value, slope = torch.func.vmap(
        torch.func.grad_and_value(lambda o: lfl.sparse_label_smoothing(o[None], torch.tensor([0]))[0])
    )(outputs)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


def test_each_kind_of_target_has_its_own_loss_first() -> None:
    assert next(iter(HANDCRAFTED["classification"].values())) is lfl.cross_entropy
    assert next(iter(HANDCRAFTED["regression"].values())) is lfl.squared_error
