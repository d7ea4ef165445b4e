"""Algorithm 1: its gradient through several steps, and where each step starts."""

from functools import partial

import pytest
import torch

import lfl

from ..hypergradient.cases import make_case


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam"])
@pytest.mark.parametrize("model", ["plain", "batch norm"])
def test_three_inner_steps_equal_finite_differences(model: str, optimiser: str) -> None:
    case = make_case(model, optimiser, "classification", torch.float64)
    batches = [case.batch_tr, case.batch_val, (case.batch_tr[0].flip(0), case.batch_tr[1])]
    step = partial(lfl.offline_step, **case.kwargs)
    _, found, _ = step(case.theta, case.phi, batches, case.batch_val)
    scale = max(float(t.abs().max()) for t in found.values())
    h = 1e-5
    for name, weight in case.phi.items():
        bump = torch.zeros_like(weight)
        bump.view(-1)[weight.numel() // 2] = h
        up, down = (
            step(case.theta, {**case.phi, name: weight + sign * bump}, batches, case.batch_val)[2].outer_loss
            for sign in (1, -1)
        )
        assert abs(float(up - down) / (2 * h) - float(found[name][bump != 0])) < 1e-6 * scale


def test_one_inner_step_is_the_online_step_with_theta_thrown_away() -> None:
    case = make_case("batch norm", "adam", "classification", torch.float64)
    kwargs = case.kwargs | {"outer": lfl.adam(0.01)}
    _, expected, carry, _ = lfl.meta_step(*case[1:5], **kwargs)
    phi, outer_state, _ = lfl.offline_step(case.theta, case.phi, [case.batch_tr], case.batch_val, **kwargs)
    again, _, _ = lfl.offline_step(case.theta, phi, [case.batch_tr], case.batch_val, outer_state, **kwargs)
    for name in phi:
        assert torch.equal(phi[name], expected[name])
        assert torch.equal(outer_state.mean[name], carry.outer.mean[name])
        assert not torch.equal(again[name], phi[name])


def test_no_batches_are_refused() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    with pytest.raises(lfl.UserError, match="at least one train batch"):
        lfl.offline_step(case.theta, case.phi, [], case.batch_val, **case.kwargs)
