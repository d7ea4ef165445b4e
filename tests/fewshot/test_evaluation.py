"""Evaluation: means, intervals, lists of episodes, and the steps of adaptation, against closed forms."""

import math
from typing import Any

import pytest
import torch

import lfl
from lfl.fewshot import METHODS, Episode, Evaluated, FewShotMethod, evaluate, few_shot_problem

from .cases import episodes, problem


class Numbers:
    """Task i: the number i, to be guessed; support and query are that number alone."""

    kind = "regression"

    def __init__(self) -> None:
        self.drawn: list[tuple[str, int, int]] = []

    def draw(self, split: str, step: int, num_tasks: int) -> Episode:
        self.drawn.append((split, step, num_tasks))
        y = torch.arange(step * num_tasks, (step + 1) * num_tasks, dtype=torch.float64)[:, None]
        return Episode(torch.zeros_like(y), y, torch.zeros_like(y), y)


def guesser() -> FewShotMethod:
    """Theta is a guess that starts at 0; a step at rate 1/4 on its squared error goes half of the way."""
    inner = lfl.Adaptation(lambda theta, phi, task: (theta - task.y).square().sum(), lfl.sgd(0.25), 1)
    outer: Any = lambda theta, phi, task: ((theta - task.query_y).square().sum(), theta.expand(1))  # noqa: E731
    return FewShotMethod(torch.zeros((), dtype=torch.float64), lambda phi: phi, inner, outer)


@pytest.mark.parametrize("at_once", [1, 3, 5, 100])
def test_means_and_intervals_are_those_of_the_first_episodes_of_the_list(at_once: int) -> None:
    source, method = Numbers(), guesser()
    found = evaluate(method, method.phi, source, "valid", num_tasks=7, steps=2, tasks_at_once=at_once)
    squares = torch.arange(7, dtype=torch.float64).square()
    expected = torch.stack([squares, squares / 4, squares / 16], 1)
    assert torch.equal(found.values, expected)
    assert found.means == pytest.approx([13.0, 3.25, 0.8125], rel=1e-12)
    spread = math.sqrt(sum((n * n - 13.0) ** 2 for n in range(7)) / 6) * 1.96 / math.sqrt(7)
    assert found.half_widths == pytest.approx([spread, spread / 4, spread / 16], rel=1e-12)
    assert {(split, size) for split, _, size in source.drawn} == {("valid", min(7, at_once))}


def test_the_interval_of_a_known_law_holds_its_mean_about_95_times_of_100() -> None:
    class Normal(Numbers):
        def draw(self, split: str, step: int, num_tasks: int) -> Episode:
            g = torch.Generator().manual_seed(step)
            y = 3.0 + 0.5 * torch.randn(num_tasks, 1, generator=g, dtype=torch.float64)
            return Episode(torch.zeros_like(y), y, torch.zeros_like(y), y)

    method = guesser()
    values = evaluate(method, method.phi, Normal(), num_tasks=20_000, steps=0, tasks_at_once=2000).values
    inside = 0
    for part in values.flatten().split(100):
        half = 1.96 * float(part.std()) / 10
        inside += abs(float(part.mean()) - 9.25) < half
    assert 181 <= inside <= 198  # of 200: three deviations about 190


def test_no_step_and_more_steps_than_in_training() -> None:
    method = guesser()
    assert evaluate(method, method.phi, Numbers(), num_tasks=3, steps=0).values.shape == (3, 1)
    assert evaluate(method, method.phi, Numbers(), num_tasks=3).values.shape == (3, 2)
    assert evaluate(method, method.phi, Numbers(), num_tasks=3, steps=9).means[-1] == pytest.approx(5 / 3 * 0.25**9)


def test_classes_are_counted_and_the_kind_is_said() -> None:
    class Drawn(Numbers):
        kind = "classification"

        def draw(self, split: str, step: int, num_tasks: int) -> Episode:
            return episodes(num_tasks, seed=step)

    for protocol, kind in (("batch", "transductive"), ("support", "inductive"), ("running", "inductive")):
        method = METHODS["maml"](problem(batch_norm=protocol))
        found = evaluate(method, method.phi, Drawn(), num_tasks=5, steps=2)
        assert set((found.values * 6).round(decimals=9).flatten().tolist()) <= set(range(7))
        assert found.metric == "error rate"
        assert str(found).endswith(f"(after 2 steps, 5 episodes, {kind})")


def test_one_episode_has_no_interval() -> None:
    method = guesser()
    assert math.isnan(evaluate(method, method.phi, Numbers(), num_tasks=1).half_widths[0])


def test_a_result_reads_well() -> None:
    found = Evaluated("error rate", torch.zeros(600, 4), [0.8, 0.1, 0.02, 0.0134], [0.0, 0.0, 0.0, 0.0015], True)
    assert str(found) == "error rate 0.0134 +- 0.0015 (after 3 steps, 600 episodes, transductive)"


def test_mistakes_are_named() -> None:
    method = guesser()
    with pytest.raises(lfl.UserError, match="num_tasks and tasks_at_once must be at least 1, got 0 and 50"):
        evaluate(method, method.phi, Numbers(), num_tasks=0)
    with pytest.raises(lfl.UserError, match="steps must be a whole number of at least 0, got -1"):
        evaluate(method, method.phi, Numbers(), num_tasks=2, steps=-1)


def test_gradients_need_not_be_off() -> None:
    """Evaluation keeps no graph of the parameters, whatever they are."""
    net = torch.nn.Linear(1, 1).double()
    method = METHODS["maml"](few_shot_problem(net, "regression", 1, input_shape=(1,), inner_lr=0.1))
    phi = {"init": {name: p.clone().requires_grad_() for name, p in method.phi["init"].items()}}

    class Lines(Numbers):
        def draw(self, split: str, step: int, num_tasks: int) -> Episode:
            x = torch.linspace(-1, 1, num_tasks * 4, dtype=torch.float64).view(num_tasks, 4, 1)
            return Episode(x, 2 * x, x, 2 * x)

    assert not evaluate(method, phi, Lines(), num_tasks=3).values.requires_grad
