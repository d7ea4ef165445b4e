"""Derivatives of a gradient along a direction, against the whole Hessian."""

from typing import Any

import torch

from lfl.hypergradient.curvature import gradient_along


def value(theta: Any, phi: Any) -> Any:
    return (torch.tanh(theta["a"] @ phi) * theta["b"]).sum() + (theta["a"] ** 3).sum()


def draws() -> tuple[Any, torch.Tensor, Any]:
    g = torch.Generator().manual_seed(0)
    a, b, phi, da, db = (torch.randn(s, generator=g, dtype=torch.float64) for s in ((3, 2), (3,), (2,), (3, 2), (3,)))
    return {"a": a, "b": b}, phi, {"a": da, "b": db}


def by_hessian(theta: Any, phi: torch.Tensor, d: Any) -> Any:
    whole = torch.func.hessian(lambda both: value(*both))((theta, phi))[0]
    of_theta = {
        row: sum(torch.tensordot(d[column], whole[column][0][row], d[column].dim()) for column in theta)
        for row in theta
    }
    of_phi = sum(torch.tensordot(d[column], whole[column][1], d[column].dim()) for column in theta)
    return of_theta, of_phi


def test_it_is_the_hessian_times_the_direction() -> None:
    theta, phi, direction = draws()
    expected = torch.func.grad(value)(theta, phi), by_hessian(theta, phi, direction)
    torch.testing.assert_close(gradient_along(value, theta, phi, direction), expected)
    found, (product, nothing) = gradient_along(lambda theta, _: value(theta, phi), theta, (), direction)
    torch.testing.assert_close((found, product), (expected[0], expected[1][0]))
    assert nothing == ()


def test_compiled_it_is_the_same() -> None:
    theta, phi, direction = draws()
    program = torch.compile(lambda *args: gradient_along(value, *args), fullgraph=True, backend="eager")
    torch.testing.assert_close(program(theta, phi, direction), gradient_along(value, theta, phi, direction))
    # Where forward mode fails: within vmap.
    batched = torch.compile(
        torch.func.vmap(lambda phi: gradient_along(value, theta, phi, direction)), fullgraph=True, backend="eager"
    )
    torch.testing.assert_close(batched(phi[None])[1][1][0], by_hessian(theta, phi, direction)[1])
