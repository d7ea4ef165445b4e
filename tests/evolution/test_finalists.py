"""The choice at the end: distinct formulas, seeds of their own, least mean error."""

import math

from lfl.evolution.finalists import line_of, pick_finalists, trials, with_errors
from lfl.evolution.state import Candidate, Evaluated, State
from lfl.evolution_settings import resolve_evolution
from lfl.symbolic import read_formula
from lfl.task import DEFAULTS


def found(slot: int, text: str, fitness: float) -> Evaluated:
    formula = read_formula(text)
    return Evaluated((0, slot), Candidate(formula.tree), formula.weights, "accepted", "", fitness, None)


SQUARE, TWIN = found(0, "square(y - f)", 0.2), found(1, "square(f - y)", 0.2)
SHARP, FLAT = found(2, "abs(log(y*f))", 0.1), found(3, "tanh(f) - y*f", 0.3)


def test_formulas_that_do_the_same_are_one_finalist() -> None:
    state = State(current=(SQUARE, TWIN, SHARP, FLAT), front=(SQUARE, SHARP))
    assert pick_finalists(state, "classification", 5) == [SHARP, SQUARE, FLAT]
    assert pick_finalists(state, "classification", 1) == [SHARP]


def test_no_trial_has_a_seed_of_the_search_or_of_the_final_training() -> None:
    evolution = resolve_evolution(DEFAULTS["digits"], {"final_seed": 8}, task="digits", seed=7)
    wanted = trials([SHARP, SQUARE], evolution, 7)
    assert [each.seed for each in wanted] == [9, 9, 10, 10, 11, 11]
    assert [each.formula for each in wanted[:2]] == [SHARP.formula, SQUARE.formula]


def test_the_least_mean_error_is_chosen_not_the_least_in_the_search() -> None:
    finalists = [SHARP, SQUARE, FLAT]
    evolution = resolve_evolution(DEFAULTS["digits"], {"finalist_seeds": 2}, task="digits", seed=0)
    errors = [0.4, 0.2, math.inf, 0.4, 0.3, 0.1]
    lines = [
        line_of(trial, finalists[i % 3], error)
        for i, (trial, error) in enumerate(zip(trials(finalists, evolution, 0), errors, strict=True))
    ]
    ranked = with_errors(finalists, lines)
    assert [each.found for each in ranked] == [SQUARE, SHARP, FLAT]
    assert (ranked[0].errors, ranked[0].mean, ranked[2].mean) == ((0.2, 0.3), 0.25, math.inf)
