"""The error of a model on a split, its metrics, and what a step on a learned loss amounts to."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, mean_absolute_error, r2_score

import lfl
from lfl.data.splits import Split
from lfl.training import ERRORS, effective_rate, evaluate, metrics_of, outputs_on
from lfl.training.metrics import WORDS, calibration_error


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
    with pytest.raises(lfl.UserError, match="no example counts"):
        evaluate(apply_fn, theta, buffers, Split(torch.zeros(1, 3), torch.tensor([-100])), ERRORS["classification"])


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 60))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_metrics_of_classes_are_scikit_learns(seed: int, classes: int, size: int) -> None:
    g = torch.Generator().manual_seed(seed)
    outputs, ids = torch.randn(size, classes, generator=g), torch.randint(classes, (size,), generator=g)
    found = metrics_of("classification", outputs, ids)
    assert list(found) == [name for name in WORDS if name in found]
    chosen, likely = outputs.argmax(1), torch.softmax(outputs.double(), 1)
    assert found["balanced_error"] == pytest.approx(1 - balanced_accuracy_score(ids, chosen), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1_score(ids, chosen, average="macro", zero_division=0.0), abs=1e-12)
    assert found["negative_log_likelihood"] == pytest.approx(log_loss(ids, likely, labels=range(classes)), rel=1e-9)
    assert 0 <= found["calibration_error"] <= 1


def test_metrics_of_classes_by_hand() -> None:
    """Two of three of class 0 and one of one of class 1 right; F1 is 4/5 and 2/3."""
    outputs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = metrics_of("classification", outputs, torch.tensor([0, 0, 0, 1]))
    sure = math.e / (1 + math.e)
    assert found["balanced_error"] == pytest.approx(1 - (2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["calibration_error"] == pytest.approx(abs(3 / 4 - sure))
    assert found["negative_log_likelihood"] == pytest.approx(-(3 * math.log(sure) + math.log(1 - sure)) / 4)


def test_one_logit_is_two_classes() -> None:
    z, ids = torch.linspace(-2, 2, 9), torch.tensor([0, 1, 0, 0, 1, 1, 0, 1, 1])
    two = metrics_of("classification", torch.stack([torch.zeros(9), z], 1), ids)
    assert metrics_of("classification", z, ids) == two == metrics_of("classification", z[:, None], ids)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(2, 50))
def test_metrics_of_values_are_scikit_learns(seed: int, width: int, size: int) -> None:
    outputs, targets = torch.randn(2, size, width, generator=torch.Generator().manual_seed(seed))
    found = metrics_of("regression", outputs, targets)
    assert list(found) == ["r2", "absolute_error"]
    assert found["r2"] == pytest.approx(r2_score(targets.double(), outputs.double()), rel=1e-9)
    assert found["absolute_error"] == pytest.approx(mean_absolute_error(targets.double(), outputs.double()), rel=1e-9)


def test_what_has_no_value_is_left_out() -> None:
    assert metrics_of("regression", torch.tensor([[1.0]]), torch.tensor([[3.0]])) == {"absolute_error": 2.0}
    assert metrics_of("regression", torch.tensor([[1.0], [math.inf]]), torch.zeros(2, 1)) == {}
    assert metrics_of("classification", torch.tensor([[1.0, math.nan]]), torch.tensor([0])) == {}


def test_calibration_error_by_hand() -> None:
    """Five bins: two examples at 0.55, one right; two each at 0.9 and 1.0, three right together."""
    confidence = torch.tensor([0.55, 0.55, 0.9, 0.9, 1.0, 1.0], dtype=torch.float64)
    likely = torch.stack([confidence, 1 - confidence], 1)
    ids = torch.tensor([0, 1, 0, 0, 0, 1])
    assert calibration_error(likely, ids, bins=5) == pytest.approx(0.05 / 3 + 2 * 0.2 / 3)


def test_the_upper_edge_of_a_bin_is_its_own() -> None:
    """0.5 and 0.25 lie in the bins that they end, as in the formula's (b/B, (b+1)/B]."""
    likely = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.75, 0.25, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    off = np.array([1 - 0.5, 0 - 0.75, 0 - 0.25])
    assert calibration_error(likely, torch.tensor([0, 1, 3]), bins=4) == pytest.approx(np.abs(off).sum() / 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 20))
