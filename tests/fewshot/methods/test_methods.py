"""Every method: its gradient by all of phi against unrolling and central differences, in all ways of running it."""

import inspect
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.fewshot import METHODS, PROTOCOLS, Episode
from tests.hypergradient.cases import assert_close

from ..cases import along, difference, direction_like, episodes, gradient, method, one, problem, step_of, stirred

NAMES = [name for name in METHODS if name != "npbml"]
"""All but npbml, which needs a pre-trained encoder and has tests of its own."""
EXACT = ("maml", "anil", "boil", "meta-sgd", "maml++", "t-net", "metal", "adalfl")
"""Methods whose gradient is that of the loss after adaptation."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", EXACT)
def test_the_gradient_of_all_of_phi_is_exact(name: str, protocol: str) -> None:
    made = method(name, problem(batch_norm=protocol))
    phi = stirred(made.phi)
    mixed = gradient(made, phi, form="mixed")
    assert_close(mixed, gradient(made, phi, form="unroll"), 1e-10)
    direction = direction_like(phi)
    assert along(mixed, direction) == pytest.approx(difference(made, phi, direction), rel=1e-6, abs=1e-9)
    for part, grads in mixed.items():
        size = max(float(g.abs().max()) for g in tree_leaves(grads))
        assert (size == 0.0) == (part == "statistics"), part


@pytest.mark.parametrize("name", NAMES)
def test_tasks_one_by_one_are_the_same(name: str) -> None:
    made = method(name)
    phi = stirred(made.phi)
    assert_close(gradient(made, phi, tasks_at_once=1), gradient(made, phi), 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "protocol"), [*((name, "batch") for name in NAMES), *(("maml", name) for name in ("support", "running"))]
)
def test_compiled_it_is_the_same(name: str, protocol: str) -> None:
    made = method(name, problem(batch_norm=protocol, inner_steps=1))
    phi = stirred(made.phi)
    torch._dynamo.reset()
    compiled = torch.compile(lambda phi, tasks: gradient(made, phi, tasks), fullgraph=True, backend="eager")
    assert_close(compiled(phi, episodes()), gradient(made, phi), 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss_after_adaptation_and_leaves_its_arguments_alone(name: str) -> None:
    made = method(name, problem(inner_lr=0.1))
    init, update = lfl.adam(0.05)
    phi, first = made.phi, tree_map(torch.clone, made.phi)
    state, losses = init(phi), []
    for step in range(8):
        grads, run = step_of(made, phi, step=step)
        losses.append(float(run.outer_loss.mean()))
        phi, state = update(grads, state, phi)
    assert_close(made.phi, first, 0.0)
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_in_evaluation_see_no_target_of_the_query(name: str) -> None:
    made = method(name)
    found = []
    for y in (torch.zeros(6, dtype=torch.int64), torch.full((6,), 2)):
        task = one(episodes())._replace(query_y=y)
        theta = lfl.fewshot.adapted(made, made.phi, task, 2)[-1]
        found.append(lfl.fewshot.query_outputs(made, theta, made.phi, task, 2))
    assert torch.equal(*found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_whether_a_query_example_depends_on_the_others(name: str, protocol: str) -> None:
    made = method(name, problem(batch_norm=protocol))

    def first_output(others: float) -> torch.Tensor:
        task = one(episodes())
        task = task._replace(query_x=torch.cat([task.query_x[:1], others * task.query_x[1:]]))
        theta = lfl.fewshot.adapted(made, made.phi, task, 2)[-1]
        output: torch.Tensor = lfl.fewshot.query_outputs(made, theta, made.phi, task, 2)[0]
        return output

    assert torch.equal(first_output(1.0), first_output(-3.0)) != made.transductive
    assert made.transductive == (protocol == "batch")


@pytest.mark.parametrize("name", NAMES)
def test_real_values_are_learned_too(name: str) -> None:
    g = torch.Generator().manual_seed(0)
    x, query_x = (torch.randn(2, 4, 3, generator=g, dtype=torch.float64) for _ in range(2))
    tasks = Episode(x, x[..., :2].sin(), query_x, query_x[..., :2].sin())
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    made = METHODS[name](lfl.fewshot.few_shot_problem(net, "regression", 2, input_shape=(3,), inner_lr=0.1))
    grads: Any = gradient(made, stirred(made.phi), tasks)
    assert all(float(g.abs().max()) > 0.0 for g in grads["init"].values())
    assert not made.transductive


@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_what_it_is_and_where_it_is_from(name: str) -> None:
    doc = inspect.getdoc(METHODS[name]) or ""
    assert "Source: " in doc
    assert METHODS[name].__module__ == f"lfl.fewshot.methods.{METHODS[name].__name__}"
