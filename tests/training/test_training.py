"""Settings, problems and the loop: what every method shares for a seed, and what stops a run."""

import warnings
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import lfl
from lfl.catalogue import METHODS
from lfl.method import plan
from lfl.task import Defaults, load_task
from lfl.training import ERRORS, build_functional, build_problem, evaluate, learned, resolve, train
from lfl.trees import leaves

TASK = load_task("digits", Path("unused"))


def settings(**asked):
    small = {
        "model": "logistic",
        "steps": 6,
        "offline_steps": 4,
        "batch_size": 16,
        "log_every": 1,
        "eval_every": 3,
    }
    return resolve(TASK.defaults, **(small | asked))


def states(method: str, **asked):
    chosen = settings(method=method, **asked)
    steps = plan(method, build_problem(TASK, chosen))
    return list(
        train(
            steps, measure=lambda *_: [{"valid_error": 0.5}], log_every=chosen.log_every, eval_every=chosen.eval_every
        )
    )


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_every_method_starts_at_the_same_theta_and_sees_the_same_batches() -> None:
    problems = [build_problem(TASK, settings(method=method)) for method in METHODS if method != "fixed"]
    first = problems[0]
    for problem in problems[1:]:
        assert same(problem.theta_0, first.theta_0)
        for step in (0, 5):
            drawn, expected = (p.batch("train", "train", step) for p in (problem, first))
            assert torch.equal(drawn[0], expected[0])
            assert torch.equal(drawn[1], expected[1])
    starts = {
        method: next(p for p in states(method) if p.phase.name == "train") for method in METHODS if method != "fixed"
    }
    assert all(same(start.state.theta, first.theta_0) for start in starts.values())
    other = build_problem(TASK, settings(seed=1))
    assert not same(other.theta_0, first.theta_0)
    assert not same(other.phi_0, build_problem(TASK, settings()).phi_0)


def test_ml3_and_adalfl_share_phi_until_the_online_updates_change_it() -> None:
    ml3, adalfl = states("ml3"), states("adalfl")
    start = {run[0].phase.name: [p for p in run if p.phase.name == "train"] for run in (ml3,)}["init"][0]
    online = [p for p in adalfl if p.phase.name == "train"]
    assert same(start.state.phi, online[0].state.phi)
    assert not same(ml3[0].state.phi, start.state.phi)  # learned offline
    assert same(ml3[-1].state.phi, start.state.phi)  # and frozen
    assert not same(adalfl[-1].state.phi, online[0].state.phi)
    # The first step of theta is on the same loss, later ones are not.
    frozen = [p for p in ml3 if p.phase.name == "train"]
    for name, weight in online[1].state.theta.items():
        torch.testing.assert_close(weight, frozen[1].state.theta[name])
    assert not same(online[-1].state.theta, frozen[-1].state.theta)


def test_theta_0_is_redrawn_at_each_offline_step_or_fixed() -> None:
    redrawn, fixed = (build_problem(TASK, settings(redraw_theta=redraw)) for redraw in (True, False))
    assert not same(redrawn.init_theta(0), redrawn.init_theta(1))
    assert same(redrawn.init_theta(1), build_problem(TASK, settings()).init_theta(1))
    assert same(fixed.init_theta(0), fixed.theta_0)
    assert same(fixed.init_theta(3), fixed.theta_0)


def test_offline_steps_draw_a_batch_for_each_inner_step() -> None:
    problem = build_problem(TASK, settings(inner_steps=3))
    phase = plan("adalfl", problem).phases[0]
    drawn = [phase.draw(step)[1] for step in range(2)]
    assert [len(batches) for batches in drawn] == [3, 3]
    assert len({tuple(batch[1].tolist()) for batches in drawn for batch in batches}) == 6


@pytest.mark.parametrize(
    ("method", "asked", "split"),
    [
        ("ml3", None, "train"),
        ("ml3", "valid", "valid"),
        ("adalfl", None, "train"),
        ("adalfl+lr", None, "train"),
        ("meta-lr", None, "valid"),
        ("meta-lr", "train", "train"),
    ],
)
def test_offline_steps_judge_a_loss_on_their_own_batch_and_a_rate_on_a_valid_one(
    method: str, asked: str | None, split: str
) -> None:
    problems = [
        build_problem(TASK, settings(method=method, inner_steps=2, offline_objective=objective))
        for objective in (asked, "train")
    ]
    (_, batches, judged), (_, on_own, _) = (plan(method, problem).phases[0].draw(1) for problem in problems)
    assert torch.equal(batches[-1][0], on_own[-1][0])
    rows = {tuple(row.flatten().tolist()) for row in TASK.valid.x}
    assert torch.equal(batches[-1][0], judged[0]) == (split == "train")
    assert all(tuple(row.flatten().tolist()) in rows for row in judged[0]) == (split == "valid")


