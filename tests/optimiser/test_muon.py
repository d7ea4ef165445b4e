"""Muon against torch.optim.Muon and a singular value decomposition, and its derivative against finite differences."""

import pytest
import torch

import lfl


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("adjust", ["original", "match-rms-adamw"])
def test_equals_torch_in_its_precision(nesterov: bool, adjust: str) -> None:
    theta = {"tall": draw(0, 6, 3), "wide": draw(1, 3, 5)}
    theta = {name: p.float() for name, p in theta.items()}
    parameters = {name: torch.nn.Parameter(p.clone()) for name, p in theta.items()}
    settings = {"momentum": 0.8, "weight_decay": 0.2, "nesterov": nesterov}
    reference = torch.optim.Muon(parameters.values(), lr=0.02, adjust_lr_fn=adjust.replace("-", "_"), **settings)
    init, update = lfl.muon(0.02, adjust=adjust, dtype=torch.bfloat16, **settings)
    state = init(theta)
    for step in range(20):
        grads = {name: draw(2 + step, *p.shape).float() for name, p in theta.items()}
        for name, p in parameters.items():
            p.grad = grads[name].clone()
        reference.step()
        theta, state = update(grads, state, theta)
        for name, p in parameters.items():
            torch.testing.assert_close(theta[name], p.detach())


def test_a_matrix_moves_along_its_orthogonal_factor() -> None:
    """Many more steps of the iteration that converges, (2, -1.5, 0.5), give U V^T to rounding."""
    theta = {"w": torch.zeros(4, 6, dtype=torch.float64)}
    grad = draw(3, 4, 6)
    init, update = lfl.muon(1.0, momentum=0.0, weight_decay=0.0, ns_coefficients=(2.0, -1.5, 0.5), ns_steps=40)
    moved = update({"w": grad}, init(theta), theta)[0]["w"]
    u, _, vh = torch.linalg.svd(grad, full_matrices=False)
    torch.testing.assert_close(moved, -u @ vh, rtol=0.0, atol=1e-12)


def test_a_convolution_is_a_matrix_and_vectors_are_adamw_s() -> None:
    theta = {"conv": draw(0, 4, 3, 2, 2), "bias": draw(1, 4), "scale": draw(2)}
    grads = {name: draw(5, *p.shape) for name, p in theta.items()}
    init, update = lfl.muon(0.1, others_lr=0.02, weight_decay=0.3)
    for rate, others_rate in ((None, 0.02), (torch.tensor(0.05, dtype=torch.float64), 0.01)):
        moved, _ = update(grads, init(theta), theta, rate)
        flat = {"conv": theta["conv"].flatten(1)}
        as_matrix, _ = update({"conv": grads["conv"].flatten(1)}, init(flat), flat, rate)
        assert torch.equal(moved["conv"].flatten(1), as_matrix["conv"])
        small = {name: theta[name] for name in ("bias", "scale")}
        adam_init, adam_update = lfl.adamw(others_rate, weight_decay=0.3)
        others, _ = adam_update({name: grads[name] for name in small}, adam_init(small), small)
        for name in small:
            torch.testing.assert_close(moved[name], others[name], rtol=1e-14, atol=0.0)


def test_derivatives_equal_finite_differences() -> None:
    init, update = lfl.muon(0.1, weight_decay=0.1)
    theta = {"w": draw(0, 3, 4), "b": draw(1, 3)}
    _, state = update({"w": draw(2, 3, 4), "b": draw(3, 3)}, init(theta), theta)

    def after(w: torch.Tensor, b: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(update({"w": w, "b": b}, state, theta | {"w": p})[0].values())

    inputs = (draw(4, 3, 4), draw(5, 3), theta["w"])
    assert torch.autograd.gradcheck(after, [t.clone().requires_grad_() for t in inputs], atol=1e-6)


def test_no_nan_at_zero_gradients() -> None:
    init, update = lfl.muon(0.1)
    theta = {"w": draw(0, 3, 4)}

    def objective(g: torch.Tensor) -> torch.Tensor:
        moved, state = update({"w": g}, init(theta), theta)
        return update({"w": g}, state, moved)[0]["w"].square().sum()

    zero = torch.zeros(3, 4, dtype=torch.float64)
    assert torch.isfinite(torch.func.grad(objective)(zero)).all()
    assert torch.isfinite(torch.func.hessian(objective)(zero)).all()


@pytest.mark.parametrize("settings", [{"momentum": 1.0}, {"lr": -0.1}, {"adjust": "rms"}, {"others_lr": -1.0}])
def test_bad_settings_are_named(settings) -> None:
    with pytest.raises(lfl.UserError, match=next(iter(settings))):
        lfl.muon(**({"lr": 0.1} | settings))
