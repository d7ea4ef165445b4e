"""A recomputed function has the derivatives of the function itself, in every order, and keeps its arguments alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.func import grad, jvp, vjp, vmap

from lfl.model.recomputation import Values, recomputed
from lfl.trees import leaves

GENERATOR = torch.Generator().manual_seed(0)
W, D, X, Y = (torch.randn(4, 4, generator=GENERATOR, dtype=torch.float64) for _ in range(4))
Loss = Callable[[torch.Tensor], torch.Tensor]


class Layer:
    """Two results of a weight and an input; the third is a constant."""

    constants = 1

    def __call__(self, *tensors: torch.Tensor) -> Values:
        w, x = tensors
        hidden = torch.tanh(x @ w)
        return hidden.softmax(-1) * x.sum(), hidden.square(), hidden.mean().detach()


def loss(layer: Callable[..., Values]) -> Loss:
    def of_weight(w: torch.Tensor) -> torch.Tensor:
        x = X
        for _ in range(3):
            first, second, scale = layer(w, x)
            x = first + second * scale
        return (x - Y).square().sum()

    return of_weight


PLAIN, AGAIN = loss(Layer()), loss(lambda *tensors: recomputed(Layer(), *tensors))


def along(function: Loss) -> Loss:
    return lambda w: (grad(function)(w) * D).sum()


def pulled_late(function: Loss) -> Any:
    value, pull = vjp(function, W)
    return pull(torch.ones_like(value), retain_graph=False, create_graph=False)


def by_autograd(function: Loss) -> Any:
    w = W.clone().requires_grad_()
    (first,) = torch.autograd.grad(function(w), w, create_graph=True)
    return first.detach(), *torch.autograd.grad((first * D).sum(), w)


STACK = torch.stack([W, 2 * W, -W])
DERIVATIVES: dict[str, Callable[[Loss], Any]] = {
    "first": lambda f: grad(f)(W),
    "first, after the transform's end": pulled_late,
    "second": lambda f: grad(along(f))(W),
    "third": lambda f: grad(along(along(f)))(W),
    "forward": lambda f: jvp(f, (W,), (D,)),
    "forward over reverse": lambda f: jvp(grad(f), (W,), (D,)),
    "reverse over forward": lambda f: grad(lambda w: jvp(f, (w,), (D,))[1])(W),
    "reverse over forward over reverse": lambda f: grad(lambda w: (jvp(grad(f), (w,), (D,))[1] * D).sum())(W),
    "of a stack": lambda f: vmap(grad(f))(STACK),
    "of a stack, forward over reverse": lambda f: vmap(lambda w: jvp(grad(f), (w,), (D,)))(STACK),
    "of a stack, second": lambda f: vmap(grad(along(f)))(STACK),
    "over a stack": lambda f: grad(lambda w: vmap(lambda s: f(s * w))(torch.arange(1.0, 4.0)).sum())(W),
    "by torch.autograd, first and second": by_autograd,
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_every_derivative_is_that_of_the_function(name: str) -> None:
    expected, found = leaves(DERIVATIVES[name](PLAIN)), leaves(DERIVATIVES[name](AGAIN))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12 * float(a.abs().max()))


def test_autograd_keeps_the_arguments_alone() -> None:
    kept: list[torch.Tensor] = []
    w = W.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):  # type: ignore[func-returns-value]
        recomputed(Layer(), w, X)
    assert [t.data_ptr() for t in kept] == [w.data_ptr(), X.data_ptr()]
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):  # type: ignore[func-returns-value]
        Layer()(w, X)
    assert len(kept) > 2


def test_whole_numbers_among_arguments_and_results_are_constants() -> None:
    class Picked:
        constants = 0

        def __call__(self, *tensors: torch.Tensor) -> Values:
            table, ids = tensors
            return table[ids].sin(), ids + 1

    ids = torch.tensor([2, 0, 2])

    def of_table(table: torch.Tensor) -> torch.Tensor:
        values, after = recomputed(Picked(), table, ids)
        assert after.tolist() == [3, 1, 3]
        return values.sum()

    expected = torch.zeros_like(W).index_add(0, ids, W[ids].cos())
    torch.testing.assert_close(grad(of_table)(W), expected)
    tangent = torch.zeros_like(W).index_add(0, ids, -W[ids].sin())
    torch.testing.assert_close(jvp(grad(of_table), (W,), (torch.ones_like(W),))[1], tangent)
