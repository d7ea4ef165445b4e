"""Problems: the head, the losses, and mistakes."""

import pytest
import torch
from torch import nn

import lfl
from lfl.fewshot import few_shot_problem

from .cases import episodes, network, one, problem


def test_the_head_is_the_last_linear_layer() -> None:
    assert problem().head == ("8.weight", "8.bias")
    net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2, bias=False)})
    net.forward = lambda x: net["head"](net["body"](x))  # type: ignore[method-assign]
    assert few_shot_problem(net, "regression", 2, input_shape=(2,)).head == ("head.weight",)


def test_losses_are_means_over_the_examples() -> None:
    p, task = problem(), one(episodes())
    expected = torch.nn.functional.cross_entropy(network()(task.x), task.y)
    assert float(p.support_loss(p.theta, task)) == pytest.approx(float(expected.detach()), rel=1e-12)
    loss, judged = p.query_loss(p.theta, task)
    expected = torch.nn.functional.cross_entropy(judged.outputs, task.query_y)
    assert float(loss) == pytest.approx(float(expected), rel=1e-12)
    real = few_shot_problem(nn.Linear(2, 2), "regression", 2, input_shape=(2,))
    outputs, y = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(2, 2)
    assert float(real.loss(outputs, y)) == 1.5


def test_mistakes_are_named() -> None:
    with pytest.raises(lfl.UserError, match="unknown kind 'multilabel'; choose one of: classification, regression"):
        few_shot_problem(network(), "multilabel", 3, input_shape=(1, 8, 8))
    with pytest.raises(lfl.UserError, match="needs a linear layer, its head"):
        few_shot_problem(nn.Sequential(nn.Conv2d(1, 3, 3)), "classification", 3, input_shape=(1, 8, 8))
    with pytest.raises(lfl.UserError, match="lr must be a finite number of at least 0, got -1"):
        problem(inner_lr=-1.0)
    with pytest.raises(lfl.UserError, match="inner_steps must be a whole number of at least 0, got -1"):
        problem(inner_steps=-1)
    with pytest.raises(lfl.UserError, match=r"model.*inputs of the shape \(3, 8, 8\)"):
        problem(input_shape=(3, 8, 8))
