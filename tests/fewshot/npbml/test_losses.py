import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.fewshot.npbml.losses import (
    AT_ZERO,
    cross_entropy_of_scores,
    draw_loss,
    inductive_inputs,
    loss_network,
    one_hot,
    statistics,
    transductive_inputs,
)
from lfl.randomness import generator


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed, "losses"), dtype=torch.float64)


@pytest.mark.parametrize(("inputs", "size"), [(11, 6_483), (20, 7_563), (56, 11_883)])
def test_sizes_are_the_published_ones(inputs: int, size: int) -> None:
    assert sum(t.numel() for t in draw_loss(inputs, generator(0, "losses")).values()) == size


def test_a_network_of_zeros_is_a_constant_of_three_quarters_of_log_2_over_5() -> None:
    params = {name: torch.zeros_like(t) for name, t in draw_loss(5, generator(0, "losses")).items()}
    x = drawn(4, 5).float()
    assert torch.allclose(loss_network(params, x), torch.full((4,), 0.75 * math.log(2.0) / 5.0))
    assert torch.allclose(loss_network(params, x, centred=True), torch.zeros(4), atol=1e-7)
    assert abs(AT_ZERO - 0.104) < 1e-3


def test_without_film_it_is_a_plain_network() -> None:
    params = {k: 30.0 * t.double() for k, t in draw_loss(5, generator(0, "losses"), with_film=False).items()}
    x = drawn(4, 5)
    hidden = F.relu(F.relu(x @ params["0.weight"].T + params["0.bias"]) @ params["1.weight"].T + params["1.bias"])
    z = (hidden @ params["2.weight"].T + params["2.bias"])[:, 0]
    assert torch.allclose(loss_network(params, x), 0.25 * z + 0.75 * F.softplus(z, beta=5.0), atol=1e-9)


def test_inputs_of_the_losses_of_logits() -> None:
    logits, y, scores = drawn(4, 3), torch.tensor([2, 0, 1, 1]), drawn(4, 3, seed=1).sigmoid()
    seen = inductive_inputs(logits, y)
    assert torch.equal(seen[:, :3], logits)
    assert torch.equal(seen[:, 3:6], F.one_hot(y, 3).double())
    assert torch.allclose(seen[:, 6], F.cross_entropy(logits, y, reduction="none"))
    for hard, target in (True, scores.argmax(1)), (False, scores):
        expected = F.cross_entropy(logits, target, reduction="none")
        assert torch.allclose(cross_entropy_of_scores(logits, scores, hard=hard), expected)
        assert torch.allclose(transductive_inputs(logits, scores, hard=hard)[:, 6], expected)
    assert torch.equal(one_hot(y, logits), F.one_hot(y, 3).double())


@settings(deadline=None)
@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.integers(0, 99))
def test_statistics_are_torchs_own(shape: list[int], seed: int) -> None:
    theta = {"a": drawn(*shape, seed=seed), "b": 3.0 + drawn(4, seed=seed + 1)}
    for twice in (False, True):
        found = statistics(theta, l2_twice=twice)[0].reshape(2, 4)
        for row, t in zip(found, theta.values(), strict=True):
            expected = torch.stack([t.mean(), t.std(), t.norm(2 if twice else 1), t.norm(2)])
            assert torch.allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("detached", [False, True])
def test_statistics_of_zeros_have_derivatives_of_all_orders(detached: bool) -> None:
    weights = drawn(1, 8)

    def value(t: torch.Tensor) -> torch.Tensor:
        return (statistics({"a": t, "b": 2.0 * t[:1]}, detached=detached) * weights).sum()

    for at in torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64):
        first = torch.func.grad(value)
        curved = [torch.func.jacrev(first)(at), torch.func.jacfwd(first)(at)]
        assert torch.isfinite(first(at)).all()
        assert torch.isfinite(curved[0]).all()
        assert torch.allclose(*curved, rtol=1e-9)


def test_detached_mean_and_deviation_have_no_gradient() -> None:
    t = 1.0 + drawn(6)
    for detached in (False, True):
        jacobian = torch.func.jacrev(lambda t, d=detached: statistics({"a": t}, detached=d)[0])(t)
        moved = jacobian.abs().amax(1) > 0.0
        assert moved.tolist() == [not detached, not detached, True, True]


def test_forward_mode_keeps_single_precision() -> None:
    t = drawn(2, 3).float()
    tangent = torch.func.jvp(lambda t: statistics({"a": t}), (t,), (t,))[1]
    assert tangent.dtype == torch.float32
