"""The offline phase against loops of lfl.offline_step and lfl.meta_step."""

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import lfl
from lfl.loss import draw_loss
from lfl.randomness import generator

from .cases import batch, made


def drawn() -> tuple[Any, Any]:
    return draw_loss("residual", "classification", num_outputs=3, generator=generator(0, "phi_0"))


@pytest.mark.parametrize("with_valid", [True, False])
@pytest.mark.parametrize("inner_steps", [1, 2])
def test_equals_offline_steps_bit_for_bit_and_leaves_the_module(inner_steps: int, with_valid: bool) -> None:
    module = made("batch norm")
    state = {name: t.clone() for name, t in module.state_dict().items()}
    learner = lfl.Learner(module, optimizer=lfl.sgd(0.1), num_outputs=3)
    train, valid = [batch(step) for step in range(3)], [batch(step, 1) for step in range(2)]
    info = learner.offline(train, valid if with_valid else None, steps=4, inner_steps=inner_steps)
    (phi, loss_fn), (theta, _, apply_fn) = drawn(), lfl.functional(made("batch norm"))
    outer_state = None
    for step in range(4):
        batches = [train[(step * inner_steps + k) % 3] for k in range(inner_steps)]
        phi, outer_state, wanted = lfl.offline_step(
            theta, phi, batches, valid[step % 2] if with_valid else batches[-1], outer_state, apply_fn=apply_fn,
            loss_fn=loss_fn, task_loss=lfl.cross_entropy, inner=lfl.sgd(0.1), outer=lfl.adam(1e-3),
        )  # fmt: skip
    assert all(torch.equal(learner.phi[name], t) for name, t in phi.items())
    assert all(torch.equal(a, b) for a, b in zip(info, wanted, strict=True))
    assert all(torch.equal(t, state[name]) for name, t in module.state_dict().items())
    assert learner.steps_done == 0


def test_without_restarts_it_goes_along_one_training() -> None:
    learner = lfl.Learner(made("plain"), optimizer=lfl.sgd(0.1, momentum=0.9))
    train = [batch(step) for step in range(5)]
    learner.offline(train, train, steps=5, restart_every=0, loss_optimizer=lfl.adam(1e-2))
    (phi, loss_fn), (theta, _, apply_fn), carry = drawn(), lfl.functional(made("plain")), None
    for each in train:
        theta, phi, carry, _ = lfl.meta_step(
            theta, phi, each, each, carry, apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1, momentum=0.9), outer=lfl.adam(1e-2),
        )  # fmt: skip
    assert all(torch.equal(learner.phi[name], t) for name, t in phi.items())


def test_a_start_may_be_drawn_and_is_the_same_again() -> None:
    found = []
    for _ in range(2):
        learner = lfl.Learner(made("dropout"), num_outputs=3)
        state = torch.random.get_rng_state()
        learner.offline([batch(0)], steps=3, redraw=lambda: torch.nn.Sequential(*_dropout()))
        assert torch.equal(torch.random.get_rng_state(), state)
        found.append(learner.phi)
        torch.rand(1, generator=torch.Generator().manual_seed(5))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    same_start = lfl.Learner(made("dropout"), num_outputs=3)
    same_start.offline([batch(0)], steps=3)
    assert not all(torch.equal(found[0][name], same_start.phi[name]) for name in found[0])


def _dropout() -> Any:
    from .cases import dropout

    return dropout().children()


def test_a_data_loader_is_gone_through_again_and_then_steps_follow() -> None:
    x, y = batch(0, size=20)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, drop_last=True)
    learner = lfl.Learner(made("plain"))
    before = learner.offline(loader, steps=5)
    assert before.phi_grad_norm > 0.0
    learner.step((x, y), (x, y))
    assert learner.steps_done == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"train_batches": []}, "train_batches has no batch"),
        ({"train_batches": iter([batch(0)])}, "gone through once only and has ended"),
        ({"train_batches": batch(0)}, "train batch must be .* got a Tensor"),
        ({"train_batches": 3}, "train_batches must be a list or DataLoader"),
        ({"train_batches": [batch(0)], "steps": 0}, "steps must be a whole number of at least 1"),
        ({"train_batches": [batch(0)], "restart_every": -1}, "restart_every must be at least 0"),
        ({"train_batches": [batch(0)], "redraw": lambda: torch.nn.Linear(3, 3)}, "redraw must return a module like"),
    ],
)
def test_what_cannot_be_gone_through_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        lfl.Learner(made("plain"), num_outputs=3).offline(**arguments)
