"""Where phi cannot move, and only there, a warning says so and names the causes."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.randomness import generator


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


def step(form: str, classes: int = 3, inner: Any = None, dead: bool = False, offline: bool = False, **more: Any) -> Any:
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
    ("trouble", "words"),
    [
        ({"inner": sign(0.1)}, "the sign of the gradient"),
        ({"inner": undifferentiated(0.1)}, r"under torch\.no_grad"),
        ({"classes": 1}, "with one output and class ids a softmax is always 1"),
        ({"dead": True}, "dead ReLU units"),
    ],
    ids=["sign", "no_grad", "one logit", "dead units"],
)
def test_the_causes_are_named(trouble: dict[str, Any], words: str, form: str, offline: bool) -> None:
    with pytest.warns(lfl.ZeroGradientWarning, match=words) as caught:
        step(form, offline=offline, **trouble)
    assert caught[0].filename == __file__


def test_a_step_that_moves_phi_is_silent_and_so_are_later_ones() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        *_, carry, info = step("mixed")
        assert float(info.phi_grad_norm) > 0.0
        step("mixed", inner=sign(0.1), carry=carry._replace(inner={}))
