"""The error over a split: which examples count."""

import pytest
import torch

import lfl
from lfl.data.splits import Split
from lfl.training import ERRORS, evaluate


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_ignored_examples_leave_numerator_and_denominator(chunk: int) -> None:
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 4))
    x, y = torch.randn(50, 3, generator=g), torch.randint(4, (50,), generator=g)
    counted = torch.rand(50, generator=g) < 0.5
    wrong = apply_fn(theta, buffers, x)[0].argmax(1) != y
    split = Split(x, torch.where(counted, y, -100))
    found = evaluate(apply_fn, theta, buffers, split, ERRORS["classification"], chunk)
    assert found == pytest.approx(float(wrong[counted].double().mean()), abs=1e-12)


def test_one_logit_is_evaluated_at_zero() -> None:
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 1))
    x, y = torch.randn(50, 3, generator=g), torch.randint(2, (50,), generator=g)
    wrong = (apply_fn(theta, buffers, x)[0][:, 0] > 0) != (y == 1)
    found = evaluate(apply_fn, theta, buffers, Split(x, y), ERRORS["classification"])
    assert found == pytest.approx(float(wrong.double().mean()), abs=1e-12)


def test_class_ids_out_of_range_and_nothing_that_counts_are_refused() -> None:
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 4))
    with pytest.raises(lfl.UserError, match="go from 0 to 3"):
        evaluate(apply_fn, theta, buffers, Split(torch.zeros(2, 3), torch.tensor([0, 4])), ERRORS["classification"])
    with pytest.raises(lfl.UserError, match="none that counts"):
        evaluate(apply_fn, theta, buffers, Split(torch.zeros(1, 3), torch.tensor([-100])), ERRORS["classification"])
