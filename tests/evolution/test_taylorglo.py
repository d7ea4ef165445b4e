"""TaylorGLO: the formula is the polynomial, CMA-ES finds a minimum, and nothing global is drawn from."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

import lfl
from lfl.evolution.outcome import Outcome
from lfl.evolution.search import Search, advance, generation, key_of
from lfl.evolution.state import Candidate, State
from lfl.evolution.taylorglo import breed_polynomials, taylor_formula
from lfl.evolution_settings import Evolution, resolve_evolution
from lfl.symbolic import evaluate, exact, read_formula
from lfl.task import DEFAULTS

NUMBERS = (0.3, -0.7, 1.5, -2.0, 0.25, 3.0, -1.0, 0.5)


def settings() -> Evolution:
    asked = {"method": "taylorglo", "population": 12}
    return resolve_evolution(DEFAULTS["digits"], asked, task="digits", seed=0)


def test_the_formula_is_the_cubic_polynomial() -> None:
    y, f = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    phi, loss_fn = lfl.taylor_loss(
        "regression", order=3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    numbers = torch.tensor(NUMBERS, dtype=torch.float64)
    phi = {"centre": numbers[:2], "coefficients": numbers[2:]}
    formula = taylor_formula(NUMBERS)
    torch.testing.assert_close(evaluate(formula.tree, formula.weights, y, f), loss_fn.pointwise(phi, y, f))
    again = read_formula(exact(formula))
    torch.testing.assert_close(evaluate(again.tree, again.weights, y, f), loss_fn.pointwise(phi, y, f))


def bowl(candidates: Sequence[Candidate], start: int) -> Iterator[Outcome]:
    """Least at the polynomial of `NUMBERS`."""
    aim = np.array(taylor_formula(NUMBERS).weights)
    for each in candidates[start:]:
        assert each.weights is not None
        error = float(((np.array(each.weights) - aim) ** 2).sum())
        yield Outcome(each.tree, each.weights, "accepted", "", error, None, 0.0)


def test_it_finds_a_minimum_and_draws_from_nothing_global() -> None:
    search = Search(breed_polynomials(settings(), 0), key_of("taylorglo", "text"), 12, 60)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    state = State()
    while not search.over(state):
        state = advance(search, state, bowl)
    assert state.best is not None
    assert state.best.fitness < 0.05
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_generation_made_again_is_the_same_and_another_seed_is_not() -> None:
    search, state = Search(breed_polynomials(settings(), 0), key_of("taylorglo", "text"), 12, 3), State()
    for _ in range(2):
        state = advance(search, state, bowl)
    first = list(search.breed(state))
    assert first == list(breed_polynomials(settings(), 0)(state))
    assert first != list(breed_polynomials(settings(), 1)(state))
    assert [step.found.candidate for step in generation(search, state, bowl)] == first


def test_without_cma_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cma", None)
    with pytest.raises(lfl.MissingPackage, match=r"--method taylorglo needs the package cma.*pip install 'lfl\[evol"):
        breed_polynomials(settings(), 0)
