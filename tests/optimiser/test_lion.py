"""Lion against the published algorithm, line by line, and its soft form against finite differences."""

import warnings

import pytest
import torch

import lfl


def published(theta, grads, rate, b1, b2, decay):
    """Algorithm 2 of Chen et al. (2023), a number at a time."""
    theta, m = list(theta), [0.0] * len(theta)
    for g in grads:
        for i in range(len(theta)):
            c = b1 * m[i] + (1.0 - b1) * g[i]
            sign = (c > 0.0) - (c < 0.0)
            theta[i] -= rate * (sign + decay * theta[i])
            m[i] = b2 * m[i] + (1.0 - b2) * g[i]
    return theta, m


@pytest.mark.parametrize(("betas", "decay"), [((0.9, 0.99), 0.0), ((0.5, 0.8), 0.3)])
def test_equals_the_published_algorithm(betas: tuple[float, float], decay: float) -> None:
    g = torch.Generator().manual_seed(0)
    grads = torch.randn(40, 5, generator=g, dtype=torch.float64)
    grads[:, 4] = 0.0
    start = torch.randn(5, generator=g, dtype=torch.float64)
    init, update = lfl.lion(0.01, betas=betas, weight_decay=decay)
    theta = {"w": start}
    state = init(theta)
    for grad in grads:
        theta, state = update({"w": grad}, state, theta)
    wanted, momentum = published(start.tolist(), grads.tolist(), 0.01, *betas, decay)
    torch.testing.assert_close(theta["w"], torch.tensor(wanted, dtype=torch.float64), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(state["w"], torch.tensor(momentum, dtype=torch.float64), rtol=1e-13, atol=1e-13)


def test_a_step_given_a_rate_takes_it() -> None:
    init, update = lfl.lion(0.01)
    theta = {"w": torch.zeros(2)}
    moved, _ = update({"w": torch.tensor([2.0, -3.0])}, init(theta), theta, torch.tensor(0.5))
    assert moved["w"].tolist() == [-0.5, 0.5]


def test_the_soft_form_nears_the_sign_and_has_a_derivative() -> None:
    theta = {"w": torch.tensor([0.3, -0.4], dtype=torch.float64)}
    grads = torch.tensor([2.0, -1.0], dtype=torch.float64)
    hard, soft = (lfl.lion(0.1, softness=softness) for softness in (0.0, 1e-6))
    pairs = [update({"w": grads}, init(theta), theta)[0]["w"] for init, update in (hard, soft)]
    torch.testing.assert_close(pairs[0], pairs[1], rtol=0.0, atol=1e-10)
    init, update = lfl.lion(0.1, softness=0.2, weight_decay=0.1)

    def after(g: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return update({"w": g}, init(theta), {"w": p})[0]["w"]

    for at in (grads, torch.zeros(2, dtype=torch.float64)):
        inputs = [at.clone().requires_grad_(), theta["w"].clone().requires_grad_()]
        assert torch.autograd.gradcheck(after, inputs)


def test_no_loss_is_learned_through_signs_and_a_warning_says_so() -> None:
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
    g = torch.Generator().manual_seed(0)
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g)
    batch = torch.randn(8, 3, generator=g), torch.randint(2, (8,), generator=g)

    def gradient(inner: lfl.Optimiser) -> lfl.Info:
        return lfl.phi_gradient(
            theta, phi, batch, batch, apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy, inner=inner
        )[1]

    with pytest.warns(lfl.ZeroGradientWarning, match="sign of the gradient"):
        gradient(lfl.lion(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradient(lfl.lion(0.1, softness=0.1)).phi_grad_norm > 0.0


@pytest.mark.parametrize("settings", [{"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"softness": -1.0}, {"lr": -1.0}])
def test_bad_settings_are_named(settings) -> None:
    with pytest.raises(lfl.UserError, match=rf"^{next(iter(settings))}.*must be"):
        lfl.lion(**({"lr": 0.1} | settings))
