"""Candidates in lanes have the outcomes that they have one by one."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

import lfl
from lfl.evolution import Outcome, Protocol, lanes
from lfl.evolution.closures import closures_of
from lfl.evolution.lanes import Losses, lanes_of
from lfl.evolution.shared import share
from lfl.symbolic import Tree, correction, half_and_half, read_formula
from lfl.task import Task

from .conftest import digits, settings_of, small, values

pytestmark = pytest.mark.usefixtures("double")
FORMULAS = ("abs(log(y*f))", "square(y-f)", "sign(y-f)", "f + y", "y + 1", "max(y, f) - tanh(div(y, sqrt(f)))")


def random_trees(count: int, seed: int) -> list[Tree]:
    rng = random.Random(seed)
    return [correction(half_and_half(rng, 2, 4), rng) for _ in range(count)]


def same(found: Sequence[Outcome], expected: Sequence[Outcome]) -> None:
    """Everything but the seconds, numbers to rounding."""
    for one, other in zip(found, expected, strict=True):
        assert (one.tree, one.verdict, one.reason) == (other.tree, other.verdict, other.reason)
        assert one.weights == pytest.approx(other.weights, abs=1e-8)
        assert one.fitness == pytest.approx(other.fitness, rel=1e-8)
        assert one.improvement == (None if other.improvement is None else pytest.approx(other.improvement, abs=1e-8))


CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "momentum and decay": (digits, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}),
    "published order, label noise": (digits, {"label_noise": "symmetric:0.4"}, {"order": "published"}),
    "adam": (digits, {"optimizer": "adam", "inner_lr": 0.1}, {"objective": "train", "rejection": "0.6"}),
    "values": (values, {"model": "mlp"}, {"clip": None, "wide_gate": True}),
    "batch norm, dropout": (digits, {"model": "own_models:noisy"}, {"rejection": "off", "local_steps": 2}),
    "no local search": (digits, {}, {"local_steps": 0, "rejection": "off"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("losses", ["functions", "programs"])
@pytest.mark.parametrize("case", CASES)
def test_lanes_are_closures_to_rounding(case: str, losses: Losses) -> None:
    """Over made and random trees, more than there are lanes, some of which are rejected or need no chunk."""
    make, asked, how = CASES[case]
    task = make()
    shared = share(task, settings_of(task, **asked), small(**how))
    if case == "adam":  # with its usual epsilon, 1e-8, it has slopes of 1e8 at gradients that are 0 but for rounding
        shared = replace(shared, inner=lfl.adam(shared.settings.inner_lr, eps=1e-3))
    trees = [read_formula(text).tree for text in FORMULAS] + random_trees(5, seed=len(case))
    expected = closures_of(shared)(trees)
    same(lanes_of(shared, 4, losses=losses)(trees), expected)
    assert {"accepted", "rejected"} <= {outcome.verdict for outcome in expected}


@pytest.mark.parametrize(("powers", "where"), [(5, "training"), (9, "local search")], ids=["training", "local search"])
@pytest.mark.parametrize("losses", ["functions", "programs"])
def test_a_lane_that_diverges_leaves_the_others_alone(losses: Losses, powers: int, where: str) -> None:
    """Squares of squares of values diverge, in training or at once; their neighbours train on."""
    task, how = values(), small(rejection="off", fitness_steps=6)
    huge = Tree((*["square"] * powers, "add", "add", "1", "1", "sub", "y", "f"))
    trees = [read_formula("square(y - f)").tree, huge, read_formula("tanh(abs(y - f))").tree]
    shared = share(task, settings_of(task, inner_lr=0.1), how)
    if where == "training":
        shared = replace(shared, protocol=small(rejection="off", fitness_steps=6, local_steps=0))
    expected = closures_of(shared)(trees)
    found = lanes_of(shared, 3, losses=losses)(trees)
    same(found, expected)
    assert found[1].reason.startswith(f"{where} was not finite at step ")
    assert found[1].fitness == math.inf
    assert all(math.isfinite(w) for w in found[1].weights)
    assert [outcome.verdict for outcome in found[::2]] == ["accepted", "accepted"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
def test_compiled_lanes_are_eager_ones() -> None:
    task = digits()
    shared = share(task, settings_of(task), small())
    compiled = replace(shared, settings=replace(shared.settings, compile="on"))
    trees = [read_formula(text).tree for text in FORMULAS[:2]]
    expected = closures_of(shared)(trees)
    same(closures_of(compiled)(trees), expected)
    same(lanes_of(compiled, 2, losses="functions")(trees), expected)


def test_trees_too_large_for_programs_are_evaluated_one_by_one() -> None:
    task = digits()
    shared = share(task, settings_of(task), small(local_steps=1, fitness_steps=1, rejection="off"))
    nodes: tuple[str, ...] = ("square", "sub", "y", "f")
    for _ in range(49):
        nodes = ("add", "1", *nodes)
    tree = Tree(nodes)
    assert tree.size > 96
    same(lanes_of(shared, 2, losses="programs")([tree]), closures_of(shared)([tree]))


def test_no_trees_have_no_outcomes() -> None:
    task = digits()
    assert lanes(task, settings_of(task), small(), 2)([]) == []


@pytest.mark.parametrize(
    ("asked", "how", "words"),
    [
        ({"num_lanes": 0}, {}, "num_lanes is at least 1"),
        ({"losses": "trees"}, {}, "losses"),
        ({}, {"inner_steps": 2}, "use closures"),
    ],
)
def test_what_lanes_cannot_do_is_refused(asked: dict[str, Any], how: dict[str, Any], words: str) -> None:
    task: Task = digits()
    protocol: Protocol = small(**how)
    with pytest.raises(lfl.UserError, match=words):
        lanes(task, settings_of(task), protocol, **asked)


def test_seconds_are_shared_by_the_lanes() -> None:
    task = digits()
    found = lanes(task, settings_of(task), small(), 2)([read_formula("square(y-f)").tree] * 3)
    assert len({outcome.seconds for outcome in found}) == 1
    assert torch.tensor(found[0].seconds) > 0
