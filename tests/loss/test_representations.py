"""Every representation is a loss that a step can learn."""

import pytest
import torch

import lfl
from lfl.loss import REPRESENTATIONS
from lfl.loss.curve import sample_curves


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_phi_moves_theta_and_is_moved(name: str, kind: str) -> None:
    g = torch.Generator().manual_seed(0)
    phi, loss_fn = REPRESENTATIONS[name](kind, num_outputs=4, generator=g)
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(3, 4))
    y = torch.randint(4, (8,), generator=g) if kind == "classification" else torch.randn(8, 4, generator=g)
    batch = torch.randn(8, 3, generator=g), y
    moved, new_phi, _, info = lfl.meta_step(
        theta,
        phi,
        batch,
        batch,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy if kind == "classification" else lfl.squared_error,
        inner=lfl.sgd(0.1),
        outer=lfl.sgd(0.1),
    )
    assert info.phi_grad_norm > 0
    assert not torch.equal(moved["weight"], theta["weight"])
    assert any(not torch.equal(new_phi[name], phi[name]) for name in phi)
    assert sample_curves(loss_fn, phi).shape == (2 if kind == "classification" else 1, 101)


def test_the_network_of_ml3_is_never_negative() -> None:
    phi, loss_fn = REPRESENTATIONS["relu-softplus"]("regression", generator=torch.Generator().manual_seed(0))
    f, y = torch.randn(2, 500, generator=torch.Generator().manual_seed(1))
    losses = loss_fn(phi, f, y)
    assert losses.min() > 0
    hidden = torch.relu(torch.relu(torch.stack([y, f], 1) @ phi["0.weight"].T) @ phi["1.weight"].T)
    torch.testing.assert_close(losses, torch.nn.functional.softplus(hidden @ phi["2.weight"].T)[:, 0])


def test_the_network_of_ml3_is_drawn_kaiming_normal() -> None:
    phi, _ = REPRESENTATIONS["relu-softplus"]("regression", generator=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(0)
    for weight in phi.values():
        expected = torch.nn.init.kaiming_normal_(torch.empty_like(weight), generator=draws)
        torch.testing.assert_close(weight, expected, rtol=0.0, atol=0.0)
