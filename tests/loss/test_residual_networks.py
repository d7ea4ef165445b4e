"""The networks of a residual loss: what that of an example sees and costs, and that of the error is bounded by."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.loss.network import slrelu
from lfl.loss.residual import ERROR_UNIT, error_network, example_network
from lfl.randomness import generator

VALUES = st.floats(-3.0, 3.0)


def drawn(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(1, "outputs")
    return 3.0 * torch.randn(9, classes, generator=g, dtype=torch.float64), torch.randint(classes, (9,), generator=g)


@pytest.mark.parametrize("classes", [2, 3, 50])
def test_it_sees_the_label_s_probability_the_best_other_one_and_how_sure_the_model_is(classes: int) -> None:
    """Against the formula, in numpy."""
    phi, correction = example_network(gain=1.0, generator=generator(0, "phi"))
    phi = {name: t.double() for name, t in phi.items()}
    logits, ids = drawn(classes)
    p = np.exp(logits.numpy() - np.logaddexp.reduce(logits.numpy(), 1)[:, None])
    rows = np.arange(len(ids))
    true, others = p[rows, ids], p.copy()
    others[rows, ids] = 0.0
    x = torch.from_numpy(np.stack([true, others.max(1), (p**2).sum(1), np.log(true) / 5], 1))
    first, second, last = (phi[f"{i}.weight"] for i in range(3))
    expected = (slrelu(slrelu(x @ first.T) @ second.T) @ last.T)[:, 0]
    torch.testing.assert_close(correction(phi, logits, ids), expected, rtol=1e-10, atol=1e-12)


def test_the_order_of_the_other_classes_does_not_matter() -> None:
    phi, correction = example_network(gain=1.0, generator=generator(0, "phi"))
    logits, ids = drawn(6)
    order = torch.randperm(6, generator=generator(2, "order"))
    torch.testing.assert_close(
        correction({k: t.double() for k, t in phi.items()}, logits[:, order], torch.argsort(order)[ids]),
        correction({k: t.double() for k, t in phi.items()}, logits, ids),
    )


def test_doubt_and_ignorance_are_told_apart() -> None:
    """The label has the same probability in both; in the first the model is sure of another class."""
    phi, correction = example_network(gain=1.0, generator=generator(0, "phi"))
    p = torch.tensor([[0.1, 0.9, 1e-4, 1e-4], [0.1, 0.3, 0.3, 0.3]])
    sure, ignorant = correction(phi, p.log(), torch.tensor([0, 0]))
    assert abs(float(sure - ignorant)) > 0.01


def test_it_is_finite_with_its_gradient_where_a_label_has_no_probability() -> None:
    phi, correction = example_network(gain=1.0, generator=generator(0, "phi"))
    logits = torch.tensor([[-1e4, 1e4, 0.0]])
    value, gradient = torch.func.grad_and_value(lambda z: correction(phi, z, torch.tensor([0])).sum())(logits)[::-1]
    assert bool(value.isfinite())
    assert bool(gradient.isfinite().all())


def test_the_matrix_adds_the_expected_cost_of_the_label_s_row() -> None:
    """Against a hand-made cost: two networks of one draw differ by it alone, and by nothing at the start."""
    logits, ids = drawn(4)
    plain, without = example_network(gain=1.0, generator=generator(0, "phi"))
    phi, correction = example_network(classes=4, gain=1.0, generator=generator(0, "phi"))
    torch.testing.assert_close(correction(phi, logits.float(), ids), without(plain, logits.float(), ids))
    cost = torch.randn(4, 4, generator=generator(3, "cost"))
    p = logits.float().softmax(1)
    expected = torch.tensor([float(cost[t] @ row) for t, row in zip(ids, p, strict=True)])
    found = correction(phi | {"cost": cost}, logits.float(), ids) - without(plain, logits.float(), ids)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@given(VALUES, VALUES, VALUES)
@settings(max_examples=50, deadline=None)
def test_it_is_a_function_of_the_error_alone(target: float, error: float, other: float) -> None:
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    phi = {name: t.double() for name, t in phi.items()}
    a, b = (torch.tensor([y], dtype=torch.float64) for y in (target, other))
    torch.testing.assert_close(loss_fn(phi, a + error, a), loss_fn(phi, b + error, b), rtol=1e-9, atol=1e-9)


def test_it_is_a_network_of_tanh_units() -> None:
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    phi = {name: t + 0.1 if "bias" in name else t for name, t in phi.items()}
    net = torch.nn.Sequential(
        torch.nn.Linear(1, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 1, bias=False),
    )
    net.load_state_dict({f"{2 * int(name[0])}{name[1:]}": t for name, t in phi.items()})
    f, y = torch.randn(2, 6, 3, generator=generator(1, "values"))
    expected = net((f - y).reshape(-1, 1) / ERROR_UNIT).reshape(6, 3).mean(1)
    torch.testing.assert_close(loss_fn(phi, f, y), expected)


@pytest.mark.parametrize("error", [1e4, -1e4])
def test_far_errors_are_all_alike(error: float) -> None:
    """Its slope goes to nothing, so that the base alone says what a far outlier costs."""
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    slope = torch.func.grad(lambda f: loss_fn(phi, f, torch.zeros(1)).sum())(torch.tensor([error]))
    assert abs(float(slope)) < 1e-6
