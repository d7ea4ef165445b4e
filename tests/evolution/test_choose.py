"""The default evaluator follows the measurements, and is recorded as plain values."""

import json
from dataclasses import replace

import pytest

import lfl
from lfl.evolution import Closures, Lanes
from lfl.evolution.choose import Evaluator, choose_evaluator, default_evaluator, make_evaluator
from lfl.symbolic import read_formula

from .conftest import digits, settings_of, small, values

pytestmark = pytest.mark.usefixtures("double")


def test_small_models_have_lanes_on_a_cpu_and_others_have_none() -> None:
    task = digits()
    forms = {
        model: choose_evaluator(task, settings_of(task, model=model), small(), candidates=100).form
        for model in ("logistic", "mlp")
    }
    assert forms == {"logistic": "lanes", "mlp": "closures"}


def test_few_candidates_and_long_horizons_have_closures() -> None:
    task = values()
    settings = settings_of(task)
    assert choose_evaluator(task, settings, small(), candidates=1) == Evaluator("closures", 1, False)
    assert choose_evaluator(task, settings, small(inner_steps=2), candidates=100).form == "closures"
    assert choose_evaluator(task, settings, small(), candidates=3).num_lanes == 3


def test_compiling_waits_for_enough_candidates() -> None:
    task = digits()
    auto = settings_of(task, model="mlp", compile="auto")
    few, many = (choose_evaluator(task, auto, small(), candidates=n) for n in (10, 1000))
    assert (few.compiled, many.compiled) == (False, True)
    assert choose_evaluator(task, replace(auto, compile="off"), small(), candidates=1000).compiled is False


def test_a_choice_returns_from_json_as_the_same_evaluator() -> None:
    task = digits()
    settings = settings_of(task)
    chosen = choose_evaluator(task, settings, small(), candidates=3)
    again = Evaluator(*json.loads(json.dumps(chosen)))
    made = make_evaluator(task, settings, small(), again)
    assert (again, type(made)) == (chosen, Lanes)
    tree = read_formula("square(y-f)").tree
    default = default_evaluator(task, settings, small(), candidates=1)
    assert isinstance(default, Closures)
    assert default([tree])[0].fitness == pytest.approx(made([tree])[0].fitness, abs=1e-9)
    with pytest.raises(lfl.UserError, match="evaluator"):
        make_evaluator(task, settings, small(), again._replace(form="threads"))  # type: ignore[arg-type]
