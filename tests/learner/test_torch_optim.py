"""Instances of torch.optim as pairs: training on a fixed loss equals torch's own loop."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.learner.torch_optim import given_optimiser

from .cases import batch, made

ACCEPTED = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-5, "weight_decay": 0.01}),
    "adamw": (
        torch.optim.AdamW,
        {"lr": torch.tensor(0.01, dtype=torch.float64), "weight_decay": 0.1, "foreach": False},
    ),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.5, "centered": True}),
}


def torch_loop(module: nn.Module, optimiser: Any, scheduler: Any, steps: int) -> None:
    for step in range(steps):
        x, y = batch(step, dtype=torch.float64)
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        optimiser.step()
        scheduler.step()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # the instance itself never steps
@pytest.mark.parametrize("name", ACCEPTED)
def test_equals_torch_with_a_scheduler_of_torch(name: str) -> None:
    kind, settings = ACCEPTED[name]
    ours, theirs = made("batch norm").double(), made("batch norm").double()
    optimiser, reference = (kind(module.parameters(), **copy.deepcopy(settings)) for module in (ours, theirs))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.7)
    loss = ({"unused": torch.ones(1)}, lambda phi, outputs, targets: lfl.cross_entropy(outputs, targets))
    learner = lfl.Learner(ours, loss, optimizer=optimiser, meta_every=None)
    for step in range(6):
        learner.step(batch(step, dtype=torch.float64))
        scheduler.step()
    torch_loop(theirs, reference, torch.optim.lr_scheduler.ExponentialLR(reference, 0.7), 6)
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    assert not optimiser.state


def test_equals_the_pair_with_the_same_settings_bit_for_bit() -> None:
    first, second = made("plain"), made("plain")
    theirs = torch.optim.SGD(first.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    ours = lfl.sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    for module, optimiser in ((first, theirs), (second, ours)):
        learner = lfl.Learner(module, optimizer=optimiser)
        for step in range(3):
            learner.step(batch(step), batch(step, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_of_phi_too() -> None:
    phi = {"scale": torch.ones(())}
    loss = (phi, lambda phi, outputs, targets: phi["scale"] * lfl.cross_entropy(outputs, targets))
    found = []
    for outer in (torch.optim.Adam(phi.values(), 0.05), lfl.adam(0.05)):
        learner = lfl.Learner(made("plain"), loss, loss_optimizer=outer)
        learner.step(batch(0), batch(0, 1))
        found.append(learner.phi["scale"])
    assert torch.equal(*found)


def groups(module: nn.Module) -> torch.optim.Optimizer:
    first, *rest = module.parameters()
    return torch.optim.SGD([{"params": [first]}, {"params": rest, "lr": 0.2}], lr=0.1)


def used(module: nn.Module) -> torch.optim.Optimizer:
    optimiser = torch.optim.Adam(module.parameters())
    module(batch(0)[0]).sum().backward()
    optimiser.step()
    return optimiser


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m: torch.optim.Adagrad(m.parameters()), r"SGD, Adam, AdamW, RMSprop, got Adagrad.*own-optimiser\.md"),
        (lambda m: torch.optim.LBFGS(m.parameters()), r"got LBFGS.*own-optimiser\.md"),
        (lambda m: torch.optim.SGD(m.parameters(), 0.1, maximize=True), "must have maximize=False, got maximize=True"),
        (
            lambda m: torch.optim.SGD(m.parameters(), 0.1, 0.9, dampening=0.5),
            "must have dampening=0, got dampening=0.5",
        ),
        (lambda m: torch.optim.Adam(m.parameters(), amsgrad=True), "must have amsgrad=False, got amsgrad=True"),
        (lambda m: torch.optim.Adam(m.parameters(), decoupled_weight_decay=True), "decoupled_weight_decay=True"),
        (groups, "must have one group of parameters, got 2"),
        (used, "must be new, got a Adam that has taken steps"),
        (lambda m: torch.optim.SGD(list(m.parameters())[:2], 0.1), "got 2 of 4, and 0 others; freeze"),
        (lambda m: torch.optim.SGD(made("plain").parameters(), 0.1), "got 0 of 4, and 4 others"),
    ],
)
def test_what_has_no_pure_equal_is_refused_in_words(make: Any, words: str) -> None:
    module = made("plain")
    with pytest.raises(lfl.UserError, match=words):
        lfl.Learner(module, optimizer=make(module))


def test_a_pair_is_what_it_was() -> None:
    pair = lfl.sgd(0.1)
    assert given_optimiser("optimizer", pair).pair is pair
    with pytest.raises(lfl.UserError, match=r"optimizer must be an lfl\.Optimiser"):
        given_optimiser("optimizer", 0.1)
