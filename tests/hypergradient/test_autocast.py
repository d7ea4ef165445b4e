"""The caller's own autocast: exact forms agree with autograd's double backward under it; differences are refused."""

import pytest
import torch
from torch import nn

import lfl
from lfl.hypergradient import finite_difference

NETS = {
    "dense": (lambda: nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)), (16, 5)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)),
        (16, 1, 6, 6),
    ),
}
RATE = 0.5


def setup(name: str):
    make, shape = NETS[name]
    torch.manual_seed(0)
    net = make()
    g = torch.Generator().manual_seed(1)
    phi, loss_fn = lfl.loss_network("classification", generator=g)
    x, y = torch.randn(shape, generator=g), torch.randint(0, 3, (16,), generator=g)
    return net, phi, loss_fn, (x, y), (x.flip(0), y.flip(0))


def step(name: str, form) -> torch.Tensor:
    """The gradient of phi, by a step of 1 along it."""
    net, phi, loss_fn, train, valid = setup(name)
    theta, _, apply_fn = lfl.functional(net)
    with torch.autocast("cpu", torch.bfloat16):
        _, moved, _, _ = lfl.meta_step(
            theta,
            phi,
            train,
            valid,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(RATE),
            outer=lfl.sgd(1.0),
            hypergradient=form,
        )
    return torch.cat([(phi[k] - moved[k]).flatten() for k in phi])


def double_backward(name: str) -> torch.Tensor:
    net, phi, loss_fn, (x, y), (x_val, y_val) = setup(name)
    theta = {k: p.detach().requires_grad_() for k, p in net.named_parameters()}
    phi = {k: p.clone().requires_grad_() for k, p in phi.items()}
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        loss = loss_fn(phi, torch.func.functional_call(net, theta, (x,)), y).mean()
        grads = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
        moved = {k: p - RATE * g for (k, p), g in zip(theta.items(), grads, strict=True)}
        outer = lfl.cross_entropy(torch.func.functional_call(net, moved, (x_val,)), y_val).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(outer, list(phi.values()))])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["unroll", "mixed"])
@pytest.mark.parametrize("name", NETS)
def test_exact_forms_are_right_up_to_the_rounding_of_bfloat16(name: str, form: str) -> None:
    expected = double_backward(name)
    assert float((step(name, form) - expected).norm() / expected.norm()) < torch.finfo(torch.bfloat16).eps * 2


@pytest.mark.parametrize("form", ["finite-difference", finite_difference])
def test_differences_of_rounded_passes_are_refused(form) -> None:
    with pytest.raises(
        lfl.UserError, match=r"finite differences under torch.autocast .* choose hypergradient 'unroll'"
    ):
        step("dense", form)
