"""The solvers against a dense solution."""

import pytest
import torch

from lfl.hypergradient.solvers import conjugate_gradient, neumann

g = torch.Generator().manual_seed(0)
ROOT = torch.randn(6, 6, generator=g, dtype=torch.float64)
MATRIX = ROOT @ ROOT.T / 6 + torch.eye(6, dtype=torch.float64)
RIGHT = {
    "a": torch.randn(2, 2, generator=g, dtype=torch.float64),
    "b": torch.randn(2, generator=g, dtype=torch.float64),
}


def flat(tree: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tree["a"].flatten(), tree["b"]])


def product(tree: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out = MATRIX @ flat(tree)
    return {"a": out[:4].view(2, 2), "b": out[4:]}


def test_conjugate_gradient_is_exact_after_as_many_iterations_as_there_are_numbers() -> None:
    exact = torch.linalg.solve(MATRIX, flat(RIGHT))
    torch.testing.assert_close(flat(conjugate_gradient(product, RIGHT, 6)), exact)
    torch.testing.assert_close(flat(conjugate_gradient(product, RIGHT, 40)), exact)


@pytest.mark.parametrize("tolerance", [0.3, 0.03, 0.003])
def test_conjugate_gradient_goes_on_until_its_tolerance_and_no_further(tolerance: float) -> None:
    def residual(num_terms: int, tolerance: float = 0.0) -> float:
        found = conjugate_gradient(product, RIGHT, num_terms, tolerance)
        return float((flat(RIGHT) - MATRIX @ flat(found)).norm() / flat(RIGHT).norm())

    needed = next(n for n in range(1, 7) if residual(n) <= tolerance)
    assert residual(30, tolerance) == pytest.approx(residual(needed), rel=1e-6)


def test_nothing_to_solve_gives_nothing() -> None:
    zero = {name: torch.zeros_like(t) for name, t in RIGHT.items()}
    assert flat(conjugate_gradient(product, zero, 5, 0.1)).abs().max() == 0.0


def test_the_series_is_its_sum() -> None:
    step = torch.eye(6, dtype=torch.float64) - 0.2 * MATRIX
    expected = 0.2 * sum(torch.linalg.matrix_power(step, j) @ flat(RIGHT) for j in range(7))
    torch.testing.assert_close(flat(neumann(product, RIGHT, 7, 0.2)), expected)