def test_offline_phase_is_algorithm_1() -> None:
    """Against `lfl.offline_step` in a loop."""
    problem = build_problem(TASK, settings(inner_steps=2))
    phase = plan("ml3", problem).phases[0]
    _, apply_fn = build_functional(TASK, settings())
    loss_fn = learned(TASK, settings(), 0).loss_fn
    phi, slots = problem.phi_0, None
    for step in range(phase.num_steps):
        phi, slots, _ = lfl.offline_step(
            *phase.draw(step)[:1],
            phi,
            *phase.draw(step)[1:],
            slots,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.01),
            outer=lfl.adam(1e-3),
        )
    found = [p for p in states("ml3", inner_steps=2) if p.phase.name == "init"][-1].state.phi
    for name, weight in phi.items():
        torch.testing.assert_close(found[name], weight)


def test_offline_steps_go_on_from_one_another_until_the_model_starts_anew() -> None:
    """Against `lfl.meta_step` in a loop, with momentum; the model of training starts from theta_0 after it."""
    asked = {"restart_every": 3, "inner_steps": 2, "momentum": 0.9}
    problem = build_problem(TASK, settings(**asked))
    _, apply_fn = build_functional(TASK, settings())
    phase = plan("ml3", problem).phases[0]
    drawn = [phase.draw(step) for step in range(phase.num_steps)]
    assert [theta_0 is not None for theta_0, _, _ in drawn] == [True, False, False, True]
    assert not same(drawn[0][0], drawn[3][0])
    once = plan("ml3", build_problem(TASK, settings(restart_every=0))).phases[0]
    assert [once.draw(step)[0] is not None for step in range(3)] == [True, False, False]
    phi, outer = problem.phi_0, None
    for theta_0, batches, judged in drawn:
        if theta_0 is not None:
            theta, carry = theta_0, problem.programs.fresh(theta_0, phi)
            carry = carry if outer is None else carry._replace(outer=outer)
        theta, phi, carry, _ = lfl.meta_step(
            theta,
            phi,
            batches,
            judged,
            carry,
            apply_fn=apply_fn,
            loss_fn=learned(TASK, settings(), 0).loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.01, momentum=0.9),
            outer=lfl.adam(1e-3),
        )
        outer = carry.outer
    run = states("ml3", **asked)
    offline = [p for p in run if p.phase.name == "init"][-1].state
    online = next(p for p in run if p.phase.name == "train").state
    for name, weight in (theta | phi).items():
        torch.testing.assert_close((offline.theta | offline.phi)[name], weight)
    assert same(online.phi, offline.phi)
    assert same(online.theta, problem.theta_0)
    assert all(slot.eq(0).all() for slot in leaves(online.carry))


def test_phi_moves_at_every_kth_step_and_looks_through_its_horizon() -> None:
    every = [p for p in states("adalfl", meta_every=3) if p.phase.name == "train"]
    moved = [not same(a.state.phi, b.state.phi) for a, b in pairwise(every)]
    assert moved == [False, False, True, False, False, True]
    ahead = [p for p in states("adalfl", horizon=3) if p.phase.name == "train"]
    assert [p.step for p in ahead] == [0, 3, 6]
    assert not any(same(a.state.phi, b.state.phi) for a, b in pairwise(ahead))
    # Theta sees the same batches and, until phi first moves, the same loss.
    for name, weight in ahead[1].state.theta.items():
        torch.testing.assert_close(weight, every[3].state.theta[name])


def test_metrics_come_when_they_are_due() -> None:
    run = states("adalfl", log_every=2, steps=7)
    logged = [(p.phase.name, p.step) for p in run if p.metrics]
    assert logged == [
        ("init", 2),
        ("init", 4),
        ("train", 2),
        ("train", 3),
        ("train", 4),
        ("train", 6),
        ("train", 7),
    ]
    assert [p.step for p in run if p.metrics and "valid_error" in p.metrics[0]] == [3, 6, 7]


def test_a_diverging_run_is_stopped_in_words() -> None:
    with pytest.raises(lfl.Failure, match=r"became (nan|inf).*lower --inner-lr"):
        states("baseline", inner_lr=1e38, steps=50)


