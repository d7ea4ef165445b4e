"""Statistics of batch norm by name, against torch's own layers."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.fewshot import METHODS, PROTOCOLS
from lfl.fewshot.batch_norm import episode_model
from tests.hypergradient.cases import assert_close

from .cases import SIDE, episodes, network, one, problem, step_of

SHAPE = (1, SIDE, SIDE)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def torchs(module: nn.Module, momentum: float) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = momentum
    return module


def test_the_querys_own_statistics_are_those_of_a_layer_in_training() -> None:
    theta, model = episode_model(network(), "batch", SHAPE)
    task = one(episodes())
    assert_close(model.query(theta, task.x, task.query_x)[0], network()(task.query_x), 1e-12)
    assert_close(model.support(theta, task.x), network()(task.x), 1e-12)
    assert model.transductive


def test_those_of_the_support_set_are_kept_by_torchs_layer_in_evaluation() -> None:
    theta, model = episode_model(network(), "support", SHAPE)
    task, module = one(episodes()), torchs(network(), 1.0)
    outputs = module(task.x)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):  # torch keeps the variance without bias
            count = 6 * 16 if layer is module[1] else 6 * 4
            layer.running_var *= (count - 1) / count
    expected = module.eval()(task.query_x)
    assert_close(model.query(theta, task.x, task.query_x)[0], expected, 1e-12)
    assert_close(model.predict(theta, task.x, task.query_x, []), expected, 1e-12)
    assert_close(model.support(theta, task.x), outputs, 1e-12)
    assert not model.transductive


def test_running_statistics_are_torchs_over_training() -> None:
    """Without an inner step, one task a step, and phi that stays, training is a pass over the query set."""
    made = METHODS["maml"](problem(inner_steps=0, batch_norm="running"))
    phi, module = made.phi, network()
    for step in range(5):
        tasks = episodes(1, seed=step)
        _, run = step_of(made, phi, tasks)
        phi = made.after(phi, run)
        module(tasks.query_x[0])
    layers = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert_close([s["mean"] for s in phi["statistics"]], [layer.running_mean for layer in layers], 1e-12)
    assert_close([s["variance"] for s in phi["statistics"]], [layer.running_var for layer in layers], 1e-12)
    task = one(episodes(seed=9))
    predicted = made.predict(phi["init"], phi, (task, 0))  # type: ignore[misc]
    assert_close(predicted, module.eval()(task.query_x), 1e-12)


def test_running_statistics_of_several_tasks_are_those_of_their_mean() -> None:
    made = METHODS["maml"](problem(batch_norm="running"))
    _, run = step_of(made)
    moved = made.after(made.phi, run)["statistics"]
    alone = [made.after(made.phi, step_of(made, tasks=tasks)[1])["statistics"] for tasks in parts()]
    for layer, found in enumerate(moved):
        for name, value in found.items():
            assert_close(value, sum(each[layer][name] for each in alone) / 3, 1e-12)


def parts() -> list[Any]:
    return [type(episodes())(*(t[i : i + 1] for t in episodes())) for i in range(3)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_without_batch_norm_is_inductive_by_any_name(protocol: str) -> None:
    theta, model = episode_model(network(norm=False), protocol, SHAPE)
    task = one(episodes())
    assert not model.transductive
    assert model.statistics == []
    assert_close(model.predict(theta, task.x, task.query_x, []), network(norm=False)(task.query_x), 1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_users_module_and_its_statistics_stay_as_they_are(protocol: str) -> None:
    module = network()
    module[1].running_mean.fill_(0.5)
    before = {name: t.clone() for name, t in module.state_dict().items()}
    theta, model = episode_model(module, protocol, SHAPE)
    task = one(episodes())
    model.query(theta, task.x, task.query_x)
    assert_close(dict(module.state_dict()), before, 0.0)
    assert module[1].track_running_stats


def test_norms_of_one_dimension_and_without_scale_and_shift_are_known() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False, eps=0.1), nn.Linear(4, 2)).double()
    x, query_x = (torch.randn(6, 3, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in (0, 1))
    theta, model = episode_model(module, "support", (3,))
    hidden, query = module[0](x), module[0](query_x)
    expected = module[2]((query - hidden.mean(0)) / (hidden.var(0, correction=0) + 0.1).sqrt())
    assert_close(model.query(theta, x, query_x)[0], expected, 1e-12)


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(
        lfl.UserError, match="unknown batch-norm protocol 'none'; choose one of: batch, support, running"
    ):
        problem(batch_norm="none")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_frozen_layers_keep_their_statistics(protocol: str) -> None:
    module = network()
    for layer in module:
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
            layer.running_mean = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    theta, model = episode_model(module, protocol, SHAPE)
    task = one(episodes())
    assert_close(model.query(theta, task.x, task.query_x)[0], module(task.query_x), 1e-12)
    assert not model.transductive
    assert model.statistics == []


def test_dropout_is_refused_where_it_would_drop() -> None:
    module = network()
    module[6] = nn.Sequential(module[6], nn.Dropout(0.5))
    with pytest.raises(lfl.UserError, match=r"no dropout, got a model with some \(6\.1\)"):
        episode_model(module, "batch", SHAPE)
    module[6][1].p = 0.0
    assert episode_model(module, "batch", SHAPE)[1].transductive