def test_calibration_error_by_sorting_into_bins(seed: int, size: int, bins: int) -> None:
    g = torch.Generator().manual_seed(seed)
    likely = torch.softmax(2 * torch.randn(size, 3, generator=g, dtype=torch.float64), 1)
    ids = torch.randint(3, (size,), generator=g)
    confidence, right = likely.max(1).values.numpy(), (likely.argmax(1) == ids).double().numpy()
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(likely, ids, bins) == pytest.approx(total, abs=1e-12)


def rate_of(loss) -> float:
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
    theta = {name: torch.randn(t.shape, generator=g, dtype=torch.float64) for name, t in theta.items()}
    split = Split(torch.randn(8, 3, generator=g, dtype=torch.float64), torch.randint(2, (8,), generator=g))
    return float(effective_rate(apply_fn, theta, buffers, split, loss=loss, task_loss=lfl.cross_entropy))


def test_multiples_of_the_task_loss_count_as_such() -> None:
    torch.testing.assert_close(rate_of(lambda f, y: 3.0 * lfl.cross_entropy(f, y) + 1.0), 3.0)
    torch.testing.assert_close(rate_of(lambda f, y: -0.5 * lfl.cross_entropy(f, y)), -0.5)


def test_what_is_orthogonal_to_the_task_loss_does_not_count() -> None:
    """The sum of all logits: cross-entropy does not change along it, so the biases' part is orthogonal."""
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
    theta = {name: torch.randn(t.shape, generator=g, dtype=torch.float64) for name, t in theta.items()}
    nothing = torch.zeros(8, 3, dtype=torch.float64)  # so that the biases are all there is
    split = Split(nothing, torch.randint(2, (8,), generator=g))
    moved = effective_rate(
        apply_fn,
        theta,
        buffers,
        split,
        loss=lambda f, y: f.sum(-1) + 2.0 * lfl.cross_entropy(f, y),
        task_loss=lfl.cross_entropy,
    )
    torch.testing.assert_close(float(moved), 2.0)


def test_metrics_of_labels_are_those_of_scikit_learn() -> None:
    g = torch.Generator().manual_seed(0)
    outputs, y = torch.randn(50, 4, generator=g), torch.randint(2, (50, 4), generator=g)
    found, chosen = metrics_of("multilabel", outputs, y), (outputs > 0).long().numpy()
    assert found["macro_f1"] == pytest.approx(f1_score(y.numpy(), chosen, average="macro"), abs=1e-12)
    assert found["micro_f1"] == pytest.approx(f1_score(y.numpy(), chosen, average="micro"), abs=1e-12)
    assert found["subset_error"] == pytest.approx(float((y.numpy() != chosen).any(1).mean()), abs=1e-12)
    likelihood = log_loss(y.flatten().numpy(), torch.sigmoid(outputs.double()).flatten().numpy())
    assert found["negative_log_likelihood"] == pytest.approx(likelihood, rel=1e-6)
    error = float(ERRORS["multilabel"](outputs, y).mean())
    assert error == pytest.approx(float((chosen != y.numpy()).mean()), abs=1e-7)


def test_characters_are_each_an_example_and_bits_are_nats_over_log_two() -> None:
    logits = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))
    y = torch.randint(6, (5, 4), generator=torch.Generator().manual_seed(1))
    x = torch.arange(20).view(5, 4)
    rows, targets = outputs_on(lambda theta, buffers, x, training: (logits[x[:, 0] // 4], {}), {}, {}, Split(x, y), 2)
    assert torch.equal(rows, logits.flatten(0, 1))
    assert torch.equal(targets, y.flatten())
    found = metrics_of("classification", rows, targets, tokens=True)
    likely = logits.double().softmax(-1).gather(-1, y[..., None])
    assert found["bits_per_character"] == pytest.approx(-float(likely.log2().mean()))
    assert found["negative_log_likelihood"] == pytest.approx(-float(likely.log().mean()))
    assert found.keys() == {"bits_per_character", "negative_log_likelihood", "calibration_error"}
