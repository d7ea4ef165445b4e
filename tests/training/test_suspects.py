"""Scores of doubted labels against closed forms, and what they never do."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.data.splits import Split
from lfl.training import Suspects, suspects


def as_given(theta, buffers, x, *, training=True, masks=()):
    """A model that gives its inputs back."""
    del theta, masks
    assert not training
    return x, buffers


def ranked(outputs: torch.Tensor, y: torch.Tensor, kind: str = "classification", chunk: int = 1000) -> Suspects:
    return suspects(as_given, {}, {}, Split(outputs, y), kind, chunk)


def test_classes_by_hand() -> None:
    likely = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.25, 0.35, 0.4]])
    found = ranked(likely.log() + 7.0, torch.tensor([0, 2, 1]))
    torch.testing.assert_close(found.scores.float(), torch.tensor([-0.2, 0.7, 0.05]))
    assert found.rather.tolist() == [1, 1, 2]
    torch.testing.assert_close(found.label_probability.float(), torch.tensor([0.5, 0.1, 0.35]))
    torch.testing.assert_close(found.rather_probability.float(), torch.tensor([0.3, 0.8, 0.4]))
    assert found.order.tolist() == [1, 2, 0]


def test_one_logit_is_two_classes() -> None:
    found = ranked(torch.tensor([[2.0], [-1.0]]), torch.tensor([0, 0]))
    sure = [1 / (1 + math.exp(-z)) for z in (2.0, -1.0)]
    assert found.scores.tolist() == pytest.approx([2 * p - 1 for p in sure])
    assert found.rather.tolist() == [1, 1]


def test_real_values_by_hand() -> None:
    one = ranked(torch.tensor([0.5, 2.0, -1.0]), torch.tensor([[0.4], [3.0], [-1.0]]), "regression")
    assert one.scores.tolist() == pytest.approx([0.1, 1.0, 0.0])
    assert one.rather.tolist() == [[0.5], [2.0], [-1.0]]
    assert one.order.tolist() == [1, 0, 2]
    two = ranked(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), "regression")
    assert two.scores.tolist() == pytest.approx([math.sqrt(12.5)])


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(2, 6), st.sampled_from([0.1, 3.0, 100.0]))
def test_the_model_disagrees_where_the_score_is_above_zero(seed: int, n: int, classes: int, spread: float) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, classes, generator=g)
    y = torch.randint(classes, (n,), generator=g)
    found = ranked(logits, y)
    assert (found.rather != y).all()
    assert (found.scores.abs() <= 1.0).all()
    top = logits.argmax(1)
    assert torch.equal(found.scores > 0, top != y)
    assert torch.equal(found.rather[top != y], top[top != y])
    assert sorted(found.order.tolist()) == list(range(n))
    torch.testing.assert_close(ranked(logits, y, chunk=7).scores, found.scores, rtol=0, atol=0)
    again = torch.randperm(n, generator=g)
    torch.testing.assert_close(ranked(logits[again], y[again]).scores, found.scores[again], rtol=0, atol=1e-15)


def test_equal_scores_stay_in_their_order() -> None:
    found = ranked(torch.zeros(40, 3), torch.arange(40) % 3)
    assert found.order.tolist() == list(range(40))


def test_outputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(lfl.UserError, match="not finite"):
        ranked(torch.tensor([[0.0, torch.inf]]), torch.tensor([0]))
