"""Learners of several processes equal one of a single process, in double precision; gloo on the loopback device."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from ..hypergradient.cases import assert_close
from ..step.test_ranks import together
from .cases import batch, made
from .ranks import SIZE, all_learners


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return together(2, tmp_path_factory.mktemp("ranks"), "tests.learner.ranks:everything")


@pytest.mark.slow
def test_learners_equal_one_process(found: list[dict[str, Any]]) -> None:
    alone = all_learners(None)
    for name, learner in alone.items():
        ours, theirs = (each["learners"][name] for each in found)
        assert all(torch.equal(a, b) for a, b in zip(tree_leaves(ours), tree_leaves(theirs), strict=True))
        assert_close(ours, learner, rtol=1e-10)


@pytest.mark.slow
def test_running_statistics_are_the_mean_of_the_ranks(found: list[dict[str, Any]]) -> None:
    """Each rank's own are those of its half of the batch."""
    ours, theirs = (each["batch norm"] for each in found)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    halves = []
    for rank in range(2):
        module = made("batch norm").double()
        for call in range(2):
            module(batch(call, 0, SIZE, torch.float64)[0][rank::2])
        halves.append(dict(module.named_buffers()))
    assert int(ours["1.num_batches_tracked"]) == 2
    for name in ("1.running_mean", "1.running_var"):
        mean = (halves[0][name] + halves[1][name]) / 2
        torch.testing.assert_close(ours[name], mean, rtol=1e-12, atol=1e-14)
        assert not torch.equal(halves[0][name], halves[1][name])


@pytest.mark.slow
def test_own_batches_with_own_masks_leave_one_module(found: list[dict[str, Any]]) -> None:
    ours, theirs = (each["own"] for each in found)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_what_ranks_cannot_do_is_said_on_all_ranks(found: list[dict[str, Any]]) -> None:
    assert found[0]["said"] == found[1]["said"]
    different, compiled, within, noisy = found[0]["said"]
    assert different.startswith("theta is not the same on rank 1 as on rank 0; start every rank from the same seed")
    assert "got compile=True with a group" in compiled
    assert "save the state after a call that ends a step" in within
    assert "the train batch has a seed, from which a slice of the batch draws other numbers" in noisy
