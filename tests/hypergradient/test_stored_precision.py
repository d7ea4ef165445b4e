"""Steps kept in bfloat16: the gradient stays near, the steps themselves are exact, and half the memory is kept."""

from functools import partial
from typing import Any

import pytest
import torch

import lfl
from lfl.hypergradient.stored_precision import lower, raise_again
from lfl.trees import leaves

from .cases import Case, make_case
from .live_bytes import LiveBytes

BFLOAT16 = partial(lfl.mixed, stored=torch.bfloat16)


def phi_gradient(case: Case, form: Any, num_steps: int) -> Any:
    batches = [case.batch_tr, case.batch_val, case.batch_tr, case.batch_val][:num_steps]
    kwargs = {name: value for name, value in case.kwargs.items() if name != "outer"}
    return lfl.phi_gradient(case.theta, case.phi, batches, case.batch_val, case.carry, hypergradient=form, **kwargs)[0]


def relative_error(found: Any, expected: Any) -> float:
    a, b = (torch.cat([t.flatten() for t in leaves(tree)]) for tree in (found, expected))
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam"])
def test_the_gradient_is_near_and_that_of_one_step_the_same(optimiser: str) -> None:
    case = make_case("plain", optimiser, "classification", torch.float64)
    exact = phi_gradient(case, "mixed", 4)
    assert 0.0 < relative_error(phi_gradient(case, BFLOAT16, 4), exact) < 5e-3
    assert relative_error(phi_gradient(case, BFLOAT16, 1), phi_gradient(case, "mixed", 1)) == 0.0


def test_theta_is_rounded_by_how_far_it_has_moved() -> None:
    g = torch.Generator().manual_seed(0)
    first = {"w": torch.randn(50, generator=g)}
    theta = {"w": first["w"] + 1e-3 * torch.randn(50, generator=g)}
    state = {"mu": torch.randn(50, generator=g), "count": torch.tensor(257.0), "none": 3}
    step = (theta, "phi", state, "buffers", "batch")
    kept = lower(torch.bfloat16, step, (first, "phi", state))
    assert kept[0]["w"].dtype == kept[2]["mu"].dtype == torch.bfloat16
    again = raise_again(kept, (first, "phi", state))
    moved = (theta["w"] - first["w"]).abs()
    assert ((again[0]["w"] - theta["w"]).abs() <= 2.0**-8 * moved + 2.0**-23 * theta["w"].abs()).all()
    assert ((again[2]["mu"] - state["mu"]).abs() <= 2.0**-8 * state["mu"].abs()).all()
    assert (again[2]["count"], again[2]["none"]) == (257.0, 3)
    assert again[3:] == ("buffers", "batch")


def test_theta_and_losses_of_a_step_are_not_rounded() -> None:
    case = make_case("batch norm", "adam", "regression", torch.float64)
    results = [
        lfl.meta_step(
            case.theta,
            case.phi,
            [case.batch_tr] * 3,
            case.batch_val,
            case.carry,
            hypergradient=form,
            **{**case.kwargs, "outer": lfl.sgd(0.0)},
        )
        for form in ("mixed", BFLOAT16)
    ]
    for a, b in zip(*(leaves((theta, carry.inner, carry.buffers)) for theta, _, carry, _ in results), strict=True):
        assert torch.equal(a, b)
    assert results[0][3].outer_loss == results[1][3].outer_loss


def test_the_steps_take_half_the_memory() -> None:
    """The growth of the peak with the number of steps is that of the steps that are kept."""
    module = torch.nn.Linear(200, 200)
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network("regression", generator=torch.Generator().manual_seed(0))
    batch = torch.ones(1, 200), torch.zeros(1, 200)
    common: Any = {"apply_fn": apply_fn, "loss_fn": loss_fn, "task_loss": lfl.squared_error, "inner": lfl.sgd(0.1)}
    growth = []
    for form in (lfl.mixed, BFLOAT16):
        peaks = []
        for num_steps in (2, 12):
            with LiveBytes() as live:
                lfl.phi_gradient(theta, phi, [batch] * num_steps, batch, hypergradient=form, **common)
            peaks.append(live.peak)
        growth.append(peaks[1] - peaks[0])
    assert growth[1] < 0.55 * growth[0]


def test_other_precisions_are_refused() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    with pytest.raises(lfl.UserError, match=r"stored must be torch\.bfloat16 or None, got torch\.float16"):
        phi_gradient(case, partial(lfl.mixed, stored=torch.float16), 2)
