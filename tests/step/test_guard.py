"""The checks around a step: they see what they are for, and stand aside inside transforms; phi that cannot move."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.randomness import generator
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

    def record(x: torch.Tensor) -> torch.Tensor:
        seen.append(in_transform())
        return x.sum()

    record(torch.zeros(1))
    torch.func.grad(record)(torch.zeros(1))
    torch.func.vmap(record)(torch.zeros(1, 1))
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


def sign(lr: float) -> lfl.Optimiser:
    return lfl.Optimiser(
        lambda theta: {},
        lambda grads, state, theta, lr_=None: ({n: p - lr * grads[n].sign() for n, p in theta.items()}, state),
    )


def undifferentiated(lr: float) -> lfl.Optimiser:
    def update(grads: Any, state: Any, theta: Any, lr_: Any = None) -> Any:
        with torch.no_grad():
            return {n: p - lr * grads[n] for n, p in theta.items()}, state

    return lfl.Optimiser(lambda theta: {}, update)


def learning_step(
    form: str, classes: int = 3, inner: Any = None, dead: bool = False, offline: bool = False, **more: Any
) -> Any:
    g = generator(0, "zero")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theta, _, apply_fn = lfl.functional(nn.Linear(4, classes))
    phi = {"a": torch.tensor(-1.0 if dead else 1.0), "b": torch.tensor(0.5)}

    def loss_fn(phi: Any, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = torch.softmax(outputs, -1)
        return (torch.relu(phi["a"] * p + (0.0 if dead else phi["b"])) - p**2).sum(-1)

    batch = torch.randn(6, 4, generator=g), torch.randint(classes, (6,), generator=g)
    kwargs = {"apply_fn": apply_fn, "loss_fn": loss_fn, "inner": inner or lfl.sgd(0.1), "outer": lfl.adam(1e-3)}
    kwargs |= {"task_loss": lambda outputs, y: outputs.square().sum(-1), "hypergradient": form} | more
    if offline:
        return lfl.offline_step(theta, phi, [batch], batch, **kwargs)
    return lfl.meta_step(theta, phi, batch, batch, **kwargs)


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("form", ["unroll", "mixed"])
@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ({"inner": sign(0.1)}, "the sign of the gradient"),
        ({"inner": undifferentiated(0.1)}, r"under torch\.no_grad"),
        ({"classes": 1}, "with one output and class ids a softmax is always 1"),
        ({"dead": True}, "dead ReLU units"),
    ],
    ids=["sign", "no_grad", "one logit", "dead units"],
)
def test_the_causes_are_named(cause: dict[str, Any], words: str, form: str, offline: bool) -> None:
    with pytest.warns(lfl.ZeroGradientWarning, match=words) as caught:
        learning_step(form, offline=offline, **cause)
    assert caught[0].filename == __file__


def test_a_step_that_moves_phi_is_silent_and_so_are_later_ones() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        *_, carry, info = learning_step("mixed")
        assert float(info.phi_grad_norm) > 0.0
        learning_step("mixed", inner=sign(0.1), carry=carry._replace(inner={}))
