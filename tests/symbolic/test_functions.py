"""Each function has its published form, and first and second derivatives without NaN."""

import itertools
import math

import numpy as np
import pytest
import torch

from lfl.symbolic import ARITHMETIC, FUNCTIONS, TERMINALS, arity

TINY = 1e-7
OF_NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": lambda a, b: a / np.sqrt(1 + b**2),
    "sign": np.sign,
    "square": np.square,
    "abs": np.abs,
    "log": lambda a: np.log(np.maximum(np.abs(a), TINY)),
    "sqrt": lambda a: np.sqrt(np.maximum(np.abs(a), TINY)),
    "tanh": np.tanh,
    "min": np.minimum,
    "max": np.maximum,
}
HARD = [0.0, -0.0, 1e-30, -1e-8, 1e-7, -2e-7, 1e-3, -0.5, 1.0, -1.0, 7.0, -300.0, 1e6, -1e9]


def pairs(dtype: torch.dtype) -> list[torch.Tensor]:
    return list(torch.tensor(list(itertools.product(HARD, HARD)), dtype=dtype).T)


def test_the_published_order_has_arithmetic_first() -> None:
    assert list(FUNCTIONS) == list(OF_NUMPY)
    assert ARITHMETIC == ("add", "sub", "mul", "div")
    assert [f.arity for f in FUNCTIONS.values()] == [2] * 4 + [1] * 6 + [2] * 2
    assert {arity(name) for name in TERMINALS} == {0}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_numpy(name: str) -> None:
    arguments = pairs(torch.float64)[: arity(name)]
    wanted = torch.from_numpy(OF_NUMPY[name](*(a.numpy() for a in arguments)))
    torch.testing.assert_close(FUNCTIONS[name].form(*arguments), wanted, rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_derivatives_are_finite_everywhere(name: str, dtype: torch.dtype) -> None:
    arguments = pairs(dtype)[: arity(name)]

    def total(*values: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS[name].form(*values).sum()

    argnums = tuple(range(arity(name)))
    first = torch.func.grad(total, argnums)

    def slopes(*values: torch.Tensor) -> torch.Tensor:
        return sum((g.sum() for g in first(*values)), torch.zeros(()))

    for grads in (first(*arguments), torch.func.grad(slopes, argnums)(*arguments)):
        assert all(bool(g.isfinite().all()) for g in grads)
    _, tangents = torch.func.jvp(first, tuple(arguments), tuple(torch.ones_like(a) for a in arguments))
    assert all(bool(t.isfinite().all()) for t in tangents)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_agree_with_finite_differences(name: str) -> None:
    a = torch.tensor([-3.0, -0.7, 0.3, 1.9], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.4, -2.1, 1.1, 0.8], dtype=torch.float64, requires_grad=True)
    arguments = (a, b)[: arity(name)]
    assert torch.autograd.gradcheck(FUNCTIONS[name].form, arguments)
    assert torch.autograd.gradgradcheck(FUNCTIONS[name].form, arguments)


@pytest.mark.parametrize(("name", "value"), [("log", math.log(TINY)), ("sqrt", math.sqrt(TINY))])
def test_within_the_clamp_there_is_no_derivative(name: str, value: float) -> None:
    inside = torch.tensor([0.0, 5e-8, -9e-8], dtype=torch.float64)
    form = FUNCTIONS[name].form
    torch.testing.assert_close(form(inside), torch.full_like(inside, value), rtol=1e-15, atol=0)
    assert torch.func.grad(lambda a: form(a).sum())(inside).tolist() == [0, 0, 0]


def test_derivatives_at_kinks() -> None:
    zero = torch.zeros(1)
    for name in ("abs", "sign"):
        assert torch.func.grad(lambda a, name=name: FUNCTIONS[name].form(a).sum())(zero).item() == 0
    at_two = torch.func.grad(lambda a: FUNCTIONS["sign"].form(a).sum())(torch.tensor([2.0]))
    assert at_two.item() == 0
    for name in ("min", "max"):
        grads = torch.func.grad(lambda a, b, name=name: FUNCTIONS[name].form(a, b).sum(), (0, 1))(zero, zero)
        assert [g.item() for g in grads] == [0.5, 0.5]
