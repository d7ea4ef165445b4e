"""The checks around a step: they see what they are for, and stand aside inside transforms."""

from typing import Any

import pytest
import torch

import lfl
from lfl.step.guard import in_transform, no_random_draws, no_writes


def test_a_draw_from_the_global_generator_is_seen() -> None:
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match="draws random numbers"), no_random_draws():
        torch.rand(1)
    with no_random_draws():
        torch.rand(1, generator=torch.Generator())


def test_a_write_in_place_is_seen_and_named() -> None:
    theta, x = {"w": torch.ones(2)}, torch.ones(2)
    with no_writes(theta, [(x, x)]):
        theta["w"] * x
    with pytest.raises(lfl.UserError, match=r"theta\['w'\] is written to in place"), no_writes(theta, [(x, x)]):
        theta["w"].clamp_(max=0.5)
    with pytest.raises(lfl.UserError, match="input x is written to in place"), no_writes(theta, [(x, x)]):
        x.relu_()


def test_transforms_are_recognised() -> None:
    seen: list[bool] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(in_transform())
        return x.sum()

    look(torch.zeros(1))
    torch.func.grad(look)(torch.zeros(1))
    torch.func.vmap(look)(torch.zeros(1, 1))
    assert seen == [False, True, True]


class Noise(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x + 0.1 * torch.randn_like(x))


class Clamping(Noise):
    """Writes to its own parameters, as a weight-clipping critic does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.line.weight.clamp_(-0.1, 0.1)
        return self.line(x)


class Embedded(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.line = torch.nn.Embedding(5, 3, max_norm=0.1), torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(self.words(x.long().clamp(0, 4)[:, 0]))


class InPlace(Noise):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.relu_())


def writing(grads: Any, state: Any, theta: Any, lr: Any = None) -> Any:
    """An optimiser's update that subtracts in place."""
    for name, grad in grads.items():
        theta[name].sub_(0.1 * grad)
    return theta, state


def a_step(module: torch.nn.Module, *, carried: bool, inner: Any = None, hypergradient: str = "mixed") -> Any:
    theta, _, apply_fn = lfl.functional(module)
    inner = inner or lfl.sgd(0.1)
    phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(0))
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=lfl.adam(0.1)) if carried else None
    batch = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 0, 1])
    before = {name: t.clone() for name, t in theta.items()}, batch[0].clone()

    def run() -> None:
        lfl.meta_step(
            theta,
            phi,
            batch,
            batch,
            carry,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=inner,
            outer=lfl.adam(0.1),
            hypergradient=hypergradient,
        )

    def unchanged() -> bool:
        return all(torch.equal(theta[name], t) for name, t in before[0].items()) and torch.equal(batch[0], before[1])

    return run, unchanged


@pytest.mark.parametrize("carried", [False, True])
def test_every_eager_step_sees_random_draws(carried: bool) -> None:
    run, _ = a_step(Noise(), carried=carried)
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match=r"draws random numbers.*\(x, y, seed\)"):
        run()


@pytest.mark.parametrize("hypergradient", ["mixed", "unroll", "auto"])
@pytest.mark.parametrize("module", [Clamping, Embedded, InPlace])
def test_a_first_step_refuses_writes_and_leaves_its_inputs_as_they_were(
    module: type[torch.nn.Module], hypergradient: str
) -> None:
    run, unchanged = a_step(module(), carried=False, hypergradient=hypergradient)
    with pytest.raises(lfl.UserError, match="in place"):
        run()
    assert unchanged()


@pytest.mark.parametrize("module", [Clamping, Embedded, InPlace])
def test_later_steps_refuse_writes_too(module: type[torch.nn.Module]) -> None:
    run, _ = a_step(module(), carried=True)
    with pytest.raises(lfl.UserError, match="in place"):
        run()


def test_an_update_in_place_is_refused() -> None:
    run, unchanged = a_step(torch.nn.Linear(3, 2), carried=False, inner=lfl.Optimiser(lambda theta: {}, writing))
    with pytest.raises(lfl.UserError, match="in place"):
        run()
    assert unchanged()


def test_a_base_step_refuses_writes() -> None:
    theta, _, apply_fn = lfl.functional(Clamping())
    weight = theta["line.weight"].clone()
    batch = torch.ones(4, 3), torch.tensor([0, 1, 0, 1])
    loss = lfl.cross_entropy
    with pytest.raises(lfl.UserError, match=r"theta\['line.weight'\] is written to in place"):
        lfl.base_step(theta, batch, apply_fn=apply_fn, loss=loss, task_loss=loss, inner=lfl.sgd(0.1))
    assert torch.equal(theta["line.weight"], weight)
