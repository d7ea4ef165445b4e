"""Candidates one by one: local search, rejection and partial training as their definitions say."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import lfl
from lfl.evolution import Protocol, closures
from lfl.evolution.closures import Closures, closures_of, first_loss, outer_optimiser
from lfl.loss import symbolic_loss
from lfl.loss.symbolic import WEIGHTS
from lfl.method import plan
from lfl.symbolic import Tree, read_formula
from lfl.task import Task
from lfl.training import build_problem, corrupted_train, evaluate, resolve, train

from .conftest import digits, settings_of, small, values

ACE = read_formula("abs(log(y*f))").tree
pytestmark = pytest.mark.usefixtures("double")


def evaluator(task: Task, protocol: Protocol | None = None, **asked: Any) -> Closures:
    return closures(task, settings_of(task, **asked), protocol or small())


@pytest.mark.parametrize(
    ("make", "text", "asked", "protocol"),
    [
        (digits, "abs(log(y*f))", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}),
        (digits, "tanh(square(y-f))", {"model": "mlp"}, {"objective": "train"}),
        (values, "abs(square(y-f)*tanh(f))", {"model": "mlp"}, {"inner_steps": 2, "clip": None}),
    ],
)
def test_local_search_is_offline_steps_from_fresh_models(
    make: Any, text: str, asked: dict[str, Any], protocol: dict[str, Any]
) -> None:
    """Against `lfl.offline_step` with grad of grad, on the draws of `build_problem`."""
    task, how = make(), small(**protocol)
    ev = evaluator(task, how, **asked)
    phi, loss_fn = first_loss(ev.shared, read_formula(text).tree)
    found, reason = ev.local_search(phi, loss_fn)
    assert reason == ""

    same = {"method": "baseline", "restart_every": 1, "inner_steps": how.inner_steps}
    problem = build_problem(task, settings_of(task, **same, **asked))
    outer, state = outer_optimiser(how), None
    for step in range(how.local_steps):
        count = how.inner_steps
        batches = [problem.batch("train", "offline train", step * count + k) for k in range(count)]
        valid = problem.batch("valid", "offline valid", step) if how.objective == "valid" else batches[-1]
        phi, state, _ = lfl.offline_step(
            problem.init_theta(step),  # type: ignore[arg-type]
            phi,
            batches,
            valid,
            state,
            apply_fn=ev.shared.apply_fn,
            loss_fn=loss_fn,
            task_loss=ev.shared.task_loss,
            inner=ev.shared.inner,
            outer=outer,
            hypergradient="unroll",
        )
    torch.testing.assert_close(found[WEIGHTS], phi[WEIGHTS], rtol=1e-7, atol=1e-9)
    assert float((found[WEIGHTS] - ev.shared.noise[: len(found[WEIGHTS])] - 1).abs().max()) > 0.05


def test_fitness_is_the_validation_error_of_a_run_with_the_formula() -> None:
    """Against the training loop of `--method baseline --loss FORMULA`, label noise included."""
    task = digits()
    ev = evaluator(task, small(fitness_steps=30), model="mlp", label_noise="symmetric:0.4", momentum=0.5)
    phi, loss_fn = symbolic_loss(ACE, "classification", dtype=torch.float64)
    found, reason = ev.fitness(phi, loss_fn)
    own = resolve(
        task.defaults,
        **{"method": "baseline", "loss": "abs(log(y*f))", "steps": 30, "compile": "off", "batch_size": 16},
        **{"model": "mlp", "label_noise": "symmetric:0.4", "momentum": 0.5},
    )
    for progress in train(
        plan("baseline", build_problem(task, own)), measure=lambda *_: [{}], log_every=30, eval_every=30
    ):
        last = progress.state
    expected = evaluate(ev.shared.apply_fn, last.theta, last.carry.buffers, task.valid, lfl.error_rate)
    assert reason == ""
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 < found < 0.9


def test_cross_entropy_is_the_formula_with_unit_weights() -> None:
    ev = evaluator(digits(), small(fitness_steps=30))
    phi, loss_fn = symbolic_loss(ACE, "classification", dtype=torch.float64)
    by_formula = ev.fitness(phi, loss_fn)
    assert by_formula == ev.fitness({}, lambda phi, outputs, targets: lfl.cross_entropy(outputs, targets))


def test_the_rejection_test_is_adam_on_the_logits() -> None:
    """Against torch.optim.Adam on the logits of the first rows, with noisy labels as the run has them."""
    task = digits()
    ev = evaluator(task, small(), label_noise="symmetric:0.4", inner_lr=0.1)
    phi, loss_fn = first_loss(ev.shared, ACE)
    changed = corrupted_train(task, ev.shared.settings, ev.shared.settings.seed)
    problem = build_problem(task, settings_of(task, method="baseline"))
    apply_fn = ev.shared.apply_fn
    logits = apply_fn(problem.theta_0, ev.shared.buffers, task.train.x[changed.rows[:20]], training=False)[0]
    y = changed.y[:20]
    before = float((logits.argmax(1) != y).double().mean())
    logits = logits.detach().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(20):
        (logits.grad,) = torch.autograd.grad(loss_fn(phi, logits, y).mean(), logits)
        optimiser.step()
    after = float((logits.argmax(1) != y).double().mean())
    outcome = ev([ACE])[0]
    assert outcome.improvement == pytest.approx(before - after)
    assert before > after


def names(text: str) -> Tree:
    return read_formula(text).tree


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        ("sign(y - f)", "rejected", "0 at every point of the grid"),
        ("f + y", "rejected", "outputs optimised directly"),
        ("y + 1", "rejected", "lacks f"),
        ("f", "rejected", "one node"),
    ],
)
def test_useless_candidates_are_rejected_with_a_reason(text: str, verdict: str, words: str) -> None:
    outcome = evaluator(digits())([names(text)])[0]
    assert (outcome.verdict, outcome.fitness) == (verdict, math.inf)
    assert words in outcome.reason


def test_a_loss_that_overflows_is_not_finite_and_names_the_step() -> None:
    """Squares of squares of raw values, at a rate that throws theta away."""
    huge = names("square(square(square(square(y - f))))")
    how = small(rejection="off", local_steps=0, fitness_steps=30)
    outcome = evaluator(values(), how, inner_lr=1e6)([huge])[0]
    assert (outcome.verdict, outcome.fitness) == ("not finite", math.inf)
    assert outcome.reason.startswith("training was not finite at step ")


def test_local_search_that_overflows_keeps_the_last_finite_weights() -> None:
    huge = names("square(square(square(square(y - f))))")
    ev = evaluator(values(), small(rejection="off"))
    ev = closures_of(replace(ev.shared, inner=lfl.sgd(1e200)))
    outcome = ev([huge])[0]
    assert outcome.verdict == "not finite"
    assert outcome.reason == "local search was not finite at step 1 of 3"
    np.testing.assert_array_equal(outcome.weights, (1 + ev.shared.noise[:6]).numpy())
    assert str(outcome.formula)


def test_the_wide_gate_refuses_a_loss_that_falls_for_ever() -> None:
    falls, bowl = names("(-1*f) + tanh(y*f)*-1"), names("square(y - f)")
    task = values()
    reasons = [evaluator(task, small(wide_gate=True, rejection="off"))([tree])[0].reason for tree in (falls, bowl)]
    assert ("change its sign" in reasons[0], reasons[1]) == (True, "")
    assert evaluator(task, small(rejection="off"))([falls])[0].reason == ""


def test_the_threshold_asks_for_a_larger_fall() -> None:
    task, few = digits(), {"filter_steps": 5, "filter_rows": 100}
    gains = {}
    for rejection in ("improves", "0.6"):
        outcome = evaluator(task, small(rejection=rejection, **few), inner_lr=0.02)([ACE])[0]
        gains[rejection] = outcome.improvement
        assert (outcome.verdict == "accepted") == (outcome.improvement > LEAST[rejection])  # type: ignore[operator]
    assert 0 < gains["improves"] == gains["0.6"] < 0.6  # type: ignore[operator]


LEAST = {"improves": 0.0, "0.6": 0.6}


def test_both_orders_reach_the_same_candidate_but_test_other_weights() -> None:
    first, published = (evaluator(digits(), small(order=order))([ACE])[0] for order in ("gate first", "published"))
    assert first.weights == published.weights
    assert first.fitness == published.fitness
    rejected = [evaluator(digits(), small(order=order))([names("f + y")])[0] for order in ("gate first", "published")]
    assert [outcome.verdict for outcome in rejected] == ["rejected", "rejected"]
    assert rejected[0].weights != rejected[1].weights  # searched before it was rejected


def test_an_outcome_depends_on_its_tree_alone() -> None:
    task = digits()
    trees = [ACE, names("square(y - f)"), ACE]
    together = evaluator(task)(trees)
    alone = [evaluator(task)([tree])[0] for tree in trees]
    assert [replace(o, seconds=0.0) for o in together] == [replace(o, seconds=0.0) for o in alone]


def test_without_local_search_weights_are_1() -> None:
    assert evaluator(digits(), small(local_steps=0))([ACE])[0].weights == (1.0,) * 4


def test_losses_that_are_no_trees_are_evaluated() -> None:
    """TaylorGLO's coefficients, without local search, and the loss network with it."""
    ev = evaluator(digits(), small(rejection="off"))
    generator = partial(torch.Generator().manual_seed, 0)
    phi, taylor = lfl.taylor_loss("classification", order=3, generator=generator())
    kept = ev.evaluate_loss(phi, taylor, search=False)
    assert kept.phi is phi
    assert kept.verdict == "accepted"
    phi, network = lfl.loss_network("classification", generator=generator())
    moved = ev.evaluate_loss(phi, network, search=True)
    assert moved.verdict == "accepted"
    assert any(bool((moved.phi[name] != phi[name]).any()) for name in phi)


def test_batch_norm_and_dropout_train_as_in_the_loop() -> None:
    """A model with both: running statistics and masks are those of the training loop."""
    task = digits()
    ev = evaluator(task, small(fitness_steps=3, rejection="off", local_steps=1), model="own_models:noisy")
    outcome = ev([ACE])[0]
    own = resolve(
        task.defaults,
        **{"method": "baseline", "loss": "abs(log(y*f))", "steps": 3, "compile": "off", "batch_size": 16},
        model="own_models:noisy",
    )
    phi, loss_fn = symbolic_loss(ACE, "classification", dtype=torch.float64)
    for progress in train(
        plan("baseline", build_problem(task, own)), measure=lambda *_: [{}], log_every=3, eval_every=3
    ):
        last = progress.state
    expected = evaluate(ev.shared.apply_fn, last.theta, last.carry.buffers, task.valid, lfl.error_rate)
    assert ev.fitness(phi, loss_fn)[0] == pytest.approx(expected, abs=1e-12)
    assert outcome.verdict == "accepted"
