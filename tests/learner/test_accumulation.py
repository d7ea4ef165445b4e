"""Micro-batches against the one large batch, in double precision."""

from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.loss import draw_loss
from lfl.randomness import generator

from .cases import OPTIMISERS, batch, made

SIZES = (3, 8, 5)


def parts(step: int, stream: int) -> list[tuple[torch.Tensor, ...]]:
    """Micro-batches of different sizes."""
    whole = batch(step, stream, sum(SIZES), torch.float64)
    return list(zip(*(t.split(SIZES) for t in whole), strict=True))


def learner_of(module: nn.Module, **settings: Any) -> lfl.Learner:
    phi, loss_fn = draw_loss("network", "classification", num_outputs=3, generator=generator(0, "phi_0"))
    return lfl.Learner(module, ({n: t.double() for n, t in phi.items()}, loss_fn), **settings)


@pytest.mark.parametrize("hypergradient", ["mixed", "unroll", "auto"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_equals_the_large_batch(optimiser: str, hypergradient: str) -> None:
    settings = {"optimizer": OPTIMISERS[optimiser], "clip_norm": 0.05, "hypergradient": hypergradient}
    large, small = made("plain").double(), made("plain").double()
    at_once, in_parts = learner_of(large, **settings), learner_of(small, accumulate=3, **settings)
    for step in range(3):
        wanted = at_once.step(*(batch(step, stream, sum(SIZES), torch.float64) for stream in (0, 1)))
        for train, valid in zip(parts(step, 0), parts(step, 1), strict=True):
            before = [p.clone() for p in small.parameters()]
            assert in_parts.steps_done == step
            info = in_parts.step(train, valid)
        assert not all(torch.equal(a, b) for a, b in zip(before, small.parameters(), strict=True))
        torch.testing.assert_close(tuple(info), tuple(wanted), rtol=1e-12, atol=1e-14)
        for a, b in zip(large.parameters(), small.parameters(), strict=True):
            torch.testing.assert_close(b.detach(), a.detach(), rtol=1e-12, atol=1e-14)
        for name, t in at_once.phi.items():
            torch.testing.assert_close(in_parts.phi[name], t, rtol=1e-11, atol=1e-13)


def test_parameters_rest_within_a_step_and_running_statistics_go_on() -> None:
    """As in a torch loop, each forward pass moves batch norm's statistics."""
    module, twin = made("batch norm"), made("batch norm")
    learner = lfl.Learner(module, accumulate=2)
    start = [p.clone() for p in module.parameters()]
    learner.step(batch(0), batch(0, 1))
    assert all(torch.equal(a, b) for a, b in zip(start, module.parameters(), strict=True))
    twin(batch(0)[0])
    torch.testing.assert_close(dict(module.named_buffers()), dict(twin.named_buffers()))
    learner.step(batch(1), batch(1, 1))
    twin(batch(1)[0])
    torch.testing.assert_close(dict(module.named_buffers()), dict(twin.named_buffers()))
    assert not all(torch.equal(a, b) for a, b in zip(start, module.parameters(), strict=True))


def test_one_validation_batch_is_enough_and_none_is_not() -> None:
    learner = lfl.Learner(made("plain"), accumulate=2, meta_every=2)
    for step in range(2):
        assert not learner.needs_validation
        learner.step(batch(step))
    assert learner.needs_validation
    learner.step(batch(2), batch(2, 1))
    assert learner.needs_validation
    phi = learner.phi
    info = learner.step(batch(3))
    assert info.phi_grad_norm > 0.0
    assert any(not torch.equal(learner.phi[n], phi[n]) for n in phi)
    for step in range(3):
        learner.step(batch(step))
    with pytest.raises(lfl.UserError, match="needs a validation batch"):
        learner.step(batch(4))


def test_each_micro_batch_has_masks_of_its_own() -> None:
    found = []
    for _ in range(2):
        module = made("dropout")
        learner = lfl.Learner(module, accumulate=2)
        losses = [learner.step(batch(0), batch(0, 1)).inner_loss for _ in range(3)]
        assert losses[0] != losses[1]
        found.append((losses, [p.tolist() for p in module.parameters()]))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
@pytest.mark.parametrize("name", ["batch norm", "dropout"])
def test_compiled_passes_equal_eager_ones(name: str) -> None:
    eager, compiled = made(name), made(name)
    learners = lfl.Learner(eager, accumulate=2), lfl.Learner(compiled, accumulate=2, compile=True)
    for step in range(4):
        infos = [tuple(learner.step(batch(step), batch(step, 1))) for learner in learners]
        torch.testing.assert_close(infos[0], infos[1], rtol=1e-4, atol=1e-5)
    for a, b in zip(eager.state_dict().values(), compiled.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_other_hypergradients_are_refused() -> None:
    learner = lfl.Learner(made("plain"), accumulate=2, hypergradient="implicit")
    with pytest.raises(lfl.UserError, match="must be auto, mixed or unroll, got 'implicit'"):
        learner.step(batch(0), batch(0, 1))
