"""Hand-made losses against torch's."""

import pytest
import torch
import torch.nn.functional as F

import lfl


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
