"""A loaded loss is the run's, and a torch loop with it is lfl's own training."""

import copy
import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import lfl
from lfl.export import FixedLoss
from lfl.export.fixed_loss import as_buffers, tensors_of
from lfl.randomness import generator
from lfl.run import execute
from lfl.task import load_task
from lfl.training import Progress, learned, resolve


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


@pytest.mark.slow
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


def spoil_history(folder: Path) -> None:
    kept = load_file(folder / "phi_history.safetensors")
    save_file(kept | {"phi.1.weight": torch.zeros(len(kept["step"]), 2, 2)}, folder / "phi_history.safetensors")


def truncate(name: str):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def edit(**changes: object):
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return spoil


DAMAGE = {
    "no folder": (shutil.rmtree, r"cannot read .*config\.json"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    "another loss": (edit(loss="taylor-cubic"), "does not fit"),
    "a loss by hand": (edit(loss="focal"), "learned no loss"),
    "no curves": (lambda f: (f / "loss_curves.npz").unlink(), "learned no loss"),
    "curves truncated": (truncate("loss_curves.npz"), r"loss_curves\.npz is damaged"),
    "curves empty": (lambda f: (f / "loss_curves.npz").write_bytes(b""), r"loss_curves\.npz is damaged"),
    "no phi": (lambda f: (f / "phi.safetensors").unlink(), r"cannot read .*phi"),
    "phi truncated": (truncate("phi.safetensors"), "is corrupt"),
}
DAMAGED_HISTORY = {
    "no history": (lambda f: (f / "phi_history.safetensors").unlink(), r"cannot read .*phi_history"),
    "history truncated": (truncate("phi_history.safetensors"), "is corrupt"),
    "history of another loss": (spoil_history, "does not fit"),
}


@pytest.mark.parametrize("damage", DAMAGE | DAMAGED_HISTORY)
def test_damaged_folders_are_named(damage: str, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["classification"], folder)
    spoil, words = (DAMAGE | DAMAGED_HISTORY)[damage]
    spoil(folder)
    with pytest.raises(lfl.UserError, match=words):
        lfl.AdaptiveLoss(folder)
    if damage in DAMAGE:
        with pytest.raises(lfl.UserError, match=words):
            lfl.load_loss(folder)
    else:
        lfl.load_loss(folder)


def test_a_run_without_a_loss_and_one_that_never_trained_its_model_are_named(tmp_path: Path) -> None:
    task = load_task("digits", Path("unused"))

    def run(method: str, watch=None) -> Path:
        settings = resolve(task.defaults, model="logistic", method=method, steps=2, offline_steps=4, batch_size=8)
        return execute(task, settings, tmp_path / method, watch).folder

    def interrupt(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(lfl.UserError, match=r"learned no loss \(method baseline\)"):
        lfl.load_loss(run("baseline"))
    early = run("adalfl", interrupt)
    lfl.load_loss(early)
    with pytest.raises(lfl.UserError, match="ended before its model trained"):
        lfl.AdaptiveLoss(early)


@pytest.mark.parametrize("name", ["residual", "residual-network", "weight-net", "true-class", "vector-scaling"])
def test_each_loss_of_a_run_is_read_as_it_was_learned(name: str, tmp_path: Path) -> None:
    """Its values at the run's number of classes, against phi as it was written."""
    task = load_task("digits", Path("unused"))
    asked = {"model": "logistic", "steps": 4, "offline_steps": 0, "batch_size": 8, "meta_every": 1, "outer_lr": 1e-2}
    settings = resolve(task.defaults, method="residual", loss=name, **asked)
    run = execute(task, settings, tmp_path / "run").folder
    drawn = learned(task, settings, settings.seed).loss_fn
    outputs, ids = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    expected = drawn(load_file(run / "phi.safetensors"), outputs, ids).mean()
    torch.testing.assert_close(lfl.load_loss(run)(outputs, ids), expected)


def test_names_with_and_without_dots_come_out_as_they_went_in() -> None:
    tensors = {"0.weight": torch.ones(2), "0.bias": torch.zeros(1), "centre": torch.ones(1), "a.b.c": torch.ones(1)}
    module = as_buffers(tensors)
    found = tensors_of(module)
    assert found.keys() == tensors.keys() == module.state_dict().keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    tensors["0.weight"] += 1.0
    assert torch.equal(tensors_of(module)["0.weight"], torch.ones(2))
