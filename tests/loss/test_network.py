"""The loss network against its formula, and the invariances that make it a loss of one output."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.loss.network import slrelu
from lfl.randomness import generator


def by_hand(phi: dict[str, torch.Tensor], y: float, f: float) -> float:
    """l_phi in plain Python."""

    def activation(x: float) -> float:
        soft = max(10.0 * x, 0.0) + math.log1p(math.exp(-abs(10.0 * x)))
        return 0.99 / 10.0 * soft + 0.01 * x

    x = [y, f]
    for i in range(3):
        x = [sum(w * v for w, v in zip(row, x, strict=True)) for row in phi[f"{i}.weight"].tolist()]
        x = [activation(v) for v in x] if i < 2 else x
    return x[0]


def make(kind: str, seed: int = 0, **options):
    return lfl.loss_network(kind, generator=generator(seed, "phi"), dtype=torch.float64, **options)


def test_classification_is_the_published_formula() -> None:
    phi, loss_fn = make("classification")
    outputs = torch.randn(3, 4, generator=generator(1, "x"), dtype=torch.float64)
    targets = torch.tensor([0, 3, 1])
    probabilities = torch.softmax(outputs, -1)
    expected = [
        sum(by_hand(phi, float(c == t), float(p)) for c, p in enumerate(row)) / 4
        for t, row in zip(targets, probabilities, strict=True)
    ]
    torch.testing.assert_close(
        loss_fn(phi, outputs, targets), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )


def test_regression_is_the_published_formula_summed() -> None:
    phi, loss_fn = make("regression", reduction="sum")
    f, y = (torch.randn(3, 2, generator=generator(s, "x"), dtype=torch.float64) for s in (1, 2))
    expected = [sum(by_hand(phi, float(y[i, c]), float(f[i, c])) for c in range(2)) for i in range(3)]
    torch.testing.assert_close(loss_fn(phi, f, y), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_slrelu_does_not_overflow_and_has_its_slopes() -> None:
    x = torch.tensor([-1e4, -1e2, 1e2, 1e4], requires_grad=True)
    slopes = torch.autograd.grad(slrelu(x).sum(), x)[0]
    torch.testing.assert_close(slopes, torch.tensor([0.01, 0.01, 1.0, 1.0]))
    x64 = torch.linspace(-3, 3, 25, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(slrelu, (x64,))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.sampled_from(["classification", "regression"]),
    st.sampled_from(["mean", "sum"]),
)
def test_unchanged_when_outputs_are_permuted(seed: int, width: int, kind: str, reduction: str) -> None:
    phi, loss_fn = make(kind, seed, reduction=reduction)
    g = generator(seed, "data")
    order = torch.randperm(width, generator=g)
    outputs = torch.randn(5, width, generator=g, dtype=torch.float64)
    if kind == "classification":
        targets = torch.randint(width, (5,), generator=g)
        permuted = torch.argsort(order)[targets]
    else:
        targets = torch.randn(5, width, generator=g, dtype=torch.float64)
        permuted = targets[:, order]
    torch.testing.assert_close(
        loss_fn(phi, outputs[:, order], permuted), loss_fn(phi, outputs, targets), rtol=1e-10, atol=1e-12
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 3))
def test_the_same_phi_fits_any_number_of_outputs(width: int, depth: int) -> None:
    phi, loss_fn = make("regression", width=8, depth=depth)
    y = torch.full((2, width), 0.25, dtype=torch.float64)
    # Equal outputs: the mean over any number of them is the loss of one.
    torch.testing.assert_close(loss_fn(phi, y + 0.5, y), loss_fn(phi, y[:, 0] + 0.5, y[:, 0]))


def test_options_reach_the_network() -> None:
    phi, loss_fn = make("regression", width=7, depth=3, bias=True, output_activation="softplus", init="kaiming_normal")
    assert [tuple(phi[f"{i}.weight"].shape) for i in range(4)] == [(7, 2), (7, 7), (7, 7), (1, 7)]
    assert all(not phi[f"{i}.bias"].any() for i in range(4))
    assert (loss_fn(phi, torch.randn(9, 2, dtype=torch.float64), torch.zeros(9, 2, dtype=torch.float64)) > 0).all()
    assert sorted(make("regression")[0]) == ["0.weight", "1.weight", "2.weight"]


def test_xavier_uniform_fills_its_range() -> None:
    phi, _ = lfl.loss_network("regression", width=2000, gain=0.5, generator=generator(0, "phi"))
    bound = 0.5 * math.sqrt(6.0 / 4000)
    assert float(phi["1.weight"].abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(phi["1.weight"].std()) == pytest.approx(bound / math.sqrt(3), rel=1e-2)


def test_linear_draws_as_torch_does() -> None:
    phi, _ = lfl.loss_network("regression", init="linear", gain=1.0, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [torch.nn.Linear(*sizes, bias=False) for sizes in ((2, 40), (40, 40), (40, 1))]
    for i, layer in enumerate(layers):
        torch.testing.assert_close(phi[f"{i}.weight"], layer.weight.detach(), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 0}, "at least 1"),
        ({"depth": 0}, "at least 1"),
        ({"activation": "swish"}, "choose one of: slrelu"),
        ({"init": "zeros"}, "choose one of: xavier_uniform"),
        ({"reduction": "max"}, "choose one of: mean, sum"),
    ],
)
def test_bad_options_are_named(options, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        make("regression", **options)


def test_bad_shapes_are_named() -> None:
    phi, loss_fn = make("classification")
    outputs = torch.zeros(3, 4, dtype=torch.float64)
    with pytest.raises(lfl.UserError, match=r"\[batch, classes\]"):
        loss_fn(phi, outputs[0], torch.tensor([1]))
    with pytest.raises(lfl.UserError, match="class ids"):
        loss_fn(phi, outputs, torch.zeros(3))
    phi, loss_fn = make("regression")
    with pytest.raises(lfl.UserError, match="differ in shape"):
        loss_fn(phi, outputs, outputs[:, 0])
