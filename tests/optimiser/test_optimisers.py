"""Every optimiser against `torch.optim`, and its derivative against finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl

PAIRS = {
    "sgd": (lfl.sgd, torch.optim.SGD, {}),
    "momentum": (lfl.sgd, torch.optim.SGD, {"momentum": 0.9}),
    "nesterov, decay": (
        lfl.sgd,
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.03},
    ),
    "adam": (lfl.adam, torch.optim.Adam, {}),
    "adam, all": (lfl.adam, torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": (lfl.adamw, torch.optim.AdamW, {}),
    "rmsprop": (lfl.rmsprop, torch.optim.RMSprop, {}),
    "rmsprop, all": (
        lfl.rmsprop,
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-3, "momentum": 0.8, "centered": True, "weight_decay": 0.1},
    ),
    "adamw, all": (lfl.adamw, torch.optim.AdamW, {"betas": (0.0, 0.99), "eps": 1e-4, "weight_decay": 0.2}),
}


def draw(seed: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=g, dtype=torch.float64) for name, shape in (("w", (3, 2)), ("b", (4,)))}


@pytest.mark.parametrize("name", PAIRS)
def test_equals_torch_over_50_steps_with_a_changing_rate(name: str) -> None:
    ours, theirs, options = PAIRS[name]
    init, update = ours(0.01, **options)
    theta = draw(0)
    parameters = {key: torch.nn.Parameter(value.clone()) for key, value in theta.items()}
    reference = theirs(parameters.values(), lr=0.01, **options)
    state = init(theta)
    for step in range(50):
        rate = 0.01 * (1.0 + 0.5 * math.sin(step))
        grads = draw(1 + step)
        for key, p in parameters.items():
            p.grad = grads[key].clone()
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        theta, state = update(grads, state, theta, torch.tensor(rate, dtype=torch.float64))
        for key, p in parameters.items():
            torch.testing.assert_close(theta[key], p.detach(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_equal_finite_differences(name: str) -> None:
    ours, _, options = PAIRS[name]
    init, update = ours(0.01, **options)
    theta = {"w": draw(0)["w"]}
    _, state = update({"w": draw(1)["w"]}, init(theta), theta)

    def after(g: torch.Tensor, p: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
        return update({"w": g}, state, {"w": p}, rate)[0]["w"]

    inputs = (draw(2)["w"], theta["w"], torch.tensor(0.3, dtype=torch.float64))
    assert torch.autograd.gradcheck(after, [t.requires_grad_() for t in inputs], eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["nesterov, decay", "adam"])
@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clipping_equals_torch(name: str, max_norm: float) -> None:
    ours, theirs, options = PAIRS[name]
    init, update = lfl.clip(ours(0.1, **options), max_norm)
    theta = draw(0)
    parameters = {key: torch.nn.Parameter(value.clone()) for key, value in theta.items()}
    reference = theirs(parameters.values(), lr=0.1, **options)
    state = init(theta)
    for step in range(5):
        grads = draw(1 + step)
        for key, p in parameters.items():
            p.grad = grads[key].clone()
        torch.nn.utils.clip_grad_norm_(parameters.values(), max_norm)
        reference.step()
        theta, state = update(grads, state, theta)
        for key, p in parameters.items():  # torch divides by the norm plus 1e-6
            torch.testing.assert_close(theta[key], p.detach(), rtol=1e-5, atol=1e-5)


def test_clipping_is_differentiable_and_without_nan_at_zero() -> None:
    init, update = lfl.clip(lfl.sgd(0.1), 1.0)
    theta = {"w": draw(0)["w"]}

    def after(g: torch.Tensor) -> torch.Tensor:
        return update({"w": g}, init(theta), theta)[0]["w"]

    for g in (draw(2)["w"], 0.01 * draw(2)["w"]):
        assert torch.autograd.gradcheck(after, [g.requires_grad_()], eps=1e-6, atol=1e-6)
    at_zero = torch.func.grad(lambda g: after(g).sum())(torch.zeros(3, 2, dtype=torch.float64))
    torch.testing.assert_close(at_zero, torch.full((3, 2), -0.1, dtype=torch.float64))


@pytest.mark.parametrize("name", PAIRS)
def test_no_nan_at_zero_gradients(name: str) -> None:
    ours, _, options = PAIRS[name]
    init, update = ours(0.01, **options)
    theta = {"w": torch.zeros(3, dtype=torch.float64)}

    def objective(g: torch.Tensor) -> torch.Tensor:
        new, state = update({"w": g}, init(theta), theta)
        new, _ = update({"w": g}, state, new)
        return new["w"].sum()

    gradient = torch.func.grad(objective)(torch.zeros(3, dtype=torch.float64))
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", PAIRS)
def test_writes_to_nothing(name: str) -> None:
    ours, _, options = PAIRS[name]
    init, update = ours(0.01, **options)
    theta, grads = draw(0), draw(1)
    _, state = update(grads, init(theta), theta)
    before = torch.utils._pytree.tree_map(torch.clone, (theta, grads, state))
    update(grads, state, theta)
    flat, flat_before = (torch.utils._pytree.tree_leaves(t) for t in ((theta, grads, state), before))
    assert all(torch.equal(a, b) for a, b in zip(flat, flat_before, strict=True))


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1.0), st.integers(1, 2000))
def test_adam_bias_correction_keeps_its_digits_in_float32(rate: float, count: int) -> None:
    """A constant gradient moves theta by the rate at every step, whatever the count."""
    init, update = lfl.adam(rate, eps=0.0)
    theta = {"w": torch.zeros(1)}
    state = init(theta)
    g = 1.0
    state = state._replace(
        num_updates=torch.tensor(count),
        mean={"w": torch.tensor([-math.expm1(count * math.log(0.9)) * g])},
        square={"w": torch.tensor([-math.expm1(count * math.log(0.999)) * g])},
    )
    new, _ = update({"w": torch.tensor([g])}, state, theta)
    assert float(-new["w"]) == pytest.approx(rate, rel=2e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: lfl.sgd(-0.1),
        lambda: lfl.sgd(float("nan")),
        lambda: lfl.sgd(0.1, nesterov=True),
        lambda: lfl.clip(lfl.sgd(0.1), -1.0),
        lambda: lfl.sgd(0.1, momentum=-1.0),
        lambda: lfl.adam(0.1, betas=(1.0, 0.9)),
        lambda: lfl.adam(0.1, eps=-1e-8),
        lambda: lfl.adamw(0.1, weight_decay=float("inf")),
    ],
)
def test_bad_settings_are_named(wrong) -> None:
    with pytest.raises(lfl.UserError, match=r"must be a finite number of at least 0|nesterov"):
        wrong()
