"""The general gradient against finite differences, closed forms and plain autograd; tasks, weights, bad input."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl

from .adaptation_cases import (
    along,
    combinations,
    covering,
    difference,
    direction_like,
    gradient,
    outer_loss,
    pairs_of,
    problem,
)
from .cases import assert_close

COVERING = covering()


def test_the_fast_cases_cover_every_pair() -> None:
    assert set().union(*map(pairs_of, COVERING)) == set().union(*map(pairs_of, combinations()))
    assert len(COVERING) < 40


def check_all(part: str, optimiser: str, num_steps: int, norm: str, run: str) -> None:
    p = problem(part, optimiser, num_steps, norm)
    mixed, unroll = gradient(p, "mixed", run), gradient(p, "unroll", run)
    assert_close(mixed, unroll, 1e-9)
    assert max(leaf.abs().max() for leaf in tree_leaves(mixed)) > 1e-7
    direction = direction_like(p.phi)
    assert along(mixed, direction) == pytest.approx(difference(p, direction), rel=2e-6, abs=1e-9)


@pytest.mark.parametrize(("part", "optimiser", "num_steps", "norm", "run"), COVERING)
def test_both_exact_forms_are_the_finite_difference(
    part: str, optimiser: str, num_steps: int, norm: str, run: str
) -> None:
    check_all(part, optimiser, num_steps, norm, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "optimiser", "num_steps", "norm", "run"), [row for row in combinations() if row not in COVERING]
)
def test_and_in_every_combination(part: str, optimiser: str, num_steps: int, norm: str, run: str) -> None:
    check_all(part, optimiser, num_steps, norm, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "optimiser", "num_steps", "norm", "form", "at_once", "backend"),
    [
        ("all", "nesterov", 3, "batch norm", "mixed", None, "eager"),
        ("all", "sgd", 3, "none", "unroll", None, "eager"),
        ("warp", "adam", 1, "none", "mixed", None, "inductor"),
        ("init", "adam", 2, "none", "mixed", None, "aot_eager"),
        ("rates", "sgd", 5, "batch norm", "mixed", 1, "eager"),
        ("loss of theta", "sgd", 2, "none", "implicit", None, "eager"),
    ],
)
def test_compiled_it_is_the_same(
    part: str, optimiser: str, num_steps: int, norm: str, form: str, at_once: Any, backend: str
) -> None:
    p = problem(part, optimiser, num_steps, norm)
    program = torch.compile(
        lambda phi, tasks: lfl.bilevel_gradient(*p[:3], phi, tasks, form=form, tasks_at_once=at_once),
        fullgraph=True,
        backend=backend,
    )
    compiled, run = program(p.phi, p.tasks)
    eager, expected = lfl.bilevel_gradient(*p, form=form)
    assert_close(compiled, eager, 1e-9)
    assert_close(run.outer_loss, expected.outer_loss)


def detached_unroll(p: Any) -> Any:
    """The gradient by autograd through steps whose gradients are constants; plain gradient descent at rate 0.3."""
    phi = tree_map(lambda t: t.clone().requires_grad_(), p.phi)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(3):
        task = {name: t[i] for name, t in p.tasks.items()}
        theta = p.start(phi)
        for step in range(p.inner.num_steps):
            here = {name: t.detach().requires_grad_() for name, t in theta.items()}
            loss, _ = p.inner.objective(here, phi, {**task, "step": step})
            grads = torch.autograd.grad(loss, list(here.values()))
            theta = {name: t - 0.3 * g for (name, t), g in zip(theta.items(), grads, strict=True)}
        total = total + p.outer(theta, phi, task) / 3
    return torch.autograd.grad(total, tree_leaves(phi))


@pytest.mark.parametrize("num_steps", [1, 3])
def test_first_order_takes_each_gradient_for_a_constant(num_steps: int) -> None:
    p = problem("init", "sgd", num_steps, "batch norm")
    phi = {**p.phi, **problem("warp", "sgd", 1, "none").phi}  # the start, and what both objectives read
    p = p._replace(phi=phi)
    first = gradient(p, "first-order")
    assert_close(tree_leaves(first), list(detached_unroll(p)))
    second = gradient(p, "mixed")
    assert all(
        (a - b).abs().max() > 1e-3 * b.abs().max() for a, b in zip(tree_leaves(first), tree_leaves(second), strict=True)
    )


def test_first_order_still_learns_rates() -> None:
    p = problem("rates", "sgd", 1, "none")
    assert_close(gradient(p, "first-order"), gradient(p, "unroll"))  # one step: its gradient is a constant anyway


@pytest.mark.parametrize("run", ["one by one", "vmapped"])
@pytest.mark.parametrize("weights", [(0.5, 0.0, 2.0), (0.2, 0.3, 0.0), torch.tensor([0.0, 1.0, 1.0])])
def test_losses_on_the_way_are_weighted(run: str, weights: Any) -> None:
    p = problem("all", "nesterov", 3, "batch norm")
    mixed, unroll = (gradient(p, form, run, weights=weights) for form in ("mixed", "unroll"))
    assert_close(mixed, unroll)
    alone = [gradient(p._replace(inner=p.inner._replace(num_steps=k)), "unroll") for k in (1, 2, 3)]
    assert_close(mixed, tree_map(lambda *g: sum(float(w) * t for w, t in zip(weights, g, strict=True)), *alone), 1e-8)


def test_no_inner_step_is_plain_training() -> None:
    p = problem("init", "sgd", 0, "batch norm")
    assert_close(gradient(p, "mixed"), gradient(p, "unroll"))
    plain = torch.func.grad(lambda phi: torch.func.vmap(lambda task: p.outer(p.start(phi), phi, task))(p.tasks).mean())(
        p.phi
    )
    assert_close(gradient(p, "mixed"), plain)


@pytest.mark.parametrize("at_once", [1, 2, 3, 8])
def test_tasks_in_any_portions_are_one_mean(at_once: int) -> None:
    p = problem("all", "adam", 2, "none")
    whole, expected = lfl.bilevel_gradient(*p)
    parts, run = lfl.bilevel_gradient(*p, tasks_at_once=at_once)
    assert_close(parts, whole)
    assert_close(run, expected)
    assert run.inner_losses.shape == (3, 2)
    assert [aux["right"].shape for aux in run.inner_aux] == [(3,), (3,)]
    assert float(run.outer_loss.mean()) == pytest.approx(float(outer_loss(p, p.phi)), rel=1e-12)


def test_a_proximal_term_pulls_to_the_start() -> None:
    p = problem("init", "nesterov", 3, "none")
    p = p._replace(inner=p.inner._replace(proximal=0.7))
    mixed, direction = gradient(p, "mixed"), direction_like(p.phi)
    assert_close(mixed, gradient(p, "unroll"))
    assert along(mixed, direction) == pytest.approx(difference(p, direction), rel=2e-6)
    free = gradient(p._replace(inner=p.inner._replace(proximal=0.0)), "mixed")
    assert abs(along(free, direction) - along(mixed, direction)) > 1e-3


def test_clipping_and_optimisers_of_ones_own_go_through() -> None:
    p = problem("all", "sgd", 3, "none")
    counted = lfl.Optimiser(
        lambda theta: (0, None),
        lambda g, s, theta, lr=0.1: (tree_map(lambda t, d: t - 0.1 * d, theta, g), (s[0] + 1, None)),
    )
    for optimiser in (lfl.clip(lfl.rmsprop(0.05), 0.1), counted, tuple(counted)):
        q = p._replace(inner=p.inner._replace(optimiser=optimiser, rate=None))
        assert_close(gradient(q, "mixed"), gradient(q, "unroll"))
    assert lfl.adapt(q.inner, p.start(p.phi), p.phi, tree_map(lambda t: t[0], p.tasks)).state == (3, None)


def refused(message: str, **changes: Any) -> None:
    p = problem("init", "sgd", 2, "none")
    options = {name: changes.pop(name) for name in ("form", "weights", "tasks_at_once") if name in changes}
    inner = {name: changes.pop(name) for name in ("num_steps", "rate", "optimiser", "objective") if name in changes}
    with pytest.raises(lfl.UserError, match=message):
        lfl.bilevel_gradient(*p._replace(inner=p.inner._replace(**inner), **changes), **options)


def test_mistakes_are_named() -> None:
    refused("unknown form 'exact'; choose one of: mixed, unroll", form="exact")
    refused("num_steps must be a whole number of at least 0, got -1", num_steps=-1)
    refused("optimiser must be an lfl.Optimiser", optimiser=torch.optim.SGD)
    refused(r"inner objective must return a scalar tensor.*got a tensor of shape \(6,\)", objective=per_example)
    refused("outer objective must return a scalar tensor.*got float", outer=lambda *_: 1.0)
    refused("aux, must be a tree of tensors.*got a object", outer=lambda *_: (torch.zeros(()), object()))
    refused(r"tasks must be .* got \(3, 2\), \(4,\)", tasks=[torch.zeros(3, 2), torch.zeros(4)])
    refused(r"tasks must be .* got \(\)", tasks=torch.zeros(()))
    refused("tasks must be .* got no tensor", tasks=[])
    refused("phi must be a tree of tensors of real numbers", phi={"init": 1.0})
    refused("weights must have one number for each of the 2 inner steps, got 3", weights=[0.0, 0.0, 1.0])
    refused("tasks_at_once must be a whole number of at least 1, got 0", tasks_at_once=0)
    refused(
        r"rates must have the structure of theta.*got a dict of 'w' where theta is a dict of 'w', 'b', 'head'",
        rate={"w": 0.1},
    )
    refused("implicit form has no gradient of a learned rate", form="implicit", rate=lambda phi, step: 0.1)
    refused("needs an inner step, got 0 steps", form="implicit", num_steps=0)
    with pytest.raises(lfl.UserError, match=r"the inner level must be an lfl\.Adaptation, got function"):
        lfl.bilevel_gradient(refused, *problem("init", "sgd", 1, "none")[1:])  # type: ignore[arg-type]


def per_example(theta: Any, phi: Any, task: Any) -> torch.Tensor:
    return (task["x"] @ theta["w"].T).sum(1)


@pytest.mark.parametrize("form", ["mixed", "unroll"])
def test_the_outer_objective_may_see_the_number_of_steps(form: str) -> None:
    p = problem("init", "sgd", 3, "none")
    weights = (0.5, 0.25, 0.0)
    scaled = p._replace(outer=lambda theta, phi, task: task["steps"] * p.outer(theta, phi, task))
    found = gradient(scaled, form, weights=weights, outer_part=lambda task, k: {**task, "steps": k})
    assert_close(found, gradient(p, form, weights=(0.5 * 1, 0.25 * 2, 0.0)))
