"""The settings of a search: published and better defaults, ranges, and the page that lists them."""

from pathlib import Path

import pytest
from lfl_cli.listing import evolution_table

from lfl.errors import UserError
from lfl.evolution.evaluators import protocol_of
from lfl.evolution.protocol import Protocol
from lfl.evolution_settings import EVOLUTION, EVOLUTION_PANELS, Evolution, filter_steps_for, resolve_evolution
from lfl.task import DEFAULTS

PAGE = Path(__file__).parent.parent / "docs" / "evolution.md"


def resolved(task: str = "digits", **asked: object) -> Evolution:
    return resolve_evolution(DEFAULTS[task], asked, task=task, seed=3)


def test_published_is_the_public_code() -> None:
    found = resolved(published=True)
    assert (found.population, found.generations, found.tournament, found.parsimony) == (25, 50, 4, 1.0)
    assert (found.crossover, found.mutation, found.elitism, found.max_height) == (0.7, 0.25, 0, 10)
    assert (found.repeats, found.finalists, found.final_seed) == ("text", 0, 3)
    published = Protocol(order="published", clip=None, filter_steps=100)
    assert protocol_of(found) == published


def test_what_is_better_is_the_default_and_can_be_asked_for_alone() -> None:
    found = resolved()
    assert (found.parsimony, found.repeats, found.finalists, found.final_seed) == (1.4, "canonical", 5, 1003)
    assert protocol_of(found) == Protocol(filter_steps=100)
    assert resolved(published=True, parsimony=1.2).parsimony == 1.2
    assert resolved("diabetes").wide_gate
    assert not resolved("diabetes", published=True).wide_gate


@pytest.mark.parametrize("task", ["digits", "mnist", "diabetes", "cifar10"])
def test_steps_of_the_rejection_test_are_the_published_ones(task: str) -> None:
    assert resolved(task).filter_steps == filter_steps_for(task)


@pytest.mark.parametrize(("method", "steps", "rejection"), [("gp-lfl", 0, "improves"), ("taylorglo", 0, "off")])
def test_other_methods_take_no_steps_on_numbers(method: str, steps: int, rejection: str) -> None:
    assert (resolved(method=method).local_steps, resolved(method=method).rejection) == (steps, rejection)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"parsimony": 2.5}, "--parsimony must be from 1 to 2"),
        ({"crossover": 0.8, "mutation": 0.3}, "--crossover and --mutation must be 1"),
        ({"elitism": 30}, "--elitism must be --population at most"),
        ({"minutes": 0.0}, "must be greater than 0"),
        ({"minutes": float("nan")}, "--minutes must be a finite number"),
        ({"population": 1}, "--population must be a whole number of at least 2"),
        ({"method": "adalfl"}, "unknown --method 'adalfl'"),
        ({"popolation": 5}, "unknown setting of a search"),
    ],
)
def test_what_is_out_of_range_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolved(**asked)


def test_the_page_lists_every_setting() -> None:
    text = PAGE.read_text()
    listed = text.partition("<!-- lfl list --evolution -->\n")[2].partition("\n<!-- end -->")[0]
    assert listed == evolution_table()
    assert {each.panel for each in EVOLUTION.values()} <= set(EVOLUTION_PANELS)
