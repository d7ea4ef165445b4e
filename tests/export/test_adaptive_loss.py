"""A loss with its schedule: the run's own phi at the run's own steps, and a state that is saved."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.export import FixedLoss, Schedule
from lfl.export.adaptive_loss import phi_at
from lfl.randomness import generator
from lfl.run import load_history

from .test_fixed_loss import batch_of


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_it_goes_through_what_the_run_kept(kind: str, runs: dict[str, Path]) -> None:
    loss = lfl.AdaptiveLoss(runs[kind])
    history = load_history(runs[kind])
    kept = {s: phi for p, s, phi in zip(history.phases, history.steps, history.phis, strict=True) if p == "train"}
    assert sorted(kept) == list(range(21))
    values = []
    for step in range(25):
        phi = {name: t for name, t in kept[min(step, 20)].items() if name != "inner_lr"}
        values.append(loss(*batch_of(kind)))
        assert torch.equal(values[-1], FixedLoss(loss.loss_fn, phi)(*batch_of(kind)))
        loss.step()
    assert len(set(map(float, values))) == 21
    assert torch.equal(values[-1], lfl.load_loss(runs[kind])(*batch_of(kind)))


def test_stretched_over_twice_the_steps_it_is_half_as_fast(runs: dict[str, Path]) -> None:
    own, slow = lfl.AdaptiveLoss(runs["classification"]), lfl.AdaptiveLoss(runs["classification"], num_steps=40)
    for _ in range(20):
        torch.testing.assert_close(own.current_phi(), slow.current_phi())
        own.step()
        slow.step()
        slow.step()


def test_the_steps_taken_are_saved_and_narrowing_phi_leaves_them_whole(runs: dict[str, Path]) -> None:
    loss = lfl.AdaptiveLoss(runs["classification"], num_steps=100_000)
    for _ in range(3001):
        loss.step()
    other = lfl.AdaptiveLoss(runs["classification"], num_steps=100_000)
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    batch = batch_of("classification")
    assert torch.equal(loss(*batch), other(*batch))
    assert not torch.equal(loss(*batch), lfl.AdaptiveLoss(runs["classification"])(*batch))
    assert int(other.bfloat16().steps_taken) == 3001


@pytest.mark.slow
def test_compiled_it_moves_on_without_compiling_again(runs: dict[str, Path]) -> None:
    loss = lfl.AdaptiveLoss(runs["classification"])
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        return graph.forward

    fast = torch.compile(loss, fullgraph=True, backend=backend)
    for _ in range(5):
        torch.testing.assert_close(fast(*batch_of("classification")), loss(*batch_of("classification")))
        loss.step()
    assert len(calls) == 1


@pytest.mark.parametrize("steps", [[0], [1, 2], [0, 3, 3], []])
def test_a_schedule_that_is_none_is_named(steps: list[int]) -> None:
    phi, loss_fn = lfl.loss_network("regression", generator=torch.Generator())
    with pytest.raises(lfl.UserError, match="two steps that grow from 0"):
        lfl.AdaptiveLoss(Schedule(loss_fn, steps, [phi] * len(steps)))


def test_bad_arguments_are_named(runs: dict[str, Path]) -> None:
    for bad in (0, 2.5, True):
        with pytest.raises(lfl.UserError, match="num_steps must be a whole number of at least 1"):
            lfl.AdaptiveLoss(runs["regression"], num_steps=bad)
    with pytest.raises(lfl.UserError, match="choose one of: mean"):
        lfl.AdaptiveLoss(runs["regression"], reduction="max")


GAPS = st.lists(st.integers(1, 50_000), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), GAPS, st.integers(1, 300_000), st.data())
def test_it_is_linear_between_the_kept_steps(seed: int, gaps: list[int], num_steps: int, data: st.DataObject) -> None:
    steps = np.cumsum([0, *gaps])
    kept = torch.randn(len(steps), 3, generator=generator(seed, "phi"), dtype=torch.float64)
    taken = data.draw(st.integers(0, 2 * num_steps))
    found = phi_at({"w": kept}, torch.from_numpy(steps), torch.tensor(taken), num_steps)["w"]
    where = min(taken, num_steps) * steps[-1] / num_steps
    expected = [np.interp(where, steps, column) for column in kept.numpy().T]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)  # the share is a float32


def test_unstretched_kept_steps_are_met_exactly() -> None:
    steps = torch.tensor([0, 7, 20, 21])
    kept = torch.randn(4, 5, generator=generator(0, "phi"))
    for i, step in enumerate(steps):
        assert torch.equal(phi_at({"w": kept}, steps, step, 21)["w"], kept[i])