def test_evaluate_does_not_depend_on_the_chunk() -> None:
    problem = build_problem(TASK, settings())
    _, apply_fn = build_functional(TASK, settings())
    errors = [
        evaluate(apply_fn, problem.theta_0, {}, TASK.test, ERRORS["classification"], chunk) for chunk in (7, 360, 1000)
    ]
    assert errors[0] == errors[1] == errors[2]
    outputs, _ = apply_fn(problem.theta_0, {}, TASK.test.x, training=False)
    assert errors[0] == pytest.approx(float((outputs.argmax(-1) != TASK.test.y).double().mean()))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"steps": 0}, "--steps must be a whole number of at least 1, got 0"),
        ({"offline_steps": -1}, "--offline-steps"),
        ({"inner_steps": 0}, "--inner-steps"),
        ({"batch_size": 0}, "--batch-size"),
        ({"seed": -1}, "--seed"),
        ({"inner_lr": -0.1}, "--inner-lr must be a finite number"),
        ({"outer_lr": float("nan")}, "--outer-lr"),
        ({"offline_lr": float("inf")}, "--offline-lr"),
        ({"offline_objective": "test"}, "--offline-objective"),
        ({"meta_objective": "test"}, "--meta-objective"),
        ({"momentum": -0.5}, "--momentum"),
        ({"clip_norm": float("nan")}, "--clip-norm"),
        ({"schedule": "linear"}, "--schedule"),
        ({"theta_init": "zeros"}, "--theta-init"),
        ({"optimizer": "rmsprop"}, "--optimizer"),
        ({"optimizer": "adam", "momentum": 0.9}, "--momentum and --nesterov are sgd's"),
        ({"method": "fixed"}, "give --loss-from RUN, or --loss FORMULA"),
        ({"method": "magic"}, "unknown --method"),
        ({"hypergradient": "magic"}, "--hypergradient"),
        ({"compile": "maybe"}, "--compile"),
        ({"precision": "float8"}, "--precision"),
        ({"meta_batch_size": 0}, "--meta-batch-size"),
        ({"horizon": 2, "meta_every": 3}, "multiples of --horizon, got 6, 3 and 2"),
        ({"horizon": 4}, "multiples of --horizon, got 6, 4 and 4"),
        ({"recompute": "auto", "compile": "on"}, "--recompute saves nothing in compiled steps"),
        ({"stored": "bfloat16"}, "--stored bfloat16 is for the steps .* got auto, 1 and 1"),
        ({"stored": "bfloat16", "horizon": 2, "hypergradient": "unroll"}, "--stored bfloat16 .* got unroll, 2 and 1"),
    ],
)
def test_settings_out_of_range_are_named(asked, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        settings(**asked)


@pytest.mark.slow
def test_recomputed_blocks_change_no_number_of_a_run_and_stored_steps_hardly_any() -> None:
    """The gradient of phi is the only one that looks at stored steps."""
    asked = {"model": "mlp-8", "horizon": 2, "method": "adalfl", "offline_steps": 1, "steps": 2}
    plain, again, rounded = (
        states(**asked, **more)[-1].state for more in ({}, {"recompute": "1, 3"}, {"stored": "bfloat16"})
    )
    assert max(float((a - b).abs().max()) for a, b in zip(leaves(plain), leaves(again), strict=True)) < 1e-6
    moved = max(float((plain.phi[name] - rounded.phi[name]).abs().max()) for name in plain.phi)
    assert 0.0 < moved < 1e-3


def test_defaults_fill_what_was_not_asked_for() -> None:
    resolved = resolve(Defaults(steps=1000, inner_lr=0.5), batch_size=7, steps=None)
    assert (resolved.steps, resolved.inner_lr, resolved.batch_size, resolved.offline_steps) == (
        1000,
        0.5,
        7,
        2500,
    )
    assert (resolved.log_every, resolved.eval_every) == (5, 20)


def test_a_zero_gradient_is_said_at_the_first_step_of_phi_in_a_phase() -> None:
    """A rate of 0 keeps phi where it is. A step that leaves phi alone by itself is not its first."""
    chosen = settings(method="adalfl", inner_lr=0.0, meta_every=2)
    run = train(plan("adalfl", build_problem(TASK, chosen)), measure=lambda *_: [{}], log_every=100, eval_every=100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        counts = [len(caught) for _ in run]
    # a phase's start, 4 offline steps, the next one's start, 6 online steps of which every second moves phi
    assert counts == [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert {w.category for w in caught} == {lfl.ZeroGradientWarning}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states("adalfl", meta_every=2)
