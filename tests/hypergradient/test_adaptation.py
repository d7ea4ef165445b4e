"""Adaptation against torch.optim on a module of its own, step by step."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_map

import lfl

from .adaptation_cases import problem

THEIRS = {
    "sgd": (lfl.sgd(0.3), lambda p: torch.optim.SGD(p, 0.3)),
    "nesterov": (
        lfl.sgd(0.2, momentum=0.9, nesterov=True, weight_decay=0.05),
        lambda p: torch.optim.SGD(p, 0.2, momentum=0.9, nesterov=True, weight_decay=0.05),
    ),
    "adam": (lfl.adam(0.05), lambda p: torch.optim.Adam(p, 0.05)),
}


def data() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, 3, generator=g, dtype=torch.float64)
    return {"x": x, "y": torch.randint(2, (4, 6), generator=g)}


def module() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()


@pytest.mark.parametrize("name", THEIRS)
def test_it_takes_the_steps_of_torch_on_a_batch_each(name: str) -> None:
    ours, theirs = THEIRS[name]
    net, task = module(), data()
    theta, _, apply_fn = lfl.functional(net)
    inner = lfl.Adaptation(
        lambda theta, phi, batch: F.cross_entropy(apply_fn(theta, {}, batch["x"])[0], batch["y"]),
        ours,
        num_steps=4,
        part=lambda task, step: tree_map(lambda t: t[step], task),
    )
    adapted = lfl.adapt(inner, theta, {}, task)
    optimiser = theirs(net.parameters())
    for step in range(4):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(task["x"][step]), task["y"][step])
        torch.testing.assert_close(adapted.losses[step], loss.detach())
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(adapted.theta, {name: p.detach() for name, p in net.named_parameters()})


def test_the_proximal_term_is_the_distance_from_the_start() -> None:
    pulled = lfl.Adaptation(lambda theta, phi, task: (theta * task).sum(), lfl.sgd(0.1), 3, proximal=2.0)
    adapted = lfl.adapt(pulled, torch.ones(2), {}, torch.tensor([1.0, -3.0]))
    offset = torch.zeros(2)
    for _ in range(3):  # gradient: task + 2 (theta - 1)
        offset = offset - 0.1 * (torch.tensor([1.0, -3.0]) + 2.0 * offset)
    torch.testing.assert_close(adapted.theta, 1.0 + offset)


def test_rates_of_each_step_and_tensor() -> None:
    rates = {"a": torch.tensor([0.1, 0.0]), "b": torch.tensor([0.0, 0.5])}
    inner = lfl.Adaptation(
        lambda theta, phi, task: theta["a"] * 2.0 + theta["b"] * 3.0,
        lfl.sgd(1.0),
        2,
        rate=lambda phi, step: {name: rate[step] for name, rate in phi.items()},
    )
    adapted = lfl.adapt(inner, {"a": torch.tensor(1.0), "b": torch.tensor(1.0)}, rates, ())
    torch.testing.assert_close(adapted.theta, {"a": torch.tensor(0.8), "b": torch.tensor(-0.5)})


def test_it_is_pure_and_differentiable() -> None:
    p = problem("all", "nesterov", 2, "batch norm")
    task = tree_map(lambda t: t[0], p.tasks)
    flat = [t.clone().requires_grad_() for t in p.phi["init"].values()]
    before = [t.clone() for t in flat]

    def after(*start: torch.Tensor) -> Any:
        phi = {**p.phi, "init": dict(zip(p.phi["init"], start, strict=True))}
        return tuple(lfl.adapt(p.inner, p.start(phi), phi, task).theta.values())

    assert torch.autograd.gradcheck(after, flat)
    assert all(torch.equal(a, b) for a, b in zip(flat, before, strict=True))


def test_vmapped_it_is_each_task_alone() -> None:
    p = problem("init", "adam", 3, "none")

    def adapted(task: Any) -> Any:
        result = lfl.adapt(p.inner, p.start(p.phi), p.phi, task)
        return result.theta, result.losses, result.aux

    together = torch.func.vmap(adapted)(p.tasks)
    for i in range(3):
        alone = adapted(tree_map(lambda t, i=i: t[i], p.tasks))
        torch.testing.assert_close(tree_map(lambda t, i=i: t[i], together), alone)


def test_without_steps_nothing_changes() -> None:
    adapted = lfl.adapt(lfl.Adaptation(lambda *_: torch.zeros(()), lfl.sgd(0.1), 0), torch.ones(2), {}, ())
    assert torch.equal(adapted.theta, torch.ones(2))
    assert adapted.losses.shape == (0,)
    assert adapted.aux == []


def test_what_is_no_adaptation_is_refused() -> None:
    with pytest.raises(lfl.UserError, match=r"must be an lfl\.Adaptation, got int"):
        lfl.adapt(3, torch.ones(2), {}, ())  # type: ignore[arg-type]
    with pytest.raises(lfl.UserError, match=r"num_steps must be a whole number of at least 0, got 1\.5"):
        lfl.adapt(lfl.Adaptation(lambda *_: torch.zeros(()), lfl.sgd(0.1), 1.5), torch.ones(2), {}, ())  # type: ignore[arg-type]
