"""A loaded loss is the run's, and a torch loop with it is lfl's own training."""

import copy
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import lfl
from lfl.handover import FixedLoss
from lfl.randomness import generator


def batch_of(kind: str, size: int = 6, width: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed, "batch")
    outputs = torch.randn(size, width, generator=g)
    ids, values = torch.randint(width, (size,), generator=g), torch.rand(size, width, generator=g)
    return outputs, ids if kind == "classification" else values


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_it_is_the_loss_that_the_run_ended_with(kind: str, runs: dict[str, Path]) -> None:
    loss = lfl.load_loss(runs[kind])
    phi = load_file(runs[kind] / "phi.safetensors")
    assert ("inner_lr" in phi) == (kind == "regression")
    _, loss_fn = lfl.loss_network(kind, generator=torch.Generator())
    torch.testing.assert_close(loss(*batch_of(kind)), loss_fn(phi, *batch_of(kind)).mean())
    assert torch.equal(loss(*batch_of(kind)), lfl.load_loss(str(runs[kind]))(*batch_of(kind)))
    assert list(loss.parameters()) == []


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_torch_loop_arrives_where_base_step_arrives(kind: str, runs: dict[str, Path]) -> None:
    loss = lfl.load_loss(runs[kind]).double()
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4)).double()
    theta, _, apply_fn = lfl.functional(model)
    inner = lfl.sgd(0.05, momentum=0.9, weight_decay=0.01)
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=0.01)
    step = partial(
        lfl.base_step,
        apply_fn=apply_fn,
        loss=partial(loss.loss_fn, loss.current_phi()),
        task_loss=lfl.cross_entropy if kind == "classification" else lfl.squared_error,
        inner=inner,
    )
    start, carry = dict(theta), None
    for i in range(25):
        _, y = batch_of(kind, seed=i)
        x = torch.randn(6, 5, generator=generator(i, "x"), dtype=torch.float64)
        y = y if kind == "classification" else y.double()
        theta, carry, _ = step(theta, (x, y), carry)
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), theta[name], rtol=1e-9, atol=1e-11)
        assert not torch.allclose(theta[name], start[name], rtol=1e-3)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_it_runs_under_the_transforms_and_compiled_whole(kind: str, runs: dict[str, Path]) -> None:
    loss = lfl.load_loss(runs[kind])
    outputs, targets = batch_of(kind)
    expected = torch.func.grad(loss)(outputs, targets)
    leaf = outputs.clone().requires_grad_()
    loss(leaf, targets).backward()
    torch.testing.assert_close(leaf.grad, expected)
    stacked = torch.func.vmap(loss, (0, None))(torch.stack((outputs, outputs + 1)), targets)
    torch.testing.assert_close(stacked[1], loss(outputs + 1, targets))
    fast = torch.compile(loss, fullgraph=True, backend="aot_eager")
    leaf = outputs.clone().requires_grad_()
    fast(leaf, targets).backward()
    torch.testing.assert_close(leaf.grad, expected)


def test_it_is_moved_copied_saved_and_pickled_like_any_module(runs: dict[str, Path]) -> None:
    loss = lfl.load_loss(runs["classification"], reduction="none", ignore_index=3)
    outputs, ids = batch_of("classification")
    expected = loss(outputs, ids)
    assert expected.shape == (6,)
    assert not expected[ids == 3].any()
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other(outputs, ids), expected)
    phi, loss_fn = lfl.loss_network("classification", generator=generator(5, "phi"))
    fresh = FixedLoss(loss_fn, phi, reduction="none", ignore_index=3)
    fresh.load_state_dict(loss.state_dict())
    assert torch.equal(fresh(outputs, ids), expected)
    assert copy.deepcopy(loss).double()(outputs.double(), ids).dtype == torch.float64
    assert loss.to("meta")(outputs.to("meta"), ids.to("meta")).device.type == "meta"


def test_an_unknown_reduction_is_named(runs: dict[str, Path]) -> None:
    with pytest.raises(lfl.UserError, match="choose one of: mean, sum, none"):
        lfl.load_loss(runs["regression"], reduction="batchmean")
