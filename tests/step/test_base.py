"""An ordinary step against `torch.optim`."""

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import lfl


def test_equals_a_plain_torch_loop() -> None:
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()
    theta, _, apply_fn = lfl.functional(module)
    reference = copy.deepcopy(module)
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9)
    carry = None
    for _ in range(20):
        x = torch.randn(8, 5, generator=g, dtype=torch.float64)
        y = torch.randint(3, (8,), generator=g)
        theta, carry, info = lfl.base_step(
            theta,
            (x, y),
            carry,
            apply_fn=apply_fn,
            loss=lfl.cross_entropy,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1, momentum=0.9),
        )
        optimiser.zero_grad()
        loss = F.cross_entropy(reference(x), y)
        loss.backward()
        optimiser.step()
        torch.testing.assert_close(info.inner_loss, loss.detach())
    for name, value in reference.state_dict().items():
        torch.testing.assert_close({**theta, **carry.buffers}[name], value, rtol=1e-11, atol=1e-12)


def test_a_frozen_learned_loss_is_descended_while_the_task_loss_is_reported() -> None:
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(nn.Linear(4, 3))
    phi, loss_fn = lfl.loss_network("classification", generator=g)
    x, y = torch.randn(8, 4, generator=g), torch.randint(3, (8,), generator=g)
    new, _, info = lfl.base_step(
        theta,
        (x, y),
        apply_fn=apply_fn,
        loss=partial(loss_fn, phi),
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(1.0),
    )
    leaf = {name: t.clone().requires_grad_() for name, t in theta.items()}
    outputs = apply_fn(leaf, buffers, x)[0]
    grads = torch.autograd.grad(loss_fn(phi, outputs, y).mean(), list(leaf.values()))
    for name, grad in zip(leaf, grads, strict=True):
        torch.testing.assert_close(new[name], theta[name] - grad)
    torch.testing.assert_close(info.outer_loss, F.cross_entropy(outputs, y).detach())
